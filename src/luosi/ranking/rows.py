"""What a fit runs over: votes that are alike put together in one row (left, right, outcome, how many), or one row per vote where
each has features of its own; and the sums over rows that Newton's steps and the errors are made of.

Parameters, in this order: a rating for each of N models, the advantage of the left side, a coefficient per feature, the tie
treatment's own. Those after the ratings are called the others (K of them). Knows no solver.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from luosi.ranking.coding import Floats
from luosi.ranking.likelihood import Terms, Ties
from luosi.ranking.votes import TIE, Votes

DENSE = 2000
"""Most models for which matrices of all pairs are made: 32 MB each."""
CHUNK = 1 << 16
"""Rows at a time: the work stays in the processor's cache."""


@dataclass(frozen=True)
class Rows:
    """R rows over N models."""

    models: int
    left: Any
    right: Any
    outcome: Any
    """LEFT, RIGHT or TIE (a vote for both bad is a tie to the fit), [R]."""
    weight: Floats
    """Sum of the votes' weights, [R]."""
    square: Floats
    """Sum of their squares, [R]."""
    context: Floats
    """1 for the side, then the features, [R, 1 + F]."""
    of_vote: Any
    """The row of each vote, [V]; None where row and vote are one."""

    def chunks(self) -> Iterator[slice]:
        """All rows, some at a time."""
        size = max(CHUNK, self.models**2 // 4) if self.models <= DENSE else len(self.left)
        for start in range(0, len(self.left), size):
            yield slice(start, start + size)

    def leads(self, theta: Floats, at: slice) -> Floats:
        """Lead of the left model at these rows."""
        n, wide = self.models, self.context.shape[1]
        beta = theta[n : n + wide]
        lead: Floats = theta[self.left[at]] - theta[self.right[at]]
        return lead + self.context[at] @ beta if beta.any() else lead

    def own(self, theta: Floats) -> Floats:
        """The tie treatment's parameters."""
        return theta[self.models + self.context.shape[1] :]


def rows_of(votes: Votes, weight: Floats | None, *, features: bool = True) -> Rows:
    """Put votes that are alike together; `weight` is what each counts (None: 1); `features` False leaves features out."""
    n, outcome = len(votes.models), np.minimum(votes.outcome, TIE)
    weights = np.ones(len(votes)) if weight is None else weight
    if features and votes.features is not None:
        spread = votes.features.std(0)
        context = np.empty((len(votes), 1 + votes.features.shape[1]))
        context[:, 0] = 1
        np.divide(votes.features, np.where(spread > 0, spread, 1), out=context[:, 1:])
        left, right = votes.left.astype(np.intp), votes.right.astype(np.intp)
        return Rows(n, left, right, outcome, weights, weights**2, context, None)
    key = (votes.left.astype(np.int64) * n + votes.right) * 3 + outcome
    size = 3 * n * n
    if size <= 4 * len(votes) + 1_000_000:
        counts = np.bincount(key, minlength=size)
        cells = np.flatnonzero(counts)
        place = np.zeros(size, np.int32)
        place[cells] = np.arange(len(cells), dtype=np.int32)
        of_vote = place[key]
        counts = counts[cells]
    else:
        cells, of_vote, counts = np.unique(key, return_inverse=True, return_counts=True)
    sums, squares = counts.astype(float), counts.astype(float)
    if weight is not None:
        sums, squares = (np.bincount(of_vote, w, len(cells)) for w in (weights, weights**2))
    pair = cells // 3
    ones = np.ones((len(cells), 1))
    return Rows(n, pair // n, pair % n, (cells % 3).astype(np.int8), sums, squares, ones, of_vote)


@dataclass
class Form:
    """A quadratic form in all parameters: J' W J summed over rows, J being how the lead and the tie parameters depend on them."""

    models: int
    pairs: list[tuple[Any, Any, Floats]]
    """For many models: left, right and weight of each row. For few: one entry whose weight is the N x N matrix of sums."""
    cross: Floats
    """Ratings by others, [N, K]."""
    other: Floats
    """Others by others, [K, K]."""

    @classmethod
    def empty(cls, models: int, others: int) -> Form:
        """All zero."""
        dense: list[tuple[Any, Any, Floats]] = [(None, None, np.zeros(models**2))] if models <= DENSE else []
        return cls(models, dense, np.zeros((models, others)), np.zeros((others, others)))

    def add(self, left: Any, right: Any, context: Floats, weight: Floats, second: list[list[Floats]]) -> None:
        """Add rows whose second derivatives (lower triangle over lead and tie parameters) are `second`."""
        n, wide = self.models, context.shape[1]
        lead = weight * second[0][0]
        self.add_pairs(left, right, lead)
        columns = [lead * context[:, f] for f in range(wide)] + [weight * row[0] for row in second[1:]]
        for k, column in enumerate(columns):
            self.cross[:, k] += np.bincount(left, column, n) - np.bincount(right, column, n)
        self.other[:wide, :wide] += context.T @ (lead[:, None] * context)
        for a, row in enumerate(second[1:]):
            side = context.T @ columns[wide + a]
            self.other[wide + a, :wide] += side
            self.other[:wide, wide + a] += side
            for b, values in enumerate(row[1:]):
                total = float(weight @ values)
                self.other[wide + a, wide + b] += total
                if a != b:
                    self.other[wide + b, wide + a] += total

    def add_pairs(self, left: Any, right: Any, weight: Floats) -> None:
        """Add weight (e_left - e_right)(e_left - e_right)' of each row to the part of the ratings."""
        if self.models <= DENSE:
            total = self.pairs[0][2]
            total += np.bincount(left * self.models + right, weight, self.models**2)
        else:
            self.pairs.append((left, right, weight))

    def matrix(self) -> Floats:
        """All of it, [N + K, N + K]; for few models only."""
        n, k = self.cross.shape
        full = np.zeros((n + k, n + k))
        between = self.pairs[0][2].reshape(n, n)
        between = between + between.T
        full[:n, :n] = np.diag(between.sum(0)) - between
        full[:n, n:], full[n:, :n], full[n:, n:] = self.cross, self.cross.T, self.other
        return full


def sums(rows: Rows, theta: Floats, ties: Ties, *, expected: bool = False) -> tuple[float, Floats, Form]:
    """Log-likelihood, its gradient and its information (minus the second derivatives)."""
    n, wide = rows.models, rows.context.shape[1]
    own = rows.own(theta)
    form, gradient, value = Form.empty(n, len(theta) - n), np.zeros(len(theta)), 0.0
    for at in rows.chunks():
        terms = ties.terms(rows.leads(theta, at), rows.outcome[at], own, expected=expected)
        left, right, weight, context = rows.left[at], rows.right[at], rows.weight[at], rows.context[at]
        value += float(weight @ terms.value)
        lead = weight * terms.score[0]
        gradient[:n] += np.bincount(left, lead, n) - np.bincount(right, lead, n)
        gradient[n : n + wide] += lead @ context
        gradient[n + wide :] += [float(weight @ score) for score in terms.score[1:]]
        form.add(left, right, context, weight, terms.information)
    return value, gradient, form


def scores(rows: Rows, theta: Floats, ties: Ties) -> Terms:
    """The terms of every row."""
    parts = [ties.terms(rows.leads(theta, at), rows.outcome[at], rows.own(theta)) for at in rows.chunks()]
    if len(parts) == 1:
        return parts[0]
    size = range(len(parts[0].score))
    return Terms(
        np.concatenate([part.value for part in parts]),
        [np.concatenate([part.score[a] for part in parts]) for a in size],
        [[np.concatenate([part.information[a][b] for part in parts]) for b in range(a + 1)] for a in size],
    )
