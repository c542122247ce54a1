"""A whole training run before it starts: the layout, the step, the days, and the same on other numbers of devices.

Made from an architecture, a chip, what is asked of a step and a number of tokens. It knows nothing of failures, energy and money.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace

from luosi.cost import Interval
from luosi.errors import UsageError
from luosi.estimate.architecture import Architecture
from luosi.estimate.chips import Chip
from luosi.estimate.training.advice import refusal
from luosi.estimate.training.asking import Wanted
from luosi.estimate.training.layouts import PINS, Asked
from luosi.estimate.training.predict import fitted, predict
from luosi.estimate.training.search import Configuration, Found, search, usable_bytes

DAY = 86_400.0
BEST_MFU = 0.71
"""The best share of a peak in the published runs (a 32B model on TPU v5p)."""
OTHER_COUNTS = (1 / 4, 1 / 2, 2, 4)


@dataclass(frozen=True)
class Step:
    """One optimizer step of one configuration, as predicted."""

    configuration: Configuration
    seconds: Interval
    parts: dict[str, float]
    """Seconds; they add up to the median."""
    memory: dict[str, float]
    """Bytes of the fullest device, by part."""
    mfu: float
    flop: float


@dataclass(frozen=True)
class Point:
    """The run on so many devices: how long it takes, what it uses and costs; failures left out."""

    chip: str
    devices: int
    days: float
    device_hours: float
    usd: float | None
    """Rented at the listed price; None if none is known."""
    configuration: Configuration

    def beats(self, other: Point) -> bool:
        """Whether it is no slower and no dearer; on another chip without a known price it is not."""
        if self.chip == other.chip:
            cheaper = self.device_hours <= other.device_hours
        else:
            cheaper = self.usd is not None and other.usd is not None and self.usd <= other.usd
        return cheaper and self.days <= other.days and self != other


@dataclass(frozen=True)
class Job:
    """The run."""

    wanted: Wanted
    steps: int
    best: Step
    others: tuple[Step, ...]
    """The next best layouts, fastest first."""
    counts: tuple[Point, ...]
    """On this and other devices: those that no other beats in both days and money; slowest first."""
    found: Found
    usable_bytes: float
    """Of a device's memory, what the run may plan to fill."""

    @property
    def seconds(self) -> Interval:
        """Of all steps, nothing lost."""
        return self.best.seconds.times(self.steps)

    @property
    def flop(self) -> float:
        """Of all steps."""
        return self.best.flop * self.steps

    @property
    def least_seconds(self) -> float:
        """At the chips' peak, which nothing exceeds."""
        asked, chip = self.wanted.asked, self.wanted.chip
        return self.flop / (asked.devices * chip.tflops(asked.precision) * 1e12)


def plan(wanted: Wanted, *, framework: str = "", against: Sequence[tuple[Chip, int]] = ()) -> Job:
    """Search the layouts of a run and predict the best of them.

    Args:
        framework: As `predict` takes it.
        against: Other chips and numbers of them to set beside it.

    Raises:
        UsageError: The layout is impossible, or nothing fits: says by how much and the smallest change that would.
    """
    arch, chip, asked = wanted.architecture, wanted.chip, wanted.asked
    found = search(arch, chip, asked, constants=fitted().constants, keep=4)
    if not found.best:
        raise refusal(arch, chip, asked, found, constants=fitted().constants)
    ranked = [_step(arch, chip, asked, one, framework) for one in found.best]
    best, *others = sorted(ranked, key=lambda one: one.seconds.p50)
    steps = math.ceil(wanted.tokens / (asked.sequence * asked.global_batch))
    points = [_point(chip, asked, best, steps), *_elsewhere(wanted, steps, framework, against)]
    return Job(
        wanted=wanted,
        steps=steps,
        best=best,
        others=tuple(others),
        counts=unbeaten(points),
        found=found,
        usable_bytes=usable_bytes(chip),
    )


def unbeaten(points: Sequence[Point]) -> tuple[Point, ...]:
    """Those that no other beats, slowest first."""
    kept = [one for one in points if not any(other.beats(one) for other in points)]
    return tuple(sorted(kept, key=lambda one: -one.days))


def _step(arch: Architecture, chip: Chip, asked: Asked, one: Configuration, framework: str) -> Step:
    made = predict(arch, chip, one.runs(asked), framework=framework)
    parts = {field.name: float(getattr(made.parts, field.name)[0]) for field in fields(made.parts)}
    memory = {field.name: float(getattr(made.memory, field.name)[0]) for field in fields(made.memory)}
    return Step(one, made.seconds, parts, memory, made.mfu, made.flop)


def _elsewhere(wanted: Wanted, steps: int, framework: str, against: Sequence[tuple[Chip, int]]) -> Iterator[Point]:
    """The best on other devices, where one fits; what was given of the layout holds for the chip it was given for."""
    arch, asked = wanted.architecture, wanted.asked
    alone = asked.devices == 1 and wanted.chip.scaleup_devices <= 1  # a laptop has no neighbours
    counts = [asked.devices * times for times in OTHER_COUNTS if not alone]
    tries = [(wanted.chip, replace(asked, devices=int(one), dp=None)) for one in counts if one >= 1 and one == int(one)]
    tries += [(chip, replace(asked.opened(PINS), devices=devices)) for chip, devices in against]
    for chip, there in tries:
        try:
            found = search(arch, chip, there, constants=fitted().constants, keep=1)
        except UsageError:  # the given layout or batch cannot be spread so
            continue
        if found.best:
            yield _point(chip, there, _step(arch, chip, there, found.best[0], framework), steps)


def _point(chip: Chip, asked: Asked, step: Step, steps: int) -> Point:
    seconds = step.seconds.p50 * steps
    hours = seconds / 3600 * asked.devices
    usd = None if chip.usd_hour is None else hours * chip.usd_hour
    return Point(chip.name, asked.devices, seconds / DAY, hours, usd, step.configuration)
