"""What is told of a model, and of two: plain values in Elo."""

from __future__ import annotations

from dataclasses import dataclass

from luosi.ranking.coding import Floats
from luosi.ranking.intervals import ELO

MEAN = 1000.0
"""Of an island's ratings."""


@dataclass(frozen=True)
class Rated:
    """One model's line."""

    model: str
    rating: float
    low: float
    """Ends of the 95 % interval of the rating for one look; the mean of the island is exact."""
    high: float
    anytime_low: float
    """Ends of the 95 % interval that holds however often one looks."""
    anytime_high: float
    rank: int
    rank_low: int
    """Best rank it may have at 95 %."""
    rank_high: int
    votes: int
    voters: int | None
    """Who voted about it; None if voters are not known."""
    provisional: bool
    """Too few votes or too wide an interval to be relied on."""
    island: int
    """Only models of one island can be compared."""
    rating_unfiltered: float | None
    """With the votes that were left out; None if none were."""


@dataclass(frozen=True)
class Difference:
    """How far one model is ahead of another, Elo."""

    difference: float
    low: float
    high: float
    anytime_low: float
    """Above 0: ahead at 95 %, however often one looks."""
    anytime_high: float


def elo(logits: Floats) -> list[float]:
    """Ratings in Elo."""
    found: list[float] = (MEAN + ELO * logits).tolist()
    return found
