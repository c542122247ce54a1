"""Learning: how far off the plans for this machine were, by how many runs of a stage they had been taught by.

Made from the attempts' logs. A run that other programs disturbed teaches the plan nothing and is not counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from pydantic import BaseModel, ConfigDict

from luosi.ledger.attempts import Try, builds

LEAST_S = 1.0
"""Steps that are over sooner are left out: their times are mostly those of starting and writing."""
MOST_RUNS = 6
"""Of earlier runs, that people are shown; what more of them teach is little."""
LOADED_SHARE = 0.1
"""A try was disturbed if other programs kept more than this share of the machine busy meanwhile."""


class Learned(BaseModel):
    """Builds of stages that had been run `runs` times before, and how far off their plans were."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    runs: int
    builds: int
    error: float
    """Median of |spent / planned - 1|, in seconds."""


def disturbed(tries: Sequence[Try], cores: int) -> bool:
    """Whether other programs kept the machine's cores busy during any of them."""
    return any(one.foreign_cores > LOADED_SHARE * cores for one in tries)


def learned(tries: Sequence[Try], machine: str, cores: int) -> tuple[Learned, ...]:
    """The plan's errors on `machine`, by what it had learned from; () before anything was built there undisturbed."""
    runs: dict[str, int] = {}
    errors: dict[int, list[float]] = {}
    for build in builds(tries):
        took = sum(one.cost.wall_s for one in build)
        if build[0].machine != machine or disturbed(build, cores) or took < LEAST_S:
            continue
        before = runs.get(build[0].stage, 0)
        runs[build[0].stage] = before + 1
        errors.setdefault(before, []).append(abs(took / build[0].planned.seconds.p50 - 1))
    return tuple(
        Learned(runs=before, builds=len(found), error=median(found)) for before, found in sorted(errors.items())
    )
