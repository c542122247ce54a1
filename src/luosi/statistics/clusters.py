"""Ratios of two sums over clusters with the error of the ratio: the clusters, not the items in them, are the independent draws.

The error is the delta method's, each cluster's squared residual divided by one minus its share of the denominator (the HC2
correction of MacKinnon and White, 1985). Degrees of freedom are those of as many clusters of equal size (Kish's effective number,
less one): with 30 log-normal document sizes clusters - 1 covers 89 to 93 % instead of 95.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> tuple[float, float | None]:
    """Sum of `numerators` over sum of `denominators`, with its cluster-robust standard error.

    One entry of each per cluster. The error is None for a single cluster, which says nothing of the spread.

    >>> ratio([10.0, 30.0], [10.0, 20.0])
    (1.3333333333333333, 0.23570226039551592)
    """
    total = math.fsum(denominators)
    mean = math.fsum(numerators) / total
    if len(numerators) < 2:
        return mean, None
    residuals = ((a - mean * b) ** 2 / (1 - b / total) for a, b in zip(numerators, denominators, strict=True))
    return mean, math.sqrt(math.fsum(residuals)) / total


def degrees_of_freedom(sizes: Sequence[float]) -> int:
    """Kish's effective number of clusters, (sum of sizes)^2 / sum of squares, less one; n - 1 for n equal sizes, at least 1."""
    effective = math.fsum(sizes) ** 2 / math.fsum(size * size for size in sizes)
    return max(1, int(effective - 1 + 1e-9))


def by_cluster(marks: Sequence[float], clusters: Sequence[Hashable] | None) -> tuple[list[float], list[float]]:
    """Sum of marks and number of marks of each cluster, in order of first appearance; each mark its own cluster if None."""
    if clusters is None:
        return list(marks), [1.0] * len(marks)
    sums: dict[Hashable, float] = {}
    counts: dict[Hashable, float] = {}
    for cluster, mark in zip(clusters, marks, strict=True):
        sums[cluster] = sums.get(cluster, 0.0) + mark
        counts[cluster] = counts.get(cluster, 0.0) + 1
    return list(sums.values()), list(counts.values())
