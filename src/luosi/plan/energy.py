"""Energy, modelled: the watts of a machine whose power cannot be read, from its core count and its accelerator's name.

Makes the `watts_idle` and `watts_busy` of a Machine from the sourced rows of data/power.toml. Measuring is the ledger's
business (ledger/energy.py). Knows no prices.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

from pydantic import Field

from luosi.cost import Frozen


class CorePower(Frozen):
    """Watts of one core (hardware thread), with where the figures come from."""

    watts_idle: float = Field(gt=0)
    watts_busy: float = Field(gt=0)
    source: str
    date: str


class CoreSpeed(Frozen):
    """Sustained fp32 FLOP/s of one core that was never measured."""

    fp32: float = Field(gt=0)
    source: str
    date: str


class AcceleratorPower(Frozen):
    """Watts of one accelerator board at full load; `match` is sought in the device's name."""

    match: str
    watts: float = Field(gt=0)
    source: str
    date: str


class PowerTable(Frozen):
    """data/power.toml."""

    core: CorePower
    core_flops: CoreSpeed
    accelerator: tuple[AcceleratorPower, ...]


@cache
def power_table() -> PowerTable:
    """The rows that ship with Luosi."""
    text = files("luosi.plan").joinpath("data/power.toml").read_text(encoding="utf-8")
    return PowerTable.model_validate(tomllib.loads(text))


def modelled_watts(cores: int, accelerator: str = "") -> tuple[float, float]:
    """(idle, busy) watts of `cores` cores, and of the accelerator of that name if one is given and known.

    An accelerator idles at a tenth of its full power (a round figure: 70 W of an H100's 700 W).

    >>> modelled_watts(2)
    (1.48, 7.0)
    """
    table = power_table()
    fitting = [row for row in table.accelerator if row.match in accelerator]
    board = max(fitting, key=lambda row: len(row.match)).watts if fitting else 0.0
    return cores * table.core.watts_idle + board / 10, cores * table.core.watts_busy + board
