"""What it costs to reach a quality, from runs that end around it, and how sure a mean over few seeds is."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from luosi.statistics import t_quantile


def to_reach(quality: float, points: Sequence[tuple[float, float]]) -> float | None:
    """The cost at which `quality` is reached, from (cost, bits) of runs: bits interpolated against the logarithm of cost between the two nearest.

    None with fewer than two points, unless the one there is has just that quality.

    >>> round(to_reach(1.5, [(1e12, 2.0), (1e14, 1.0)]) / 1e13, 6)
    1.0
    """
    if len(points) < 2:
        return next((cost for cost, bits in points if bits == quality), None)
    points = sorted(points)
    above = [point for point in points if point[1] >= quality] or points[:1]
    low = max(above)
    high = min((point for point in points if point > low), default=None)
    if high is None:  # the quality lies beyond the longest run: go on along the last two
        low, high = points[-2:]
    share = (low[1] - quality) / (low[1] - high[1])
    return math.exp(math.log(low[0]) + share * (math.log(high[0]) - math.log(low[0])))


def half_width(values: Sequence[float]) -> float:
    """Half of Student's interval of 95 % of their mean; 0 of one value, of which nothing is known.

    >>> round(half_width([1.0, 2.0, 3.0]), 3)
    2.484
    """
    if len(values) < 2:
        return 0.0
    return t_quantile(len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
