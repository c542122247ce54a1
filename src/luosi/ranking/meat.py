"""How much the sum of the votes' scores varies: the middle of the sandwich, votes free or in clusters, by voter and by prompt.

For up to `rows.DENSE` models a matrix; beyond that random draws of the sum (`Draws`). Clusters of few votes go vote pair by vote
pair, the rest by a matrix of cluster sums: whichever is less work. Two ways of clustering are combined as voter + prompt - both
(Cameron, Gelbach and Miller, 2011), its negative part cut off. Knows no ratings' errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from luosi.ranking.coding import Floats
from luosi.ranking.likelihood import Terms
from luosi.ranking.rows import DENSE, Form, Rows
from luosi.ranking.votes import Votes

DRAWS = 128
"""Random sums for many models: an error of theirs is known to 6 %, for which Student's t pays."""
MOST_DOF = 1000
"""Student's t hardly differs from the normal beyond."""
BLOCK = 4_000_000
"""Entries of a matrix of cluster sums at a time: 32 MB."""


class Meat(Protocol):
    """The covariance of the sum of scores, [P, P]."""

    def along(self, x: Floats) -> float:
        """x' B x."""


@dataclass(frozen=True)
class Matrix:
    """As a matrix."""

    matrix: Floats

    def along(self, x: Floats) -> float:
        """As `Meat.along`."""
        return float(x @ self.matrix @ x)


@dataclass(frozen=True)
class Draws:
    """As random sums with that covariance, [P, DRAWS]."""

    sums: Floats

    def along(self, x: Floats) -> float:
        """As `Meat.along`."""
        return float(np.mean((x @ self.sums) ** 2))


@dataclass(frozen=True)
class Scores:
    """What the votes, or rows of votes that are alike, pull at: entries for the models and for the other parameters."""

    models: int
    left: Any
    right: Any
    lead: Floats
    """Pull at the lead, [V]."""
    others: list[Floats]
    """Pull at each other parameter, K of [V]; at the side's advantage it is the pull at the lead."""

    @classmethod
    def of(cls, rows: Rows, terms: Terms, scale: Floats) -> Scores:
        """Of rows, each `scale` times its score."""
        lead = scale * terms.score[0]
        others = [lead, *(lead * rows.context[:, f] for f in range(1, rows.context.shape[1]))]
        return cls(rows.models, rows.left, rows.right, lead, others + [scale * score for score in terms.score[1:]])

    def at(self, places: Any, weight: Floats | None = None) -> Scores:
        """Those at these places, each `weight` times."""
        lead = self.lead[places] if weight is None else weight * self.lead[places]
        others = [lead]
        for column in self.others[1:]:
            others.append(column[places] if weight is None else weight * column[places])
        return Scores(self.models, self.left[places], self.right[places], lead, others)

    def total(self, sign: Floats) -> Floats:
        """Sum of sign times pull, [P]."""
        lead = sign * self.lead
        ratings = np.bincount(self.left, lead, self.models) - np.bincount(self.right, lead, self.models)
        return np.concatenate([ratings, [float(sign @ column) for column in self.others]])

    def squares(self) -> Floats:
        """Sum of the outer products of each with itself, [P, P]; for few models only."""
        n, k = self.models, len(self.others)
        form = Form.empty(n, 0)
        form.add_pairs(self.left, self.right, self.lead**2)
        full = np.zeros((n + k, n + k))
        full[:n, :n] = form.matrix()
        for a, column in enumerate(self.others):
            mixed = self.lead * column
            full[:n, n + a] = np.bincount(self.left, mixed, n) - np.bincount(self.right, mixed, n)
            full[n + a, n:] = [float(column @ other) for other in self.others]
        full[n:, :n] = full[:n, n:].T
        return full

    def products(self, first: Any, second: Any) -> Floats:
        """Sum over pairs of votes of the outer product of the one's pull at the models and the other's, [N, N]; for few models only."""
        n = self.models
        weight = self.lead[first] * self.lead[second]
        a, b, c, d = self.left[first] * n, self.right[first] * n, self.left[second], self.right[second]
        between: Any = np.bincount(a + c, weight, n * n) + np.bincount(b + d, weight, n * n)
        between -= np.bincount(a + d, weight, n * n) + np.bincount(b + c, weight, n * n)
        found: Floats = between.reshape(n, n)
        return found


@dataclass(frozen=True)
class Spread:
    """The meat, and how well it is known."""

    meat: Meat
    dof: int
    """Degrees of freedom of Student's t; 0 for the normal."""
    clusters: dict[str, int]
    """How many there are, by way; empty where every vote stands by itself."""


def spread(votes: Votes, rows: Rows, terms: Terms, ways: list[str], weight: Floats | None) -> Spread:
    """How the sum of scores varies if the votes of one voter, one prompt, or both, go together.

    Args:
        votes: All votes.
        rows: The same, put together.
        terms: Scores of the rows.
        ways: Of "voter" and "prompt"; one with a single cluster is left out.
        weight: What each vote counts; None: 1.
    """
    codes = {way: getattr(votes, way) for way in ways}
    sizes = {way: np.bincount(column) for way, column in codes.items()}
    sizes = {way: size[size > 0] for way, size in sizes.items() if np.count_nonzero(size) > 1}
    if not sizes:
        alone = Scores.of(rows, terms, np.sqrt(rows.square))
        return Spread(_drawn([(alone, None)]) if rows.models > DENSE else Matrix(alone.squares()), 0, {})
    dof = min(_degrees_of_freedom(size) for size in sizes.values())
    each = Each(Scores.of(rows, terms, np.ones(len(rows.left))), rows.of_vote, weight)
    counted = {way: len(size) for way, size in sizes.items()}
    if rows.models > DENSE:
        every = each.at(np.arange(len(votes)))
        return Spread(_drawn([(every, codes[way]) for way in sizes]), min(dof, DRAWS), counted)
    meat = _positive(_ways(each, [codes[way] for way in sizes]))
    return Spread(Matrix(meat), min(dof, MOST_DOF), counted)


