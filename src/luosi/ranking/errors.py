"""How far the ratings may be off: their covariance by the sandwich, differences of any two, the side's advantage, style's effects.

The sandwich inverse(A) B inverse(A) holds whether or not the votes follow the model (Huber, 1967). A model whose rating the votes
leave unbounded shows no spread at all, so there the spread that the fitted chances and its prior imply is added. Knows no ranks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from luosi.ranking.coding import Floats
from luosi.ranking.fit import Fit
from luosi.ranking.likelihood import Terms
from luosi.ranking.linear import Dense, system
from luosi.ranking.meat import Draws, Matrix, Meat, Spread
from luosi.ranking.rows import Form, Rows


@dataclass(frozen=True)
class Side:
    """The advantage of the left side, in logits."""

    estimate: float
    variance: float
    moved: Floats
    """What letting it into the fit would add to each rating, [N]; zeros if it is in."""


@dataclass(frozen=True)
class Errors:
    """The covariance of the ratings: a matrix [N, N], or for many models draws of the ratings' errors [N, D]."""

    matrix: Floats | None
    draws: Floats | None
    dof: int
    """Degrees of freedom of Student's t; 0 for the normal."""
    side: Side
    style: Floats
    """Variance of the coefficient of each feature, [F]."""

    def variances(self) -> Floats:
        """Of each rating, [N]."""
        if self.matrix is not None:
            return np.maximum(self.matrix.diagonal(), 0)
        assert self.draws is not None
        found: Floats = np.mean(self.draws**2, axis=1)
        return found

    def between(self, at: slice) -> Floats:
        """Variance of the difference of each of these models to every model, [len(at), N]."""
        own = self.variances()
        if self.matrix is not None:
            shared = self.matrix[at]
        else:
            assert self.draws is not None
            shared = self.draws[at] @ self.draws.T / self.draws.shape[1]
        return np.maximum(own[at, None] + own - 2 * shared, 0)


def errors(rows: Rows, fit: Fit, terms: Terms, spread: Spread) -> Errors:
    """The errors of a fit.

    Args:
        rows: What was fitted.
        fit: The fit.
        terms: Scores of the rows at the fit.
        spread: How the sum of scores varies.
    """
    n, wide = rows.models, rows.context.shape[1]
    meat = _with_unbounded(rows, fit, terms, spread.meat)
    inside = system(fit.form, fit.penalty, fit.island, fit.fixed)
    if isinstance(meat, Matrix):
        assert isinstance(inside, Dense)
        inverse = inside.inverse()
        full = inverse @ meat.matrix @ inverse
        centred = _centred(_centred(full[:n, :n], fit.island).T, fit.island)
        if fit.doubt is not None:
            centred = centred + np.outer(fit.doubt, fit.doubt)
        return Errors(
            centred,
            None,
            spread.dof,
            _side(rows, fit, terms, meat, full),
            np.maximum(full.diagonal()[n + 1 : n + wide], 0),
        )
    assert isinstance(meat, Draws)
    solved = np.array([inside.solve(column, precision=1e-4) for column in meat.sums.T]).T
    style = np.mean(solved[n + 1 : n + wide] ** 2, axis=1)
    side = _side(rows, fit, terms, meat, None if fit.fixed[n] else np.diag(np.mean(solved**2, axis=1)))
    drawn = _centred(solved[:n], fit.island)
    if fit.doubt is not None:
        count = drawn.shape[1]
        drawn = math.sqrt((count + 1) / count) * np.column_stack([drawn, math.sqrt(count) * fit.doubt])
    return Errors(None, drawn, spread.dof, side, style)


def _with_unbounded(rows: Rows, fit: Fit, terms: Terms, meat: Meat) -> Meat:
    """The meat with the spread that the model implies for votes about unbounded models, and their priors'."""
    if not fit.outside.any():
        return meat
    n = rows.models
    touch = np.flatnonzero(fit.outside[rows.left] | fit.outside[rows.right])
    left, right = rows.left[touch], rows.right[touch]
    implied = np.maximum(rows.weight[touch] * terms.information[0][0][touch], 0)
    if isinstance(meat, Matrix):
        form = Form.empty(n, 0)
        form.add_pairs(left, right, implied)
        full = meat.matrix.copy()
        full[:n, :n] += form.matrix() + np.diag(fit.penalty[:n])
        return Matrix(full)
    assert isinstance(meat, Draws)
    random, sums = np.random.default_rng(1), meat.sums.copy()
    for draw in range(sums.shape[1]):
        pull = np.sqrt(implied) * random.normal(size=len(touch))
        sums[:n, draw] += np.bincount(left, pull, n) - np.bincount(right, pull, n)
        sums[:n, draw] += np.sqrt(fit.penalty[:n]) * random.normal(size=n)
    return Draws(sums)


def _side(rows: Rows, fit: Fit, terms: Terms, meat: Meat, full: Floats | None) -> Side:
    """As fitted; where it was held at 0, one Newton step from there."""
    n = rows.models
    if not fit.fixed[n]:
        assert full is not None
        return Side(float(fit.theta[n]), max(0.0, float(full[n, n])), np.zeros(n))
    free = fit.fixed.copy()
    free[n] = False
    inside = system(fit.form, fit.penalty, fit.island, free)
    unit = np.zeros(len(fit.theta))
    unit[n] = 1
    influence = inside.solve(unit)
    pull = float(rows.weight @ terms.score[0])
    variance = max(0.0, meat.along(influence))  # rounding may leave it below 0 where votes say nothing of sides
    return Side(float(influence[n]) * pull, variance, _centred(influence[:n] * pull, fit.island))


def _centred(values: Floats, island: Any) -> Floats:
    """Less the mean of each island, along the first axis."""
    count = np.bincount(island).astype(float)
    sums = np.zeros((len(count), *values.shape[1:]))
    np.add.at(sums, island, values)
    found: Floats = values - (sums / count.reshape(-1, *[1] * (values.ndim - 1)))[island]
    return found
