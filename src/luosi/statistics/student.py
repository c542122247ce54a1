"""Student's t in the standard library: the half width of a 95 % interval in standard errors."""

from __future__ import annotations

import math
from functools import lru_cache

CONFIDENCE = 0.95


@lru_cache
def t_quantile(dof: int) -> float:
    """The t with P(|T| < t) = 95 % for Student's T with `dof` degrees of freedom.

    >>> round(t_quantile(10), 4)
    2.2281
    """
    low, high = 0.0, 1e3
    while high - low > 1e-10 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if _t_inside(middle, dof) < CONFIDENCE else (low, middle)
    return high


def _t_inside(t: float, dof: int) -> float:
    """P(|T| < t), the finite sums of Abramowitz and Stegun 26.7.3 (odd) and 26.7.4 (even)."""
    angle = math.atan(t / math.sqrt(dof))
    sine, cosine_squared = math.sin(angle), math.cos(angle) ** 2
    odd = dof % 2
    term, total = (math.cos(angle) if odd else 1.0), 0.0
    for k in range(2 + odd, dof + 1, 2):
        total += term
        term *= cosine_squared * (k - 1) / k
    return 2 / math.pi * (angle + sine * total) if odd else sine * total
