"""Intervals by refitting on reweighted votes: the Bayesian bootstrap (Rubin, 1981), by cluster.

Every cluster gets a random weight (exponential, mean 1) instead of being drawn or not: no model ever loses all its votes. With two
ways of clustering a vote's weight is the product of the two (Owen, 2007), a little wider than need be. Knows no rating's sandwich.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from luosi.ranking.coding import Floats
from luosi.ranking.fit import Fit, fit
from luosi.ranking.rows import Rows
from luosi.ranking.votes import Votes


def bootstrap(
    votes: Votes, rows: Rows, found: Fit, ways: list[str], weight: Floats | None, *, times: int, seed: int
) -> tuple[Floats, Floats]:
    """Ends of the 95 % intervals of the ratings in logits, [N] each: quantiles of the refitted ratings."""
    random, drawn = np.random.default_rng(seed), np.empty((times, rows.models))
    n = rows.models
    for turn in range(times):
        each: Any = np.ones(len(votes)) if weight is None else weight
        for way in ways:
            codes = getattr(votes, way)
            each = each * random.exponential(size=int(codes.max()) + 1)[codes]
        if not ways:
            each = each * random.exponential(size=len(votes))
        if rows.of_vote is not None:
            each = np.bincount(rows.of_vote, each, len(rows.left))
        again = fit(
            replace(rows, weight=each), found.ties, position=not found.fixed[n], start=found.theta, same_graph=found
        )
        drawn[turn] = again.theta[:n]
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    return low, high
