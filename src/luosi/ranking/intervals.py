"""Intervals: for a look decided beforehand (Student's t), for as many looks as one likes (confidence sequences), and of ranks.

`anytime_half` is Robbins' (1970) normal mixture, as Waudby-Smith et al. (2021) use it with an estimated variance: the truth is
within it at all times at once with the confidence given. Ranks follow Mogstad, Romano, Shaikh and Wilhelm (2024): who is
significantly better or worse, each pair with its own error, Bonferroni over the other models. Knows no votes.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np

from luosi.ranking.coding import Floats
from luosi.ranking.errors import Errors
from luosi.statistics import CONFIDENCE

ELO = 400 / math.log(10)
"""Elo in one logit."""
RISK = 1 - CONFIDENCE
MIXTURE_SD = 0.25
"""Standard deviation in logits of the mixture (43 Elo), fixed before any vote: where an anytime interval is narrowest."""


def quantile(tail: float, dof: int) -> float:
    """The t that Student's T with `dof` degrees of freedom exceeds with chance `tail`; 0 degrees stand for the normal.

    Hill's (1970) algorithm 396, good to 1e-4 from 3 degrees on; 1 and 2 exactly.

    >>> round(quantile(0.025, 0), 4), round(quantile(0.025, 12), 4)
    (1.96, 2.1788)
    """
    if dof == 0:
        return NormalDist().inv_cdf(1 - tail)
    if dof == 1:
        return 1 / math.tan(math.pi * tail)
    if dof == 2:
        return (1 - 2 * tail) / math.sqrt(2 * tail * (1 - tail))
    n = float(dof)
    a = 1 / (n - 0.5)
    b = 48 / (a * a)
    c = ((20700 * a / b - 98) * a - 16) * a + 96.36
    d = ((94.5 / (b + c) - 3) / b + 1) * math.sqrt(a * math.pi / 2) * n
    y = (2 * d * tail) ** (2 / n)
    if y > 0.05 + a:
        x = NormalDist().inv_cdf(tail)
        y = x * x
        if dof < 5:
            c += 0.3 * (n - 4.5) * (x + 0.6)
        c += (((0.05 * d * x - 5) * x - 7) * x - 2) * x + b
        y = (((((0.4 * y + 6.3) * y + 36) * y + 94.5) / c - y - 3) / b + 1) * x
        y = math.expm1(a * y * y)
    else:
        y = ((1 / (((n + 6) / (n * y) - 0.089 * d - 0.822) * (n + 2) * 3) + 0.5 / (n + 4)) * y - 1) * (n + 1) / (
            n + 2
        ) + 1 / y
    return math.sqrt(n * y)


def fixed_half(variance: Floats, dof: int, *, among: int = 1) -> Floats:
    """Half width at 95 % for one look; `among` so many comparisons at once (Bonferroni)."""
    return quantile(RISK / 2 / among, dof) * np.sqrt(variance)


def anytime_half(variance: Floats, dof: int) -> Floats:
    """Half width at 95 % for all looks together; few clusters widen it as Student's t widens a fixed one."""
    wider = (quantile(RISK / 2, dof) / quantile(RISK / 2, 0)) ** 2
    spread = np.maximum(variance * wider, 1e-300)
    prior = MIXTURE_SD**2
    grown = (spread + prior) / spread
    half: Floats = np.sqrt(2 * spread * (spread + prior) / prior * np.log(np.sqrt(grown) / RISK))
    return half


def ranks(ratings: Floats, errors: Errors, island: Any) -> tuple[Any, Any, Any]:
    """Rank of each model within its island, and the least and greatest it may have at 95 %, each [N]."""
    n = len(ratings)
    size = np.bincount(island)
    low, high = np.ones(n, np.int64), size[island].astype(np.int64)
    order = np.lexsort((np.arange(n), -ratings, island))
    start = np.cumsum(size) - size
    rank = np.empty(n, np.int64)
    rank[order] = np.arange(n) - start[island[order]] + 1
    factor = np.array([quantile(RISK / 2 / max(1, int(s) - 1), errors.dof) for s in size])[island]
    block = max(1, 4_000_000 // n)
    for begin in range(0, n, block):
        at = slice(begin, begin + block)
        lead = ratings[at, None] - ratings
        sure = (np.abs(lead) > factor[at, None] * np.sqrt(errors.between(at))) & (island[at, None] == island)
        low[at] += np.count_nonzero(sure & (lead < 0), axis=1)
        high[at] -= np.count_nonzero(sure & (lead > 0), axis=1)
    return rank, low, high
