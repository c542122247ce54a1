"""The likelihood of a vote given how far ahead the left model is, under four treatments of ties; derivatives for Newton's steps.

With d the left model's lead in logits (rating left less rating right, and what position and style add):

- `Half`: a tie is half a win for each side; a win has chance 1 / (1 + exp(-d)). arena-rank's model. No chance of a tie belongs to it,
  and where ties do not come from closeness it pulls all ratings together: with a share t of ties whatever d is, the expected score is
  (1 - t) / (1 + exp(-d)) + t / 2, as if every lead were smaller.
- `Davidson`: a tie has chance 1 / (1 + exp(-alpha - rho log(2 cosh(d / 2)))), a vote that is none goes left with chance
  1 / (1 + exp(-d)). rho = -1 is Davidson (1970), ties between the close; rho = 0 is a share of ties that has nothing to do with
  the models, and ratings are those of the decisive votes. rho stays between the two: left free, it lets the ties alone say how far
  models are apart where they come from something else than closeness (rho = -4.6 for the votes of llmfao).
- `RaoKupper` (1967): a lead is seen only above a threshold: left wins with chance 1 / (1 + exp(-d + theta)), right with
  1 / (1 + exp(d + theta)), the rest are ties.
- `Drop` leaves ties out.

Works on arrays of rows; knows no models and no votes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from luosi.ranking.coding import Floats
from luosi.ranking.votes import LEFT, RIGHT, TIE


@dataclass(frozen=True)
class Terms:
    """Of each row: log-likelihood, its slope in d and in the tie parameters, and minus its second derivatives (lower triangle)."""

    value: Floats
    score: list[Floats]
    information: list[list[Floats]]


class Ties(Protocol):
    """A treatment of ties."""

    name: str
    start: tuple[float, ...]
    """Where its own parameters begin; as many as there are."""
    counts_ties: bool
    """Whether a tie says that either model can win: that bounds their ratings."""

    def terms(self, d: Floats, outcome: Any, own: Floats, *, expected: bool = False) -> Terms:
        """Log-likelihood and derivatives of rows.

        Args:
            d: Lead of the left model in logits, [R].
            outcome: LEFT, RIGHT or TIE, [R].
            own: The treatment's own parameters.
            expected: Expected second derivatives (Fisher's), which are never negative, in place of the observed ones.
        """

    def allowed(self, own: Floats) -> bool:
        """Whether there is a likelihood at these parameters."""

    def bounded(self, own: Floats) -> Floats:
        """The nearest parameters that make sense, each by itself."""


class Half:
    """Ties as half a win."""

    name: str = "half"
    start: tuple[float, ...] = ()
    counts_ties: bool = True
    worth = np.array([1.0, 0.0, 0.5])

    def terms(self, d: Floats, outcome: Any, own: Floats, *, expected: bool = False) -> Terms:
        """As `Ties.terms`."""
        p, log_larger, variance = _logistic(d)
        worth = self.worth[outcome]
        return Terms(worth * d - np.maximum(d, 0) + log_larger, [worth - p], [[variance]])

    def allowed(self, own: Floats) -> bool:
        """Nothing can be wrong."""
        return True

    def bounded(self, own: Floats) -> Floats:
        """There are none."""
        return own


class Drop(Half):
    """Ties left out."""

    name: str = "drop"
    counts_ties: bool = False

    def terms(self, d: Floats, outcome: Any, own: Floats, *, expected: bool = False) -> Terms:
        """As `Ties.terms`."""
        all_ = super().terms(d, outcome, own)
        decisive = outcome != TIE
        return Terms(all_.value * decisive, [all_.score[0] * decisive], [[all_.information[0][0] * decisive]])


class Davidson:
    """Davidson's ties with a free exponent: own parameters (alpha, rho)."""

    name: str = "davidson"
    start: tuple[float, ...] = (0.0, -0.5)
    counts_ties: bool = False

    def terms(self, d: Floats, outcome: Any, own: Floats, *, expected: bool = False) -> Terms:
        """As `Ties.terms`."""
        alpha, rho = own
        p, log_larger, variance = _logistic(d)
        cosh = np.abs(d) / 2 - log_larger  # log(2 cosh(d / 2)); its slope is p - 1/2, its curvature the variance
        chance, log_larger_tie, tie_variance = _logistic(alpha + rho * cosh)
        eta = alpha + rho * cosh
        tie = (outcome == TIE).astype(float)
        left = (outcome == LEFT).astype(float)
        excess, decisive, slope = tie - chance, 1 - tie, p - 0.5
        value = tie * eta - np.maximum(eta, 0) + log_larger_tie
        value += decisive * (left * d - np.maximum(d, 0) + log_larger)
        score = [excess * rho * slope + decisive * (left - p), excess, excess * cosh]
        curve = tie_variance * (rho * slope) ** 2
        cross = tie_variance * rho * slope * cosh
        if expected:
            curve = curve + (1 - chance) * variance
        else:
            curve = curve + (decisive - excess * rho) * variance
            cross = cross - excess * slope
        weighted = tie_variance * cosh
        return Terms(
            value, score, [[curve], [tie_variance * rho * slope, tie_variance], [cross, weighted, weighted * cosh]]
        )

    def allowed(self, own: Floats) -> bool:
        """Nothing can be wrong."""
        return True

    def bounded(self, own: Floats) -> Floats:
        """rho between -1 and 0."""
        return np.array([own[0], min(0.0, max(-1.0, own[1]))])


class RaoKupper:
    """Rao and Kupper's threshold: own parameter (theta,), above 0."""

    name: str = "rao-kupper"
    start: tuple[float, ...] = (0.5,)
    counts_ties: bool = True

    def terms(self, d: Floats, outcome: Any, own: Floats, *, expected: bool = False) -> Terms:
        """As `Ties.terms`; the observed second derivatives are never negative."""
        theta = float(own[0])
        low, log_low, low_variance = _logistic(d - theta)
        high, log_high, high_variance = _logistic(d + theta)
        not_left = log_low - np.maximum(d - theta, 0)  # log(1 - low)
        not_right = log_high - np.maximum(-d - theta, 0)  # log(high)
        left, right, tie = outcome == LEFT, outcome == RIGHT, outcome == TIE
        value = left * (d - theta + not_left) + right * (not_right - d - theta)
        value += tie * (not_right + not_left + np.log(-np.expm1(-2 * theta)))
        grown = np.expm1(2 * theta)
        score = [tie * (1 - high - low) + left * (1 - low) - right * high]
        score += [tie * (1 - high + low + 2 / grown) - left * (1 - low) - right * high]
        lower, upper = ~right * low_variance, ~left * high_variance
        both = lower + upper + tie * 4 * (grown + 1) / grown**2
        return Terms(value, score, [[lower + upper], [upper - lower, both]])

    def allowed(self, own: Floats) -> bool:
        """The threshold is above 0."""
        return float(own[0]) > 0

    def bounded(self, own: Floats) -> Floats:
        """As they are."""
        return own


_ALL: tuple[Ties, ...] = (Half(), Drop(), Davidson(), RaoKupper())
TREATMENTS = {treatment.name: treatment for treatment in _ALL}
"""By name."""


def _logistic(d: Floats) -> tuple[Floats, Floats, Floats]:
    """1 / (1 + exp(-d)), the logarithm of the larger of it and its complement, and their product."""
    small = np.exp(-np.abs(d))
    larger = 1 / (1 + small)
    smaller = small * larger
    return np.where(d >= 0, larger, smaller), np.log(larger), smaller * larger
