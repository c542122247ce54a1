"""Learning: what the attempts' logs say of how long steps take on this machine, and how far off the plans were.

Made from the attempts' logs: the runs that teach the next plan, the plans' errors by how many runs of a step they had been
taught by, and how much one step's seconds vary, which no plan can be nearer than. A run that other programs disturbed teaches
nothing and is not counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from luosi.ledger.attempts import Try, builds

LEAST_S = 1.0
"""Steps that are over sooner are left out of what people are shown: their times are mostly those of starting and writing."""
MOST_RUNS = 6
"""Of earlier runs, that people are shown; what more of them teach is little."""
LOADED_SHARE = 0.1
"""A try was disturbed if other programs kept more than this share of the machine busy meanwhile."""
ENOUGH = 3
"""Runs of one step, to tell how much they vary."""


class Run(NamedTuple):
    """One finished build of a step, as it was planned and as it went."""

    stage: str
    step: str
    key: str
    estimated_s: float
    """The plan's median seconds before any correction."""
    planned_s: float
    """The same as planned."""
    seconds: float
    """Taken, killed attempts included."""
    loaded: bool
    """Other programs kept the cores busy meanwhile."""


class Learned(BaseModel):
    """Builds of steps that had been run `runs` times before, and how far off their plans were."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    runs: int
    builds: int
    error: float
    """Median of |spent / planned - 1|, in seconds."""


def disturbed(tries: Sequence[Try], cores: int) -> bool:
    """Whether other programs kept the machine's cores busy during any of them."""
    return any(one.foreign_cores > LOADED_SHARE * cores for one in tries)


def finished_runs(tries: Sequence[Try], machine: str, cores: int) -> list[Run]:
    """Every finished build on `machine`, the earliest first."""
    return [
        Run(
            stage=build[0].stage,
            step=build[0].step,
            key=build[0].key,
            estimated_s=build[0].uncalibrated_s,
            planned_s=build[0].planned.seconds.p50,
            seconds=sum(one.cost.wall_s for one in build),
            loaded=disturbed(build, cores),
        )
        for build in builds(tries)
        if build[0].machine == machine
    ]


def learned(runs: Sequence[Run]) -> tuple[Learned, ...]:
    """The plan's errors by what it had learned from; () before anything was built undisturbed."""
    before: dict[tuple[str, str], int] = {}
    errors: dict[int, list[float]] = {}
    for one in _telling(runs):
        earlier = before.get((one.stage, one.step), 0)
        before[one.stage, one.step] = earlier + 1
        errors.setdefault(earlier, []).append(abs(one.seconds / one.planned_s - 1))
    return tuple(
        Learned(runs=earlier, builds=len(found), error=median(found)) for earlier, found in sorted(errors.items())
    )


def variation(runs: Sequence[Run]) -> float | None:
    """How far one and the same build's seconds are from their median, as the median over all of them; None before any key was
    built `ENOUGH` times. What is left of the plans' error when nothing more can be learned."""
    by_key: dict[str, list[float]] = {}
    for one in _telling(runs):
        by_key.setdefault(one.key, []).append(one.seconds)
    found = [
        abs(took / median(all_of_it) - 1)
        for all_of_it in by_key.values()
        if len(all_of_it) >= ENOUGH
        for took in all_of_it
    ]
    return median(found) if found else None


def _telling(runs: Sequence[Run]) -> list[Run]:
    return [one for one in runs if not one.loaded and one.seconds >= LEAST_S]
