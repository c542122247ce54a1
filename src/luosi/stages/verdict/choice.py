"""The rule by which one route is taken: of those that the user's questions cannot tell from the best, the cheapest that keeps the
data in the house."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from luosi.artifacts.evidence import Difference, VerdictSummary
from luosi.stages.verdict.advice import better
from luosi.stages.verdict.answered import TOO_FEW, overlapping
from luosi.stages.verdict.asked import CANNOT_WIN
from luosi.stages.verdict.costs import ANSWERS, RouteMoney

VOLUME = 10_000
"""Answers that a route's cost is counted at, making included: about thirty a day for a year."""
FIT = 0.5
"""A route of which it is certain that it answers fewer of the questions rightly is not fit for use as it is."""


@dataclass(frozen=True)
class Choice:
    """What is taken, and what it was chosen from."""

    taken: RouteMoney
    best: RouteMoney
    """Most right answers; may be the same."""
    tied: tuple[RouteMoney, ...]
    """All that are not told from the best, `taken` and `best` among them."""
    losing: tuple[RouteMoney, ...]
    """The other measured routes, the better first."""

    questions: int
    overlapping: bool
    """Whether marks are shared words for the most part, not right or wrong."""

    @property
    def fit(self) -> bool:
        """Whether the best may reach half of the marks."""
        return _fit(self.best)

    @property
    def useful(self) -> bool:
        """Whether a route is recommended at all."""
        return self.fit and self.told

    @property
    def told(self) -> bool:
        """Whether there are questions enough to say what to do."""
        return self.questions >= TOO_FEW


def choose(summary: VerdictSummary, table: Sequence[RouteMoney]) -> Choice | None:
    """The choice among the routes that were asked; None if none was."""
    asked = [line for line in table if line.own is not None]
    in_the_race = [line for line in asked if not line.stopped.startswith((CANNOT_WIN, "does not answer"))] or asked
    if not asked:
        return None
    best = max(in_the_race, key=_own)
    tied = [line for line in in_the_race if line is best or not _worse(summary, line, best)]
    fit = [line for line in tied if _fit(line)] or tied
    house = [line for line in fit if not line.leaves_house] or fit
    currency = next((line.cost_per_1000.currency for line in house if line.cost_per_1000), "")
    taken = min(house, key=lambda line: (whole_nano(line, currency), -_own(line)))
    losing = sorted((line for line in asked if line not in tied), key=_own, reverse=True)
    return Choice(taken, best, tuple(tied), tuple(losing), summary.questions, bool(overlapping(summary)))


def whole_nano(line: RouteMoney, currency: str) -> float:
    """Cost of making it and of VOLUME answers in nano-units of `currency`; infinite where it is not known, or in another one."""
    make, answers = line.cost_to_make, line.cost_per_1000
    if make is None or answers is None or {make.currency, answers.currency} != {currency}:
        return float("inf")
    return make.nano + answers.nano * VOLUME / ANSWERS


def difference(summary: VerdictSummary, line: RouteMoney, other: RouteMoney) -> Difference | None:
    """Accuracy of `line` less that of `other`."""
    return summary.between(line.arm, other.arm)


def _fit(line: RouteMoney) -> bool:
    return line.own_high is None or line.own_high >= FIT


def _own(line: RouteMoney) -> float:
    return line.own or 0.0


def _worse(summary: VerdictSummary, line: RouteMoney, best: RouteMoney) -> bool:
    return better(difference(summary, line, best), higher=True) is False