def _degrees_of_freedom(sizes: Any) -> int:
    """Kish's, as luosi.statistics.degrees_of_freedom, for millions of clusters."""
    total, squares = float(sizes.sum()), float((sizes.astype(float) ** 2).sum())
    return max(1, int(total * total / squares - 1 + 1e-9))


@dataclass(frozen=True)
class Each:
    """The scores of single votes, by way of the rows they are in."""

    rows: Scores
    of_vote: Any
    weight: Floats | None

    def at(self, votes: Any) -> Scores:
        """Of these votes."""
        places = votes if self.of_vote is None else self.of_vote[votes]
        return self.rows.at(places, None if self.weight is None else self.weight[votes])


@dataclass(frozen=True)
class Clusters:
    """Votes in order of their clusters."""

    order: Any
    """The votes, cluster by cluster, [V]."""
    start: Any
    """Where in that order each cluster begins, and the end, [G + 1]."""

    @classmethod
    def of(cls, key: Any) -> Clusters:
        """By a number for each vote."""
        order = np.argsort(key)
        keys = key[order]
        edges = np.flatnonzero(keys[1:] != keys[:-1]) + 1
        return cls(order, np.concatenate([[0], edges, [len(keys)]]))

    def __len__(self) -> int:
        return len(self.start) - 1


def _ways(each: Each, ways: list[Any]) -> Floats:
    if len(ways) == 1:
        return _clustered(each, Clusters.of(ways[0]))
    both = Clusters.of(ways[0].astype(np.int64) * (int(ways[1].max()) + 1) + ways[1])
    for way, other in (ways, ways[::-1]):
        if len(both) == np.count_nonzero(np.bincount(other)):  # each prompt is one voter's own: all but `voter` cancels
            return _clustered(each, Clusters.of(way))
    return sum((_clustered(each, Clusters.of(way)) for way in ways), -_clustered(each, both))


def _clustered(each: Each, clusters: Clusters) -> Floats:
    """Sum over clusters of the outer product of the cluster's sum with itself, times G / (G - 1)."""
    size = np.diff(clusters.start)
    few = size <= max(1, each.rows.models // 16)
    full = _few(each, clusters, few) + _many(each, clusters, ~few)
    return full * (len(clusters) / (len(clusters) - 1))


def _few(each: Each, clusters: Clusters, which: Any) -> Floats:
    """Clusters of few votes: for the models every vote with itself and with each other one, for the rest the clusters' sums."""
    n, size = each.rows.models, np.diff(clusters.start)
    its = each.at(clusters.order[np.repeat(which, size)])
    full, size = its.squares(), size[which]
    if not len(size):
        return full
    end = np.repeat(np.cumsum(size), size)
    first = np.arange(len(end))
    for lag in range(1, n):
        first = first[first + lag < end[first]]
        if not len(first):
            break
        pairs = its.products(first, first + lag)
        full[:n, :n] += pairs + pairs.T
    sums = np.column_stack([np.add.reduceat(column, np.cumsum(size) - size) for column in its.others])
    for k in range(sums.shape[1]):
        mixed = its.lead * np.repeat(sums[:, k], size)
        full[:n, n + k] = full[n + k, :n] = np.bincount(its.left, mixed, n) - np.bincount(its.right, mixed, n)
    full[n:, n:] = sums.T @ sums
    return full


def _many(each: Each, clusters: Clusters, which: Any) -> Floats:
    """Clusters of many votes: a matrix of their sums."""
    n, width = each.rows.models, each.rows.models + len(each.rows.others)
    full = np.zeros((width, width))
    numbers = np.flatnonzero(which)
    rows = max(1, BLOCK // width)
    for begin in range(0, len(numbers), rows):
        some = numbers[begin : begin + rows]
        low, size = clusters.start[some], clusters.start[some + 1] - clusters.start[some]
        local = np.repeat(np.arange(len(some)), size)
        skipped = low - (np.cumsum(size) - size)
        its = each.at(clusters.order[np.arange(len(local)) + skipped[local]])
        sums = np.bincount(local * width + its.left, its.lead, len(some) * width)
        sums -= np.bincount(local * width + its.right, its.lead, len(some) * width)
        sums = sums.reshape(len(some), width)
        for k, column in enumerate(its.others):
            sums[:, n + k] = np.bincount(local, column, len(some))
        full += sums.T @ sums
    return full


def _positive(matrix: Floats) -> Floats:
    """Its nearest matrix without negative variances."""
    values, vectors = np.linalg.eigh(matrix)
    if values[0] >= -1e-9 * values[-1]:
        return matrix
    found: Floats = (vectors * np.maximum(values, 0)) @ vectors.T
    return found


def _drawn(parts: list[tuple[Scores, Any]]) -> Draws:
    """Random sums; with two ways of clustering what both share is counted twice, which widens the intervals a little."""
    random = np.random.default_rng(0)
    found = []
    for _ in range(DRAWS):
        total = np.zeros(parts[0][0].models + len(parts[0][0].others))
        for scores, cluster in parts:
            if cluster is None:
                sign = random.normal(size=len(scores.lead))
            else:
                count = int(cluster.max()) + 1
                sign = (random.normal(size=count) * np.sqrt(count / (count - 1)))[cluster]
            total += scores.total(sign)
        found.append(total)
    return Draws(np.array(found).T)
