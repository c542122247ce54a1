"""Which two models to show next: the pair whose vote is expected to narrow the widest interval most, by chance, with its propensity told.

One more vote between i and j lowers the variance of model k's rating by h s_k^2 / (1 + h v): h is the information such a vote is
expected to hold (little between the unequal), s the covariance with the difference of the two, v that difference's variance
(Sherman and Morrison). Models count by a high power of their variance, so that the widest interval shrinks first and no model stays
provisional for long. Pairs that were drawn of one ranking are taken for voted on by the next draw; a new ranking forgets them. A share of
the draws is uniform: every pair keeps a positive chance. Who pays for what is not known here.

A fair coin decides who stands left. Sides that are evened out exactly can be foretold by whoever counts (of two models, the one that
stood left less often is next), and who knows the side knows the model; what chance leaves uneven costs little, since the advantage of
the left side is estimated anyway.

Drawing by what was seen leaves the likelihood as it is, so a fit needs no weights while its model holds; the propensity is there to
weigh votes as if all pairs had been equally likely (`Settings.propensities`) where it may not. It is a chance among the pairs that
could be drawn at that time (`Pair.drawable` of them): where models came, went or rested, propensities of different times are chances
among different pairs, and only their product with `drawable` says how much likelier than evenly a pair was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from luosi.errors import UsageError
from luosi.ranking.coding import Floats
from luosi.ranking.fit import PRIOR_SD
from luosi.ranking.ranking import Ranking
from luosi.ranking.rows import DENSE
from luosi.ranking.threads import one_thread
from luosi.ranking.votes import LEFT, RIGHT, TIE

UNIFORM = 0.3
"""Share of the draws that have nothing to do with what was seen."""
SHARPNESS = 8.0
"""The others go to pairs by this power of what a vote on them is expected to bring."""
FIRMNESS = 20.0
"""Models count by this power of their variance: nearly only the widest interval does. See docs/log.md."""

REUSED = 200
"""Chances are made anew after each draw, of so many models after every second, of twice as many after every third: it takes their cube."""


@dataclass(frozen=True)
class Pair:
    """Two models to show."""

    left: str
    right: str
    propensity: float
    """Chance with which these two, in whatever order, were drawn: to be kept with the vote."""
    drawable: int
    """Pairs of which they were drawn: to be kept beside it."""


class Chooser:
    """Draws pairs by what is known so far.

    Args:
        ranking: Of the votes so far; None before the first.
        models: All that can be shown, at least two; those without votes too. Models of the ranking that are not named rest.
        uniform: Share of uniform draws, above 0.
        seed: Of the draws.
    """

    def __init__(
        self, ranking: Ranking | None, models: Sequence[str], *, uniform: float = UNIFORM, seed: int | None = None
    ) -> None:
        if len(set(models)) < 2 or len(set(models)) < len(models):
            raise UsageError(f"pairs are drawn from two or more different models, seen {list(models)[:5]}")
        if not 0 < uniform <= 1:
            raise UsageError(f"the share of uniform draws is {uniform}; expected above 0 and up to 1")
        self.models, self._uniform, self._random = tuple(models), uniform, np.random.default_rng(seed)
        self._first, self._second = np.triu_indices(len(self.models), 1)
        self._belief: _Belief | None = None
        if ranking is not None and max(len(self.models), len(ranking.votes.models)) <= DENSE:
            with one_thread():
                self._belief = _Belief.of(ranking, self.models)
        self._chances = self._edges = np.empty(0)
        self._drawn = 0
        self._renew()

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """All pairs, in the order of `chances`."""
        return [(self.models[a], self.models[b]) for a, b in zip(self._first, self._second, strict=True)]

    @property
    def chances(self) -> Floats:
        """Of each pair to be drawn next."""
        if self._drawn >= 1 + len(self.models) // REUSED:
            self._renew()
        return self._chances

    def draw(self) -> Pair:
        """The next pair, from now on taken for voted on; a coin decides who stands left."""
        chances = self.chances
        place = int(np.searchsorted(self._edges, self._random.random() * self._edges[-1], side="right"))
        a, b = int(self._first[place]), int(self._second[place])
        if self._belief is not None:
            self._belief.expect(a, b)
            self._drawn += 1
        if self._random.random() < 0.5:
            a, b = b, a
        return Pair(self.models[a], self.models[b], float(chances[place]), len(chances))

    def _renew(self) -> None:
        even = np.full(len(self._first), 1 / len(self._first))
        if self._belief is None:
            self._chances = even
        else:
            with one_thread():
                gain = self._belief.gains(self._first, self._second)
            sharp = (gain / gain.max()) ** SHARPNESS
            self._chances = self._uniform * even + (1 - self._uniform) * sharp / sharp.sum()
        self._edges, self._drawn = np.cumsum(self._chances), 0


@dataclass
class _Belief:
    """What is known of n models: the covariance of their ratings, and the information that a vote on any two would hold."""

    covariance_NN: Floats
    held_NN: Floats

    @classmethod
    def of(cls, ranking: Ranking, models: Sequence[str]) -> _Belief:
        """Of `models`; those that the ranking does not know have the prior's rating and variance."""
        rows, fit, n = ranking.rows, ranking.fit, len(models)
        ranked = {name: code for code, name in enumerate(ranking.votes.models)}
        resting = [name for name in ranked if name not in set(models)]
        code = {name: place for place, name in enumerate([*models, *resting])}
        place = np.array([code[name] for name in ranking.votes.models])
        total, rating = len(code), np.zeros(len(code))
        rating[place] = fit.theta[: rows.models]
        information = np.eye(total) / PRIOR_SD**2
        information[np.ix_(place, place)] += fit.form.matrix()[: rows.models, : rows.models]
        covariance = np.linalg.inv(information)
        covariance = covariance - covariance.mean(0)
        covariance = covariance - covariance.mean(1, keepdims=True)
        held = information_of(ranking, (rating[:n, None] - rating[:n]).ravel()).reshape(n, n)
        return cls(covariance[:n, :n].copy(), held)

    def gains(self, first: Any, second: Any) -> Floats:
        """What a vote on each pair is expected to bring, up to a factor."""
        seen, held = self.covariance_NN, self.held_NN[first, second]
        variance = seen.diagonal()
        cross = (seen * (variance / variance.max()) ** FIRMNESS) @ seen
        shrunk = cross[first, first] + cross[second, second] - 2 * cross[first, second]
        gain: Floats = np.maximum(held * shrunk / (1 + held * self._between(first, second)), 0) + 1e-300
        return gain

    def expect(self, a: int, b: int) -> None:
        """Take a vote on these two for given."""
        held, with_lead_N = self.held_NN[a, b], self.covariance_NN[:, a] - self.covariance_NN[:, b]
        self.covariance_NN -= np.outer(with_lead_N, with_lead_N) * (held / (1 + held * self._between(a, b)))

    def _between(self, first: Any, second: Any) -> Any:
        variance = self.covariance_NN.diagonal()
        return variance[first] + variance[second] - 2 * self.covariance_NN[first, second]


def information_of(ranking: Ranking, lead: Floats) -> Floats:
    """What a vote about models so far apart is expected to tell of their difference, in the ranking's treatment of ties."""
    ties, own = ranking.fit.ties, ranking.rows.own(ranking.fit.theta)
    found: Any = np.zeros_like(lead)
    for outcome in (LEFT, RIGHT, TIE) if own.size else (LEFT, RIGHT):
        terms = ties.terms(lead, np.full(len(lead), outcome), own)
        found = found + np.exp(terms.value) * terms.score[0] ** 2
    held: Floats = np.maximum(found, 1e-12)
    return held
