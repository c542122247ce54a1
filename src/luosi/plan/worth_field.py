"""All that are compared at once: who is told to be better than whom, the frontier, the choice, and where it changes with the volume."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, cached_property
from itertools import groupby
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
    def _risk(self) -> float:
        return (1 - CONFIDENCE) / max(1, len(self.entries) - 1)

    def _told(self, better: Entry, worse: Entry) -> bool:
        """Whether the first is told to be better."""
        if quality(better) <= quality(worse):
            return False
        least = self.ahead(better.model, worse.model, self._risk)
        return least is not None and least > 0

    @cached_property
    def _surest(self) -> list[Entry]:
        """First those of which it is likeliest that they are told to be better than another: so one test mostly is enough."""
        return sorted(self.entries, key=lambda e: -quality(e) if e.low is None else -e.low)

    @cached_property
    def _farthest(self) -> list[Entry]:
        """First those that are within the budget at the largest volume."""
        return sorted(self._surest, key=lambda e: -self.reach[e.model])

    @cached_property
    def reach(self) -> dict[str, int]:
        """By model, the largest volume that is within the budget; none is where this is below 1."""
        if self.budget is None:
            return {entry.model: MOST_ANSWERS for entry in self.entries}
        return {entry.model: self._reach(entry, self.budget) for entry in self.entries}

    def _reach(self, entry: Entry, budget: int) -> int:
        slope, start = linear(entry, self.months)
        most = MOST_ANSWERS if slope == 0 else min(MOST_ANSWERS, math.floor((budget - start) / slope))
        if budget < start or not entry.per_month:
            return most if budget >= start else 0
        return bisect_right(range(most + 1), Fraction(budget), key=lambda answers: self._month(entry, answers)) - 1

    @cached_property
    def freed(self) -> dict[str, int]:
        """By model that is on the frontier at some volume, the volume beyond which none that is told to be better is within the budget."""
        found = {}
        for entry in self.able:
            better = (self.reach[one.model] for one in self._farthest if self._told(one, entry))
            found[entry.model] = next(better, 0)
        return found

    def tied(self, answers: int) -> set[str]:
        """Within the budget, and told to be worse than nobody within it."""
        inside = [entry for entry in self._surest if answers <= self.reach[entry.model]]
        return {entry.model for entry in inside if not any(self._told(one, entry) for one in inside)}

    @cached_property
    def able(self) -> tuple[Entry, ...]:
        """Those that are on the frontier at some volume, as far as one other alone can tell; the better first.

        Who is beaten comes after who beats it, and beats nobody whom that one does not: so only those found before are asked. Of
        those without machines the cheaper each month must be the dearer each answer, and one of them alone is asked.
        """
        ways = [(-quality(entry), *linear(entry, self.months), entry) for entry in self.entries]
        found: list[Entry] = []
        standing: list[Entry] = []
        slopes: list[Fraction] = []  # ascending, and descending starts with them
        starts: list[Fraction] = []
        for (_, slope, start), group in groupby(sorted(ways, key=lambda way: way[:3]), lambda way: way[:3]):
            place = bisect_right(slopes, slope)
            if place and starts[place - 1] <= start:
                continue
            alike = [way[3] for way in group]
            kept = [e for e in alike if not any(always_beats(one, e, self.months) for one in standing)]
            found += kept
            standing += [entry for entry in kept if entry.per_month]
            if any(not entry.per_month for entry in kept):
                end = next((at for at in range(place, len(slopes)) if starts[at] < start), len(slopes))
                first = place - (place > 0 and slopes[place - 1] == slope)
                slopes[first:end], starts[first:end] = [slope], [start]
        return tuple(found)

    @cached_property
    def _spans(self) -> list[tuple[str, int, int]]:
        """Model, first and last volume at which it would be taken if none worse were, each with one machine; the worse first.

        Of two costs that are straight lines one is the less up to some volume or from it on: so all that are better leave each an
        interval of volumes in which it is on the frontier. On the frontier the cheaper is the worse. Of the better ones that cost the
        same whatever the volume, only the one whose answers are cheapest matters.
        """
        found, better = [], dict[Fraction, Fraction]()
        for rating, group in groupby(self.able, key=quality):
            alike = [(entry.model, *linear(entry, self.months)) for entry in group]
            equal = _cheapest(alike)
            for name, slope, start in alike:
                low, high = max(1, self.freed[name] + 1), self.reach[name]
                for other_start, other in better.items():
                    low, high = _within(low, high, other - slope, start - other_start, strictly=True)
                for other_start, other in equal.items():
                    low, high = _within(low, high, other - slope, start - other_start, strictly=False)
                if low <= high:
                    found.append((rating, name, low, high))
            for start, slope in equal.items():
                better[start] = min(slope, better.get(start, slope))
        return [(name, low, high) for _, name, low, high in sorted(found)]

    def _month(self, entry: Entry, answers: int) -> Fraction:
        return month(entry, answers, self.months)

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

    @cached_property
    def _machines(self) -> bool:
        """Whether the cost of any that may be taken grows in steps."""
        return any(entry.per_month for entry in self.able)

    def choose(self, answers: int) -> str:
        """The model taken; "" where none is within the budget."""
        if self._machines:
            ways = (n for n in self.frontier(answers) if self.freed[n] < answers <= self.reach[n])
        else:
            ways = (name for name, low, high in self._spans if low <= answers <= high)
        return next(ways, "")

    def following(self, taken: str, answers: int) -> tuple[str, bool]:
        """Cheapest that is told to be better than `taken`, True; else the next on the frontier, False; "" for none."""
        if not taken:
            return "", False
        own = next(entry for entry in self.entries if entry.model == taken)
        if sure := [entry for entry in self.entries if self._told(entry, own)]:
            return min(sure, key=lambda e: (self._month(e, answers), e.model)).model, True
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
        """Where one begins or ceases to be taken; and a grid where machines are counted."""
        found = {1, MOST_ANSWERS}
        for _, low, high in self._spans:
            found |= {low - 1, low, high, high + 1}
        if self._machines:
            found |= {round(10 ** (step / STEPS)) for step in range(12 * STEPS)}
        return {volume for volume in found if 1 <= volume <= MOST_ANSWERS}


def _cheapest(alike: Sequence[tuple[str, Fraction, Fraction]]) -> dict[Fraction, Fraction]:
    """By what they cost whatever the volume, the least that an answer costs."""
    found: dict[Fraction, Fraction] = {}
    for _, slope, start in alike:
        found[start] = min(slope, found.get(start, slope))
    return found


def _within(low: int, high: int, slope: Fraction, least: Fraction, *, strictly: bool) -> tuple[int, int]:
    """The part of `low` to `high` where `slope` times the volume is more than `least`, or as much; empty if the first is the greater."""
    if slope == 0:
        return (low, high) if least < 0 or (least == 0 and not strictly) else (1, 0)
    at = least / slope
    if slope > 0:
        return max(low, math.floor(at) + 1 if strictly else math.ceil(at)), high
    return low, min(high, math.ceil(at) - 1 if strictly else math.floor(at))


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

    @cache
    def times(risk: float) -> float:
        return NormalDist().inv_cdf(1 - risk) / usual

    def ahead(first: str, second: str, risk: float) -> float | None:
        a, b = place[first], place[second]
        if a.rating is None or a.low is None or b.rating is None or b.high is None:
            return None
        return a.rating - b.rating - times(risk) * math.hypot(a.rating - a.low, b.high - b.rating)

    return ahead
