"""What the plan page reckons with: the sliders' stops, and a training run estimated from where they stand. No page in it."""

from __future__ import annotations

from dataclasses import dataclass

from luosi.estimate.architecture import Architecture
from luosi.estimate.catalogue import models
from luosi.estimate.chips import chip, chips
from luosi.estimate.training.asking import wanted
from luosi.estimate.training.job import Job, plan
from luosi.estimate.training.outlay import Outlay, Terms, outlay

PRECISIONS = ("bf16", "fp8", "nvfp4")


def _stops(first: int, last: int, steps: tuple[int, ...]) -> tuple[float, ...]:
    """Numbers of two or three digits, evenly spaced in the logarithm.

    >>> _stops(0, 1, (10, 20, 50))
    (1.0, 2.0, 5.0, 10.0)
    """
    return (*(step * 10.0**power / 10 for power in range(first, last) for step in steps), 10.0**last)


SIZES = _stops(8, 13, (10, 15, 20, 30, 50, 70))
"""Parameters."""
TOKENS = _stops(9, 14, (10, 15, 20, 30, 50, 70))
DEVICES = tuple(2**power for power in range(15))
PRICES = _stops(-1, 2, (10, 12, 15, 20, 25, 30, 40, 50, 60, 80))
"""USD of a device's hour."""


@dataclass(frozen=True)
class Setting:
    """Where the sliders stand."""

    model: str
    """A name of the catalogue, or a size such as "70B"."""
    tokens: float
    chip: str
    devices: int
    precision: str
    usd_hour: float | None
    """None for the listed price."""


START = Setting("llama-3.1-8b", 1e12, "H100-SXM", 256, "bf16", None)


@dataclass(frozen=True)
class Planned:
    """The run, and what surrounds it."""

    job: Job
    outlay: Outlay
    model_source: str
    """Where the model's sizes are from; "" where they are made from a count alone."""


def reckon(setting: Setting) -> Planned:
    """Estimate it.

    Raises:
        UsageError: The model or the chip is unknown, or the run fits nowhere.
    """
    job = plan(
        wanted(
            model=setting.model,
            on=(chip(setting.chip), setting.devices),
            tokens=f"{setting.tokens:g}",
            precision=setting.precision,
        )
    )
    return Planned(job, outlay(job, Terms(usd_hour=setting.usd_hour)), source_of(job.wanted.architecture))


def source_of(arch: Architecture) -> str:
    """Of the sizes in the catalogue; "" where it has no such model."""
    return next((one.source for one in models() if one.architecture == arch), "")


def chip_names() -> list[str]:
    """Those that a run can be planned on, the newest first."""
    return [one.name for one in sorted(chips(), key=lambda one: -one.year)]


def model_names() -> list[str]:
    """Of the catalogue."""
    return [one.names[0] for one in models()]


def nearest_stop(stops: tuple[float, ...] | tuple[int, ...], value: float) -> int:
    """The place of the stop nearest to a value, by their ratio.

    >>> nearest_stop((1, 10, 100), 30)
    1
    """
    return min(range(len(stops)), key=lambda place: max(stops[place] / value, value / stops[place]))
