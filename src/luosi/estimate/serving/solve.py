"""The constants that fit observations best and stay near what is thought of them: Gauss-Newton steps, damped, with outliers held down.

Made from a function of residuals in units of their usual size, and normal priors. Knows nothing of serving.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from luosi.estimate.serving.deployment import Floats

_BEND = 1.5
"""Residuals above this many of their units count by their size and no more by its square (Huber 1964)."""


def most_likely(
    residuals: Callable[[Floats], Floats], mean: Floats, spread: Floats, *, start: Floats | None = None, steps: int = 60
) -> Floats:
    """The point, (k,), that makes the sum of bent squares of residuals and of (point - mean) / spread least.

    Args:
        residuals: Of a point; (n,), in units of what is usual.
        mean: Of the prior, (k,).
        spread: Of the prior, (k,).
        start: Where the search starts, (k,); at the mean if it is not given.
    """
    point, damping = (mean if start is None else start).copy(), 1e-2
    now = residuals(point)
    cost = _cost(now, point, mean, spread)
    for _ in range(steps):
        slope = _slope(residuals, point, now)
        weight = np.minimum(1.0, _BEND / np.maximum(np.abs(now), 1e-9))
        curve = slope.T @ (slope * weight[:, None]) + np.diag(spread**-2)
        pull = slope.T @ (weight * now) + (point - mean) / spread**2
        before = cost
        while damping < 1e6:
            tried = point - np.linalg.solve(curve + damping * np.diag(np.diag(curve)), pull)
            there = residuals(tried)
            if (new := _cost(there, tried, mean, spread)) < cost:
                point, now, cost, damping = tried, there, new, max(damping / 5, 1e-6)
                break
            damping *= 4
        if before - cost < 1e-4 * before:
            break
    return point


def _cost(residuals: Floats, point: Floats, mean: Floats, spread: Floats) -> float:
    size = np.abs(residuals)
    bent = np.where(size < _BEND, size**2 / 2, _BEND * size - _BEND**2 / 2)
    return float(bent.sum() + (((point - mean) / spread) ** 2).sum() / 2)


def _slope(residuals: Callable[[Floats], Floats], point: Floats, now: Floats, tiny: float = 1e-5) -> Floats:
    columns = [(residuals(point + tiny * along) - now) / tiny for along in np.eye(len(point))]
    return np.stack(columns, axis=1)
