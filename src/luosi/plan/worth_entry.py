"""One model of a comparison of quality with money, what a month of it costs at a volume, and whether it can be compared at all."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from luosi.cost import Money
from luosi.errors import UsageError

Reason = Literal["", "unrated", "provisional", "unjoined", "price", "making", "mixed", "currency"]
"""Why an entry is listed and not compared; "" if it is compared."""
MONTH_S = 365 * 86_400 // 12
"""Seconds of a month: a twelfth of 365 days, 730 hours."""


@dataclass(frozen=True)
class Entry:
    """One model: its quality, and its money as measured in `answers` answers together, so that a mean need not be rounded."""

    model: str
    rating: float | None
    """On the scale given to `worth`; None if it was not measured."""
    low: float | None
    high: float | None
    """95 % interval."""
    cost: Money | None
    """Of the `answers` answers together; None is not known, and never 0."""
    to_make: Money | None
    """Training and all steps before it, every attempt; 0 for a rented model; None if it is not known."""
    per_month: Money | None = None
    """Of each machine that must stand there, busy or not; None where none must."""
    source: str = ""
    """Where the money comes from, for people."""
    answers: int = 1
    """That `cost`, tokens and seconds are the sums of."""
    measured: int = 0
    """Of these answers; 0 where tokens are assumed."""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    seconds: float = 0.0
    """In which a machine of ours is busy with them; 0 for a rented model."""
    provisional: bool = False
    """Quality measured too little to be relied on: not taken while there are others."""
    island: int = 0
    """Only models of one island can be compared."""

    @property
    def per_answer(self) -> Money | None:
        """Mean money of one answer, rounded up to a nano-unit: to be shown, not to be counted with."""
        return (
            None if self.cost is None else Money(nano=-(-self.cost.nano // self.answers), currency=self.cost.currency)
        )

    @property
    def tokens(self) -> int | None:
        """Prompt and completion of the `answers` answers."""
        if self.prompt_tokens is None or self.completion_tokens is None:
            return None
        return self.prompt_tokens + self.completion_tokens

    @property
    def currencies(self) -> set[str]:
        """Of all amounts that are not 0."""
        return {money.currency for money in (self.cost, self.to_make, self.per_month) if money and money.nano}


def machines(entry: Entry, answers: int) -> int | None:
    """Of ours, for so many answers a month, busy all the time; None for a rented model."""
    if not entry.seconds and not entry.per_month:
        return None
    return max(1, math.ceil(load(entry) * answers))


def load(entry: Entry) -> Fraction:
    """Of a machine's month, that one answer takes."""
    return Fraction(entry.seconds) / (entry.answers * MONTH_S)


def month(entry: Entry, answers: int, months: int) -> Fraction:
    """Nano-units of so many answers and their machines, with the making spread over `months`; exact."""
    slope, start = linear(entry, months)
    more = (machines(entry, answers) or 1) - 1
    return slope * answers + start + (entry.per_month.nano * more if entry.per_month else 0)


def linear(entry: Entry, months: int) -> tuple[Fraction, Fraction]:
    """Nano-units each answer, and each month whatever the volume, with one machine."""
    assert entry.cost is not None and entry.to_make is not None, "only entries with a price are counted"
    fixed = entry.per_month.nano if entry.per_month else 0
    return Fraction(entry.cost.nano, entry.answers), Fraction(entry.to_make.nano, months) + fixed


def main_currency(entries: Sequence[Entry]) -> str:
    """Most entries' own; the first by name of several."""
    counts = Counter(next(iter(entry.currencies)) for entry in entries if len(entry.currencies) == 1)
    return min(counts, key=lambda name: (-counts[name], name), default="USD")


def reason(entry: Entry, currency: str) -> Reason:
    """Why it cannot be compared with others priced in `currency`."""
    if entry.rating is None:
        return "unrated"
    if entry.cost is None:
        return "price"
    if entry.to_make is None:
        return "making"
    if len(entry.currencies) > 1:
        return "mixed"
    if entry.currencies - {currency}:
        return "currency"
    return "provisional" if entry.provisional else ""


def check(entries: Sequence[Entry]) -> None:
    """Raises UsageError for what cannot be."""
    names = Counter(entry.model for entry in entries)
    for name, count in names.items():
        if count > 1:
            raise UsageError(f"{count} entries are called {name!r}", hint="give each its own name")
    for entry in entries:
        ends = [value for value in (entry.low, entry.rating, entry.high) if value is not None]
        if (
            not all(map(math.isfinite, ends))
            or ends != sorted(ends)
            or not (math.isfinite(entry.seconds) and entry.seconds >= 0)
        ):
            raise UsageError(
                f"the quality or seconds of {entry.model!r} are no numbers that fit: {ends}, {entry.seconds} s"
            )
        if entry.answers < 1 or any(m and m.nano < 0 for m in (entry.cost, entry.to_make, entry.per_month)):
            raise UsageError(f"{entry.model!r} has a negative amount of money, or the money of {entry.answers} answers")
