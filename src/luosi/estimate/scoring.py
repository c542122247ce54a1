"""Errors of predictions that were compared with what was observed: their middle, their tail, their bias, what the intervals hold.

Made from such comparisons, of training or of serving. Every share is a fraction. It knows no table and no estimator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

Row = Mapping[str, str]


@dataclass(frozen=True)
class Scored:
    """One row's prediction beside what it observed."""

    row: Row
    group: str
    """Its shape and chip."""
    low: float
    middle: float
    high: float
    observed: float

    @property
    def error(self) -> float:
        """Signed, relative to the observed; -1 for a row that was refused and so predicted as 0."""
        return self.middle / self.observed - 1.0

    @property
    def inside(self) -> bool:
        """Whether the interval holds it."""
        return self.low <= self.observed <= self.high


Some = TypeVar("Some", bound=Scored)


def figures(found: Sequence[Scored], refused: int = 0) -> dict[str, float | None]:
    """`median_ape`, `p90_ape`, `bias` (median signed error) and `coverage80` of some rows; None where there are none.

    Args:
        refused: Rows beside them that were not predicted; each counts as an error of 100 %.
    """
    if not found and not refused:
        return {"median_ape": None, "p90_ape": None, "bias": None, "coverage80": None}
    errors = np.array([one.error for one in found] + [-1.0] * refused)
    return {
        "median_ape": round(float(np.median(np.abs(errors))), 4),
        "p90_ape": round(float(np.quantile(np.abs(errors), 0.9)), 4),
        "bias": round(float(np.median(errors)), 4),
        "coverage80": round(coverage(found), 4) if found else 0.0,
    }


def coverage(found: Sequence[Scored]) -> float:
    """The share of rows inside their interval, every shape and chip counted once."""
    by_group: dict[str, list[bool]] = {}
    for one in found:
        by_group.setdefault(one.group, []).append(one.inside)
    return float(np.mean([np.mean(inside) for inside in by_group.values()]))


def split(found: Sequence[Some], key: Callable[[Some], str]) -> dict[str, dict[str, float | None]]:
    """Figures of the rows of each value, and how many there are; those with most rows first."""
    parts: dict[str, list[Some]] = {}
    for one in found:
        parts.setdefault(key(one), []).append(one)
    ordered = sorted(parts.items(), key=lambda item: (-len(item[1]), item[0]))
    return {name: {"scored": float(len(rows)), **figures(rows)} for name, rows in ordered}
