"""Score intervals at 95 % of a share and of a paired difference of shares, for counts that need not be whole.

Marks that are not 0 or 1, and marks in clusters, enter as the number of independent 0/1 marks that would leave as much doubt
(`effective_size`): survey practice for shares (Kott and Carr, 1997; Korn and Graubard, 1998; Dean and Pagano, 2015), used here for
paired differences too. Knows no question and no arm.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from luosi.statistics.clusters import degrees_of_freedom
from luosi.statistics.student import t_quantile

Z95 = 1.959963984540054
"""The 97.5 % point of the standard normal."""
UNSEEN = 0.25
"""Marks at either end that are taken to have been missed, where marks vary less than 0/1 marks would: 30 marks of a skewed kind
with a mean of 0.05 often hold none of the few large ones; without it their intervals cover 80 to 90 %."""


def wilson(mean: float, size: float) -> tuple[float, float]:
    """Interval of a share `mean` among `size` (Wilson, 1927).

    >>> tuple(round(end, 3) for end in wilson(0.8, 50))
    (0.67, 0.888)
    """
    z2 = Z95 * Z95
    middle = mean + z2 / (2 * size)
    half = Z95 * math.sqrt(max(0.0, mean * (1 - mean)) / size + z2 / (4 * size * size))
    return max(0.0, (middle - half) / (1 + z2 / size)), min(1.0, (middle + half) / (1 + z2 / size))


def tango(more: float, fewer: float, size: float, z: float = Z95) -> tuple[float, float]:
    """Interval of (more - fewer) / size where `more` of `size` pairs are 1 against 0 and `fewer` are 0 against 1 (Tango, 1998); `z` is the normal quantile.

    >>> tuple(round(end, 4) for end in tango(9, 12, 44))
    (-0.2686, 0.138)
    """
    seen = (more - fewer) / size
    low = -1.0 if seen <= -1 else _root(lambda d: _tango_score(more, fewer, size, d) > z, -1.0, seen)
    high = 1.0 if seen >= 1 else _root(lambda d: _tango_score(more, fewer, size, d) > -z, seen, 1.0)
    return low, high


def _tango_score(more: float, fewer: float, size: float, difference: float) -> float:
    """Standard errors from `difference` to the one seen, the error being that of the likeliest shares with this difference."""
    b = -more - fewer + (2 * size - more + fewer) * difference
    c = -fewer * difference * (1 - difference)
    share = (math.sqrt(max(0.0, b * b - 8 * size * c)) - b) / (4 * size)
    variance = size * (2 * share + difference * (1 - difference))
    gap = more - fewer - size * difference
    return gap / math.sqrt(variance) if variance > 1e-12 else math.copysign(math.inf, gap)


def _root(above: Callable[[float], bool], low: float, high: float) -> float:
    """Where `above` turns from true to false, to 1e-12."""
    while high - low > 1e-12:
        middle = (low + high) / 2
        low, high = (middle, high) if above(middle) else (low, middle)
    return (low + high) / 2


def effective_size(variance: float, spread: float, unseen: float, counts: Sequence[float]) -> float:
    """How many 0/1 marks, each drawn by itself, would leave as much doubt.

    Args:
        variance: Of the mean, as estimated.
        spread: Variance of a single mark, if all marks were at the ends of their range.
        unseen: What marks that were missed would add to the sum of squares about the mean.
        counts: Marks in each cluster. Few clusters leave more doubt than their variance says: the size is cut by the ratio of
            the squared t quantiles (Korn and Graubard, 1998).
    """
    total = math.fsum(counts)
    if variance < 1e-24 or spread < 1e-12:
        size = float(len(counts))
    else:
        design = variance * (total - 1) / spread
        if design < 1:
            design = min(1.0, design + unseen / (len(counts) * spread))
        size = total / design
    return size * (t_quantile(int(total + 0.5) - 1) / t_quantile(degrees_of_freedom(counts))) ** 2
