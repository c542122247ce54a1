"""All that are compared at once: who is told to be better than whom, the frontier, the choice, and where it changes with the volume."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import combinations
from statistics import NormalDist

from luosi.plan.worth_entry import Entry, linear, load, month
from luosi.statistics import CONFIDENCE

Ahead = Callable[[str, str, float], float | None]
"""(first, second, risk): what the first's lead in quality is at least, with this chance of being wrong; None if nothing joins them."""
MOST_ANSWERS = 10**12
"""A month; more is taken for a slip."""
STEPS = 48
"""Volumes a decade at which the choice is looked at where machines come in whole numbers; between them a change is found exactly."""


@dataclass(frozen=True)
class Change:
    """Another choice at another volume: from `answers` a month on upwards, or from there downwards."""

    answers: int
    model: str
    """"" where nothing is within the budget."""


@dataclass(frozen=True, eq=False)
class Field:
    """Those that are compared, the better first; money in nano-units, exact."""

    entries: tuple[Entry, ...]
    months: int
    budget: int | None
    ahead: Ahead

    @cached_property
    def worse_than(self) -> dict[str, set[str]]:
        """By model, all that are told to be better."""
        risk = (1 - CONFIDENCE) / max(1, len(self.entries) - 1)
        found: dict[str, set[str]] = {entry.model: set() for entry in self.entries}
        for better, worse in combinations(self.entries, 2):
            least = self.ahead(better.model, worse.model, risk) if better.rating != worse.rating else None
            if least is not None and least > 0:
                found[worse.model].add(better.model)
        return found

    @cached_property
    def reach(self) -> dict[str, int]:
        """By model, the largest volume that is within the budget; none is where this is below 1."""
        if self.budget is None:
            return {entry.model: MOST_ANSWERS for entry in self.entries}
        return {entry.model: self._reach(entry, self.budget) for entry in self.entries}

    def _reach(self, entry: Entry, budget: int) -> int:
        return (
            bisect_right(range(MOST_ANSWERS + 1), Fraction(budget), key=lambda answers: self._month(entry, answers)) - 1
        )

    @cached_property
    def freed(self) -> dict[str, int]:
        """By model, the volume beyond which none that is told to be better is within the budget."""
        return {name: max((self.reach[one] for one in better), default=0) for name, better in self.worse_than.items()}

    @cached_property
    def able(self) -> tuple[Entry, ...]:
        """Those that are on the frontier at some volume, as far as one other alone can tell."""
        return tuple(e for e in self.entries if not any(always_beats(other, e, self.months) for other in self.entries))

    def _month(self, entry: Entry, answers: int) -> Fraction:
        return month(entry, answers, self.months)

    def costs(self, answers: int) -> dict[str, Fraction]:
        """A month of each at a volume."""
        return {entry.model: self._month(entry, answers) for entry in self.entries}

    def affordable(self, answers: int) -> set[str]:
        """Within the budget."""
        return {name for name, most in self.reach.items() if answers <= most}

    def frontier(self, answers: int) -> list[str]:
        """Nobody is better and no dearer, or as good and cheaper; the cheapest first."""
        found, best, paid = [], -math.inf, Fraction(-1)
        ways = sorted((self._month(e, answers), -quality(e), e.model) for e in self.able)
        for cost, worse, name in ways:
            if -worse > best or (-worse == best and cost == paid):
                found.append(name)
                best, paid = -worse, cost
        return found

    def best(self, answers: int) -> str:
        """Highest quality within the budget, the cheapest of several; "" where nothing is."""
        ways = [(-quality(e), self._month(e, answers), e.model) for e in self.entries if answers <= self.reach[e.model]]
        return min(ways)[-1] if ways else ""

    def choose(self, answers: int) -> str:
        """The model taken; "" where none is within the budget."""
        ways = (n for n in self.frontier(answers) if self.freed[n] < answers <= self.reach[n])
        return next(ways, "")

    def following(self, taken: str, answers: int) -> tuple[str, bool]:
        """Cheapest that is told to be better than `taken`, True; else the next on the frontier, False; "" for none."""
        if not taken:
            return "", False
        if sure := self.worse_than[taken]:
            costs = self.costs(answers)
            return min(sure, key=lambda name: (costs[name], name)), True
        ways = self.frontier(answers)
        return next(iter(ways[ways.index(taken) + 1 :]), ""), False

    def change(self, answers: int, *, upwards: bool) -> Change | None:
        """The nearest volume at which another is taken. Exact where no entry counts whole machines; with these, changes that
        are undone within a 48th of a decade may be passed over."""
        now, last = self.choose(answers), answers
        volumes = (n for n in self._volumes if (n > answers if upwards else n < answers))
        for volume in sorted(volumes, reverse=not upwards):
            if (there := self.choose(volume)) != now:
                while abs(volume - last) > 1:
                    middle = (volume + last) // 2
                    if (between := self.choose(middle)) == now:
                        last = middle
                    else:
                        volume, there = middle, between
                return Change(volume, there)
            last = volume
        return None

    @cached_property
    def _volumes(self) -> set[int]:
        """Where two cost the same, or one as much as the budget; and a grid where machines are counted."""
        found = {1, MOST_ANSWERS, *self.reach.values(), *(most + 1 for most in self.reach.values())}
        terms = [linear(entry, self.months) for entry in self.able]
        for (slope, start), (other_slope, other_start) in combinations(terms, 2):
            if slope != other_slope:
                at = math.floor((other_start - start) / (slope - other_slope))
                found |= {at, at + 1}
        if any(entry.per_month for entry in self.able):
            found |= {round(10 ** (step / STEPS)) for step in range(12 * STEPS)}
        return {volume for volume in found if 1 <= volume <= MOST_ANSWERS}


def quality(entry: Entry) -> float:
    """Of one that is compared."""
    assert entry.rating is not None, "only entries with a quality are compared"
    return entry.rating


def always_beats(first: Entry, second: Entry, months: int) -> bool:
    """Whether the first is as good and as cheap at every volume, and better or cheaper at every one."""
    if first.per_month and (not second.per_month or load(first) > load(second)):
        return False
    (slope, start), (other_slope, other_start) = linear(first, months), linear(second, months)
    fixed, other_fixed = (entry.per_month.nano if entry.per_month else 0 for entry in (first, second))
    good, other_good = quality(first), quality(second)
    if good < other_good or slope > other_slope or start > other_start or fixed > other_fixed:
        return False
    return (good, slope, start) != (other_good, other_slope, other_start)


def independent(entries: Sequence[Entry]) -> Ahead:
    """Least leads from the entries' own 95 % intervals, taken as normal and independent."""
    place = {entry.model: entry for entry in entries}
    usual = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)

    def ahead(first: str, second: str, risk: float) -> float | None:
        a, b = place[first], place[second]
        if a.rating is None or a.low is None or b.rating is None or b.high is None:
            return None
        reach = math.hypot(a.rating - a.low, b.high - b.rating) / usual
        return a.rating - b.rating - NormalDist().inv_cdf(1 - risk) * reach

    return ahead
