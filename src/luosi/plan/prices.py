"""Prices: dated, sourced rows for rented models, rented machines and electricity; and which of them this machine is billed by.

Made from data/prices.toml, over which the workspace's rates.toml (same format, and a `[use]` table that picks rows) may lay
its own. A price that is not known is refused, never taken as 0. Knows nothing of steps.
"""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field, ValidationError

from luosi.cost import Frozen, Machine, Money, Price, Rates
from luosi.errors import InputError, UsageError

COMPARABLE_CLOUD = "aws c7i.large"
"""The row whose price per vCPU stands for a machine of which nothing else is said: a current x86 server's own cores."""

RATES_HINT = 'give it in rates.toml, for example [use] electricity = "EU household", or a row of your own'

Unit = Literal["machine_hour", "core_hour", "kwh", "million_prompt_tokens", "million_completion_tokens"]


class Row(Frozen):
    """What every row has: a currency, where the figure was read and when."""

    currency: str = Field(pattern="^[A-Z]{3}$")
    source: str = Field(min_length=1)
    date: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")

    def price(self, nano: int, unit: Unit, note: str = "") -> Price:
        """`nano` for one `unit`, with this row's source and date; `note` goes before the source."""
        money = Money(nano=nano, currency=self.currency)
        return Price(money=money, unit=unit, source=f"{note}{self.source}", date=self.date)


class RentedModel(Row):
    """A model somebody else serves, by the list."""

    provider: str
    prompt_nano: int = Field(ge=0)
    completion_nano: int = Field(ge=0)

    @property
    def prompt(self) -> Price:
        """Of a million prompt tokens."""
        return self.price(self.prompt_nano, "million_prompt_tokens")

    @property
    def completion(self) -> Price:
        """Of a million completion tokens."""
        return self.price(self.completion_nano, "million_completion_tokens")


class RentedMachine(Row):
    """A cloud machine without accelerator."""

    vcpus: int = Field(gt=0)
    hour_nano: int = Field(gt=0)


class RentedAccelerator(Row):
    """One accelerator with its share of a host; `match` is sought in the device's name, the longest match counts."""

    match: str = Field(min_length=1)
    hour_nano: int = Field(gt=0)


class Electricity(Row):
    """A kilowatt-hour."""

    kwh_nano: int = Field(gt=0)


class Use(Frozen):
    """Which row the workspace's machine is billed by; at most one of them."""

    machine: str = ""
    """A row of `machines` or `accelerators`: rented, by the hour, power included."""
    electricity: str = ""
    """A row of `electricity`: owned, by the energy it draws."""


class PriceTable(Frozen):
    """All rows by name."""

    models: dict[str, RentedModel] = Field(default_factory=dict)
    machines: dict[str, RentedMachine] = Field(default_factory=dict)
    accelerators: dict[str, RentedAccelerator] = Field(default_factory=dict)
    electricity: dict[str, Electricity] = Field(default_factory=dict)
    use: Use = Use()

    def model(self, name: str) -> RentedModel:
        """The rented model called `name`.

        Raises:
            UsageError: No such row; the hint names the nearest.
        """
        return _row(self.models, name, "rented model")


@cache
def listed_prices() -> PriceTable:
    """The rows that ship with Luosi."""
    return _parse(files("luosi.plan").joinpath("data/prices.toml").read_text(encoding="utf-8"), "data/prices.toml")


def load_prices(rates_file: Path | None = None) -> PriceTable:
    """The listed rows, with those of the workspace's `rates_file` (if it exists) in front.

    Raises:
        InputError: The file is not TOML or a row of it is wrong; names the row.
    """
    if rates_file is None or not rates_file.exists():
        return listed_prices()
    try:
        own = _parse(rates_file.read_text(encoding="utf-8"), str(rates_file))
    except UnicodeDecodeError as error:
        raise InputError(f"{rates_file} is not UTF-8: {error}") from None
    listed = listed_prices()
    return PriceTable(
        models={**listed.models, **own.models},
        machines={**listed.machines, **own.machines},
        accelerators={**listed.accelerators, **own.accelerators},
        electricity={**listed.electricity, **own.electricity},
        use=own.use,
    )


def _parse(text: str, name: str) -> PriceTable:
    try:
        return PriceTable.model_validate(tomllib.loads(text), strict=True)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{name} is not TOML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"{name}: {where}: {first['msg']}, got {first['input']!r}",
            hint="a row has currency, source, date (YYYY-MM-DD) and its prices as integers in nano-units",
        ) from None


def rates(machine: Machine, table: PriceTable) -> Rates:
    """What an hour of `machine`, or the power it draws, costs.

    By the table's `[use]`; else by the accelerator's row; else, for processors alone, by what as many cores of a comparable
    cloud machine cost, which the price's source says.

    Raises:
        UsageError: A row that `[use]` names does not exist, or no price is known for this accelerator.
    """
    use = table.use
    if use.machine and use.electricity:
        raise UsageError(
            "rates.toml uses both a rented machine and electricity",
            hint="a rented machine's hour has its power in it: keep one",
        )
    if use.electricity:
        row = _row(table.electricity, use.electricity, "electricity price")
        return Rates(electricity=row.price(row.kwh_nano, "kwh", f"{use.electricity}: "))
    if use.machine:
        rented: Mapping[str, RentedMachine | RentedAccelerator] = {**table.machines, **table.accelerators}
        return _by_the_hour(_row(rented, use.machine, "machine"), use.machine)
    if machine.device != "cpu":
        return _accelerator_rates(machine, table)
    cloud = table.machines[COMPARABLE_CLOUD]
    nano = math.ceil(cloud.hour_nano * machine.cores / cloud.vcpus)
    note = f"what {machine.cores} cores rent for, by {COMPARABLE_CLOUD} ({cloud.vcpus} vCPUs): "
    return Rates(machine_hour=cloud.price(nano, "machine_hour", note))


def _accelerator_rates(machine: Machine, table: PriceTable) -> Rates:
    fitting = {name: row for name, row in table.accelerators.items() if row.match in machine.name}
    if not fitting:
        raise UsageError(f"no price is known for an hour of {machine.name}", hint=RATES_HINT)
    name = max(fitting, key=lambda name: len(fitting[name].match))
    return _by_the_hour(fitting[name], name)


def _by_the_hour(row: RentedMachine | RentedAccelerator, name: str) -> Rates:
    return Rates(machine_hour=row.price(row.hour_nano, "machine_hour", f"{name}: "))


T = TypeVar("T")


def _row(rows: Mapping[str, T], name: str, what: str) -> T:
    if name in rows:
        return rows[name]
    close = difflib.get_close_matches(name, rows, n=3, cutoff=0.4)
    listed = "did you mean " + " or ".join(repr(one) for one in close) + "?" if close else "known: " + ", ".join(rows)
    raise UsageError(f"the price table has no {what} {name!r}", hint=listed)
