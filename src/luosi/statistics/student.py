"""Student's t in the standard library: the half width of an interval in standard errors."""

from __future__ import annotations

import math
from functools import lru_cache

CONFIDENCE = 0.95


@lru_cache(maxsize=4096)
def t_quantile(dof: int, confidence: float = CONFIDENCE) -> float:
    """The t with P(|T| < t) = `confidence` for Student's T with `dof` degrees of freedom.

    >>> round(t_quantile(10), 4), round(t_quantile(10, 0.99), 4)
    (2.2281, 3.1693)
    """
    assert 0 < confidence < 1, confidence
    low, high = 0.0, 1e3
    while _t_inside(high, dof) < confidence:
        low, high = high, 2 * high
    while high - low > 1e-10 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if _t_inside(middle, dof) < confidence else (low, middle)
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
