"""Who can be compared with whom: islands of models that no vote joins, and models whose ratings the votes leave unbounded.

The rating of a model is finite where from every model of its group one can go to every other along wins (Zermelo, 1929; Ford,
1957). Knows no rating.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from luosi.ranking.rows import Rows
from luosi.ranking.votes import LEFT, RIGHT, TIE

TRIES = 20
"""How many groups are looked at for the largest: in votes of people the first is."""


def islands(left: Any, right: Any, models: int) -> npt.NDArray[np.int64]:
    """Number of each model's island, the largest island 0, [N]."""
    label = np.arange(models)
    while True:
        low = np.minimum(label[left], label[right])
        new = label.copy()
        np.minimum.at(new, label[left], low)
        np.minimum.at(new, label[right], low)
        new = new[new]
        if np.array_equal(new, label):
            break
        label = new
    _, number, sizes = np.unique(label, return_inverse=True, return_counts=True)
    order = np.argsort(-sizes, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return place[number]


def unbounded(rows: Rows, island: npt.NDArray[np.int64], *, counts_ties: bool) -> npt.NDArray[np.bool_]:
    """Models outside the largest group of their island within which everyone has, directly or by way of others, beaten everyone."""
    won, lost, tied = rows.outcome == LEFT, rows.outcome == RIGHT, (rows.outcome == TIE) & counts_ties
    better = np.concatenate([rows.left[won], rows.right[lost], rows.left[tied], rows.right[tied]])
    worse = np.concatenate([rows.right[won], rows.left[lost], rows.right[tied], rows.left[tied]])
    votes = np.bincount(rows.left, rows.weight, rows.models) + np.bincount(rows.right, rows.weight, rows.models)
    outside = np.ones(rows.models, bool)
    for number in range(int(island.max()) + 1):
        here = island == number
        outside[_largest_group(better, worse, votes, here)] = False
    return outside


def _largest_group(better: Any, worse: Any, votes: Any, here: Any) -> Any:
    best: Any = np.zeros(0, np.int64)
    left_over = here.copy()
    for _ in range(TRIES):
        if np.count_nonzero(left_over) <= len(best):
            break
        pivot = int(np.argmax(np.where(left_over, votes, -1)))
        group = _reached(better, worse, pivot, len(here)) & _reached(worse, better, pivot, len(here))
        left_over &= ~group
        if np.count_nonzero(group) > max(1, len(best)):
            best = np.flatnonzero(group)
    return best


def _reached(start: Any, end: Any, pivot: int, models: int) -> Any:
    reached = np.zeros(models, bool)
    reached[pivot] = True
    while True:
        new = reached.copy()
        new[end[reached[start]]] = True
        if np.array_equal(new, reached):
            return reached
        reached = new
