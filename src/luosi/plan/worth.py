"""Worth: quality against money at a volume of answers, and which model to take for it. The line it is told in stands in worth_words.py.

The rule. All entries that have a quality and a price in one currency are compared. Of those within the budget the cheapest is taken
that (1) stands on the frontier: nobody is both better and cheaper; and (2) cannot be told to be worse than any other within the budget.
"Told" means that the lead itself, not two marginal intervals, is above 0, and that with all comparisons at once: each at a one-sided
risk of 5 % / (n - 1), Bonferroni, so that the set of those that cannot be told from the best holds the truly best one with 95 %
(subset selection: Gupta, 1965; comparisons with the best: Hsu, 1984; with each pair's own error: Mogstad, Romano, Shaikh and Wilhelm,
2024). n counts all that are compared, whatever the budget: so, and because the observed best alone would not do (one that few votes
rate high can be told from nobody), more money never buys a lower rating. Not to be told apart is not equal: how far the one taken may
be behind is said. Knows no votes, no ledger and no price list; money has no part in quality.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Literal

from luosi.cost import Money
from luosi.errors import UsageError
from luosi.plan.worth_entry import Entry, Reason, check, machines, main_currency, month, reason
from luosi.plan.worth_field import MOST_ANSWERS, Ahead, Change, Field, independent
from luosi.plan.worth_words import Language, told
from luosi.statistics import CONFIDENCE

__all__ = ["MOST_ANSWERS", "Ahead", "Change", "Entry", "Line", "Reason", "Scale", "Worth", "worth"]

Scale = Literal["Elo", "accuracy"]
MOST_MONTHS = 1200
MILLION = 1_000_000


@dataclass(frozen=True)
class Line:
    """An entry at one volume. Money is rounded up to a nano-unit once; None where it is not known."""

    entry: Entry
    month: Money | None
    """Its answers, its machines, and its making spread over the months."""
    per_1000: Money | None
    """Of `month`, for 1,000 answers."""
    per_million: Money | None
    """Of `month`, for a million tokens, prompt and completion as they were used; None too where tokens are not known."""
    machines: int | None
    """Of ours, that the volume keeps busy or that must stand there; None for a rented model."""
    reason: Reason
    affordable: bool
    frontier: bool
    tied: bool
    """Within the budget, and told to be worse than nobody within it."""


@dataclass(frozen=True, eq=False)
class Worth:
    """The answer."""

    lines: tuple[Line, ...]
    """Compared ones first, the better first; then the others."""
    answers_per_month: int
    months: int
    budget: Money | None
    scale: Scale
    currency: str
    """Of everything that is compared."""
    choice: Line | None
    """None where nothing is within the budget, or nothing could be compared."""
    best: Line | None
    """Highest quality within the budget, as measured; may be the choice."""
    behind: float | None
    """How far behind the best the choice may be, at 97.5 %; None where they are the same."""
    next: Line | None
    """Cheapest that is told to be better than the choice; if none is, the next on the frontier."""
    next_told: bool
    """Whether `next` is told to be better, or only measured so."""
    _field: Field

    @property
    def compared(self) -> tuple[Line, ...]:
        """Lines with a quality and a price in `currency`, the better first."""
        return tuple(line for line in self.lines if not line.reason)

    @property
    def frontier(self) -> tuple[Line, ...]:
        """Nobody is both better and cheaper; the cheapest first."""
        return tuple(sorted((line for line in self.lines if line.frontier), key=_cheapest))

    @property
    def cheapest(self) -> Line | None:
        """Of those compared."""
        return min(self.compared, key=_cheapest, default=None)

    @cached_property
    def below(self) -> Change | None:
        """The largest smaller volume at which the choice is another; None if it never is."""
        return self._field.change(self.answers_per_month, upwards=False)

    @cached_property
    def above(self) -> Change | None:
        """The smallest larger volume at which the choice is another; None if it never is."""
        return self._field.change(self.answers_per_month, upwards=True)

    def line(self, language: Language = "en") -> str:
        """Which model to use for this traffic and this budget, in one line."""
        return told(self, language)


def worth(
    entries: Sequence[Entry],
    *,
    answers_per_month: int,
    months: int = 12,
    budget: Money | None = None,
    scale: Scale = "Elo",
    ahead: Ahead | None = None,
) -> Worth:
    """What each entry is worth at a volume, and which to take.

    Args:
        entries: In any order; names are unique.
        answers_per_month: From 1 to `MOST_ANSWERS`.
        months: That the cost of making is spread over.
        budget: At most, a month; None for no limit.
        scale: Of the quality.
        ahead: Least leads, of whoever knows how the errors of two belong together; None takes them from the entries' own
            intervals, as if these were independent (never from whether they overlap, which asks for too much).

    Raises:
        UsageError: No such volume, months or budget; an entry that says nonsense.
    """
    check(entries)
    _limits(answers_per_month, months, budget)
    currency = budget.currency if budget else main_currency(entries)
    reasons = {entry.model: reason(entry, currency) for entry in entries}
    if any(reason == "" for reason in reasons.values()):
        reasons = _joined(entries, reasons)
    else:  # better provisional ones than none
        reasons = _joined(entries, {name: "" if r == "provisional" else r for name, r in reasons.items()})
    compared = sorted((e for e in entries if not reasons[e.model]), key=lambda e: (-(e.rating or 0), e.model))
    field = Field(tuple(compared), months, budget.nano if budget else None, ahead or independent(compared))
    return _answer(entries, reasons, field, answers_per_month, budget, scale, currency)


def _answer(
    entries: Sequence[Entry], reasons: Mapping[str, Reason], field: Field, answers: int, budget: Money | None,
    scale: Scale, currency: str,
) -> Worth:  # fmt: skip
    affordable, frontier, tied = field.affordable(answers), set(field.frontier(answers)), field.tied(answers)
    others = sorted((e for e in entries if reasons[e.model]), key=lambda e: (-(e.rating or -math.inf), e.model))
    lines = {
        e.model: Line(
            e, *_amounts(e, answers, field.months, currency), machines(e, answers), reasons[e.model],
            e.model in affordable, e.model in frontier, e.model in tied,
        )
        for e in (*field.entries, *others)
    }  # fmt: skip
    taken = field.choose(answers)
    choice, best = lines.get(taken), lines.get(field.best(answers))
    behind = None
    if choice is not None and best is not None and choice is not best:
        least = field.ahead(choice.entry.model, best.entry.model, (1 - CONFIDENCE) / 2)
        behind = None if least is None else max(0.0, -least)
    following, sure = field.following(taken, answers)
    return Worth(
        tuple(lines.values()), answers, field.months, budget, scale, currency, choice, best, behind,
        lines.get(following), sure, field,
    )  # fmt: skip


def _amounts(entry: Entry, answers: int, months: int, currency: str) -> tuple[Money | None, Money | None, Money | None]:
    """A month, 1,000 answers and a million tokens."""
    if entry.cost is None or entry.to_make is None or len(entry.currencies) > 1:
        return None, None, None
    own = next(iter(entry.currencies), currency)
    whole = month(entry, answers, months)

    def shown(amount: Fraction) -> Money:
        return Money(nano=math.ceil(amount), currency=own)

    each = shown(whole * entry.answers * MILLION / (answers * entry.tokens)) if entry.tokens else None
    return shown(whole), shown(whole * 1000 / answers), each


def _cheapest(line: Line) -> tuple[int, str]:
    assert line.month is not None
    return line.month.nano, line.entry.model


def _joined(entries: Sequence[Entry], reasons: Mapping[str, Reason]) -> dict[str, Reason]:
    """Only the island with the most compared entries is compared; the first of several."""
    counts = Counter(entry.island for entry in entries if not reasons[entry.model])
    main = min(counts, key=lambda island: (-counts[island], island), default=0)
    return {e.model: "unjoined" if not reasons[e.model] and e.island != main else reasons[e.model] for e in entries}


def _limits(answers: int, months: int, budget: Money | None) -> None:
    if not 1 <= answers <= MOST_ANSWERS:
        raise UsageError(f"{answers:,} answers a month; expected 1 to {MOST_ANSWERS:,}")
    if not 1 <= months <= MOST_MONTHS:
        raise UsageError(f"making is spread over {months} months; expected 1 to {MOST_MONTHS:,}")
    if budget is not None and budget.nano <= 0:
        raise UsageError(f"a budget of {budget} a month buys nothing; expected more than 0")
