"""How few votes hold each place: the least number whose loss would turn a pair of neighbours around.

By first order (Broderick, Giordano and Meager, 2020; Huang et al., 2025, for arenas): leaving out a vote moves the difference of two
ratings by its influence, so the votes that hold it up the most go first. Only votes about one of the two are looked at: theirs are
the largest influences. The first pairs are checked by refitting. Knows no interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from luosi.ranking.coding import Floats
from luosi.ranking.fit import Fit, fit
from luosi.ranking.likelihood import TREATMENTS, Terms
from luosi.ranking.linear import Dense, system
from luosi.ranking.rows import Rows
from luosi.ranking.votes import TIE

TRIES = 12
"""How often more votes are left out where the refit shows no turn yet."""


@dataclass(frozen=True)
class Flip:
    """Two neighbours of a ranking."""

    above: int
    below: int
    gap: float
    """Difference of their ratings, logits."""
    votes: int | None
    """Fewest votes whose loss turns them around; None: not all votes about the two would do."""
    checked: bool
    """Whether a refit without these votes was made; `votes` then is what it took."""


def flips(rows: Rows, found: Fit, terms: Terms, pairs: Sequence[tuple[int, int]], *, check: int) -> list[Flip]:
    """The flips of pairs (above, below), the first `check` of them by refitting."""
    inside = system(found.form, found.penalty, found.island, found.fixed)
    inverse = inside.inverse() if isinstance(inside, Dense) else None
    at = _Index(rows)
    done = []
    for number, (above, below) in enumerate(pairs):
        if inverse is not None:
            influence = inverse[above] - inverse[below]
        else:
            unit = np.zeros(len(found.theta))
            unit[above], unit[below] = 1, -1
            influence = inside.solve(unit, precision=1e-6)
        gap = float(found.theta[above] - found.theta[below])
        places, counts, pulls = _pulls(rows, terms, influence, at.of(above, below))
        votes = _needed(counts, pulls, gap)
        checked = number < check and votes is not None
        if checked and votes is not None:
            votes = _checked(rows, found, (above, below), places, counts, votes)
        done.append(Flip(above, below, gap, votes, checked))
    return done


class _Index:
    """Where the rows about a model are."""

    def __init__(self, rows: Rows) -> None:
        self.sides = []
        for side in (rows.left, rows.right):
            order = np.argsort(side, kind="stable")
            self.sides.append((order, np.searchsorted(side[order], np.arange(rows.models + 1))))

    def of(self, first: int, second: int) -> Any:
        """Rows about one of the two."""
        parts = [order[ends[m] : ends[m + 1]] for order, ends in self.sides for m in (first, second)]
        return np.unique(np.concatenate(parts))


def _pulls(rows: Rows, terms: Terms, influence: Floats, places: Any) -> tuple[Any, Any, Floats]:
    """Rows that hold the difference up, the strongest votes first: places, votes in each, pull of one vote."""
    n, wide = rows.models, rows.context.shape[1]
    lead = influence[rows.left[places]] - influence[rows.right[places]] + rows.context[places] @ influence[n : n + wide]
    pull = lead * terms.score[0][places]
    for extra, score in zip(influence[n + wide :], terms.score[1:], strict=True):
        pull = pull + extra * score[places]
    pull = pull * rows.square[places] / rows.weight[places]
    count = np.maximum(1, np.rint(rows.weight[places] ** 2 / rows.square[places])).astype(np.int64)
    order = np.argsort(-pull, kind="stable")
    order = order[pull[order] > 0]
    return places[order], count[order], pull[order]


def _needed(counts: Any, pulls: Floats, gap: float) -> int | None:
    """How many votes, the strongest first, add up to more than the gap."""
    total = np.cumsum(counts * pulls)
    row = int(np.searchsorted(total, gap, side="right"))
    if row == len(total):
        return None
    before = float(total[row - 1]) if row else 0.0
    return int(counts[:row].sum()) + int((gap - before) / pulls[row]) + 1


def _checked(rows: Rows, found: Fit, pair: tuple[int, int], places: Any, counts: Any, votes: int) -> int | None:
    """So many votes left out and refitted, more until the pair turns around; None if it does not."""
    whole, end = int(counts.sum()), np.cumsum(counts)
    for _ in range(TRIES):
        gone = np.clip(votes - (end - counts), 0, counts)
        share = np.ones(len(rows.left))
        share[places] = 1 - gone / counts
        rest = np.flatnonzero(share > 0)
        less = replace(
            rows, left=rows.left[rest], right=rows.right[rest], outcome=rows.outcome[rest], context=rows.context[rest],
            weight=(rows.weight * share)[rest], square=(rows.square * share)[rest], of_vote=None,
        )  # fmt: skip
        tied = bool((less.outcome == TIE).any())
        again = fit(
            less,
            found.ties if tied else TREATMENTS["half"],
            position=not found.fixed[rows.models],
            start=found.theta if tied else None,
        )
        if again.theta[pair[0]] < again.theta[pair[1]] or again.island[pair[0]] != again.island[pair[1]]:
            return votes
        if votes == whole:
            return None
        gap = float(found.theta[pair[0]] - found.theta[pair[1]])
        closed = gap - float(again.theta[pair[0]] - again.theta[pair[1]])
        votes = min(whole, int(votes * min(2.0, gap / closed if closed > 0 else 2.0)) + 1)
    return None
