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
from luosi.statistics import CONFIDENCE, t_quantile

ELO = 400 / math.log(10)
"""Elo in one logit."""
RISK = 1 - CONFIDENCE
MIXTURE_SD = 0.25
"""Standard deviation in logits of the mixture (43 Elo), fixed before any vote: where an anytime interval is narrowest."""


def quantile(tail: float, dof: int) -> float:
    """The t that Student's T with `dof` degrees of freedom exceeds with chance `tail`; 0 degrees stand for the normal.

    >>> round(quantile(0.025, 0), 4), round(quantile(0.025, 12), 4)
    (1.96, 2.1788)
    """
    return t_quantile(dof, 1 - 2 * tail) if dof else NormalDist().inv_cdf(1 - tail)


def fixed_half(variance: Floats, dof: int, *, among: int = 1) -> Floats:
    """Half width at 95 % for one look; `among` so many comparisons at once (Bonferroni)."""
    return quantile(RISK / 2 / among, dof) * np.sqrt(variance)


def anytime_half(variance: Floats, dof: int, *, risk: float = RISK) -> Floats:
    """Half width, at 95 % or another `risk`, for all looks together; few clusters widen it as Student's t widens a fixed one."""
    wider = (quantile(risk / 2, dof) / quantile(risk / 2, 0)) ** 2
    spread = np.maximum(variance * wider, 1e-300)
    prior = MIXTURE_SD**2
    grown = (spread + prior) / spread
    half: Floats = np.sqrt(2 * spread * (spread + prior) / prior * np.log(np.sqrt(grown) / risk))
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
