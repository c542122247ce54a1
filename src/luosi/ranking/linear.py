"""Solving with the information of a fit: a matrix for up to `rows.DENSE` models, conjugate gradients over the rows beyond that.

Each island's ratings are held at a mean of zero by a penalty on their sum; parameters that are held fixed are left at zero. Knows
no likelihood.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from luosi.ranking.coding import Floats
from luosi.ranking.rows import DENSE, Form

ITERATIONS = 2000
GAUGE = 1.0
"""Half of so much times the squared sum of an island's ratings over its size is taken from the likelihood."""


class System(Protocol):
    """A symmetric positive matrix that can be solved with."""

    def solve(self, right: Floats, *, precision: float = 1e-11) -> Floats:
        """x with A x = right, [P]; `precision` is the residual's share of the right side where it is found by steps."""

    def uphill(self, right: Floats) -> Floats | None:
        """As `solve`; None if the matrix turns out not to be positive."""


def system(form: Form, penalty: Floats, island: Any, fixed: Any) -> System:
    """The form plus a diagonal `penalty` [P] and the gauge of each `island` [N], with the parameters `fixed` [P] held."""
    if form.models <= DENSE:
        return Dense(form, penalty, island, fixed)
    return Sparse(form, penalty, island, fixed)


class Dense:
    """By a matrix."""

    def __init__(self, form: Form, penalty: Floats, island: Any, fixed: Any) -> None:
        n = form.models
        self.matrix = form.matrix()
        self.matrix.flat[:: len(self.matrix) + 1] += penalty
        count = np.bincount(island)
        same = island[:, None] == island[None, :]
        self.matrix[:n, :n] += same * (GAUGE / count[island])
        self.matrix[fixed, :] = 0
        self.matrix[:, fixed] = 0
        self.matrix[fixed, fixed] = 1
        self.models, self.fixed = n, fixed

    def solve(self, right: Floats, *, precision: float = 0.0) -> Floats:
        """As `System.solve`."""
        found: Any = np.linalg.solve(self.matrix, np.where(self.fixed, 0.0, right))
        solved: Floats = found
        return solved

    def uphill(self, right: Floats) -> Floats | None:
        """As `System.uphill`: the part of the ratings is positive by what it is, so what decides is the rest's Schur complement."""
        n = self.models
        right = np.where(self.fixed, 0.0, right)
        ratings, cross, rest = self.matrix[:n, :n], self.matrix[:n, n:], self.matrix[n:, n:]
        try:
            solved = np.linalg.solve(ratings, np.column_stack([cross, right[:n]]))
            left_over = rest - cross.T @ solved[:, :-1]
            np.linalg.cholesky((left_over + left_over.T) / 2)
        except np.linalg.LinAlgError:
            return None
        others = np.linalg.solve(left_over, right[n:] - cross.T @ solved[:, -1])
        found: Floats = np.concatenate([solved[:, -1] - solved[:, :-1] @ others, others])
        return found

    def inverse(self) -> Floats:
        """The inverse, zero at fixed parameters."""
        found: Any = np.linalg.inv(self.matrix)
        found[self.fixed, self.fixed] = 0
        inverse: Floats = found
        return inverse


class Sparse:
    """By conjugate gradients with the diagonal as preconditioner."""

    def __init__(self, form: Form, penalty: Floats, island: Any, fixed: Any) -> None:
        self.n = form.models
        self.left = np.concatenate([left for left, _, _ in form.pairs])
        self.right = np.concatenate([right for _, right, _ in form.pairs])
        self.weight = np.concatenate([weight for _, _, weight in form.pairs])
        low, high = np.minimum(self.left, self.right), np.maximum(self.left, self.right)
        pair, inverse = np.unique(low.astype(np.int64) * self.n + high, return_inverse=True)
        self.left, self.right = pair // self.n, pair % self.n
        self.weight = np.bincount(inverse, self.weight, len(pair))
        free = ~fixed[self.n :]
        self.cross = form.cross * free
        self.other = form.other * np.outer(free, free) + np.diag((~free).astype(float))
        self.penalty, self.fixed, self.island = penalty, fixed, island
        self.count = np.bincount(island)
        diagonal = np.bincount(self.left, self.weight, self.n) + np.bincount(self.right, self.weight, self.n)
        self.diagonal = np.concatenate([diagonal, np.diag(self.other)]) + penalty
        self.diagonal[: self.n] += GAUGE / self.count[island]

    def times(self, x: Floats) -> Floats:
        """A x."""
        n = self.n
        flow = self.weight * (x[self.left] - x[self.right])
        found = self.penalty * x
        found[:n] += np.bincount(self.left, flow, n) - np.bincount(self.right, flow, n) + self.cross @ x[n:]
        found[:n] += GAUGE * (np.bincount(self.island, x[:n]) / self.count)[self.island]
        found[n:] += self.cross.T @ x[:n] + self.other @ x[n:]
        return found

    def solve(self, right: Floats, *, precision: float = 1e-11) -> Floats:
        """As `System.solve`."""
        return self._solved(right, precision)[0]

    def uphill(self, right: Floats) -> Floats | None:
        """As `System.uphill`: what the steps came across decides."""
        found, positive = self._solved(right, 1e-11)
        return found if positive else None

    def _solved(self, right: Floats, precision: float) -> tuple[Floats, bool]:
        """What was found, and whether no direction on the way curved the wrong way."""
        residual = np.where(self.fixed, 0.0, right)
        x, goal = np.zeros_like(residual), precision * float(np.linalg.norm(residual))
        step = residual / self.diagonal
        direction, size = step, float(residual @ step)
        for _ in range(ITERATIONS):
            if np.linalg.norm(residual) <= goal:
                break
            image = self.times(direction)
            curvature = float(direction @ image)
            if curvature <= 0:
                return x, False
            length = size / curvature
            x = x + length * direction
            residual = residual - length * image
            step = residual / self.diagonal
            size, before = float(residual @ step), size
            direction = step + size / before * direction
        return x, True
