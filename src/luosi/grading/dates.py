"""Dates as people write them, and whether an answer's date is the accepted one.

    2021-03-03   2021/3/3   3 March 2021   March 3rd, 2021   3 Mar   March 2021   2021年3月3日   二〇二一年三月三日   03/04/2021

03/04/2021 is the 3rd of April or the 4th of March: it has two readings. An accepted answer must have one (it is refused
otherwise, with both readings named); an answer being marked is right if either reading is.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass

from luosi.grading.numerals import numerals
from luosi.grading.words import answering, plain

_YEARS_MONTHS = "january february march april may june july august september october november december"
_MONTHS = {short: n for n, name in enumerate(_YEARS_MONTHS.split(), 1) for short in (name, name[:3])} | {"sept": 9}
_MONTH = rf"(?P<month_name>{'|'.join(sorted(_MONTHS, key=len, reverse=True))})\.?(?![A-Za-z])"
_DAY = r"(?P<day>[0-3]?\d)(?:st|nd|rd|th)?(?!\d|\.\d)"
_YEAR = r"(?P<year>[12]\d{3})(?!\d)"
_HAN = "〇零一二三四五六七八九十\\d"
_FORMS = (
    rf"(?<!\d){_YEAR}(?P<gap>[-/.])(?P<month>[01]?\d)(?P=gap){_DAY}(?:T[\d:.]+Z?)?",
    rf"(?<!\d){_DAY}\s(?:of\s)?{_MONTH}(?:,?\s{_YEAR})?",
    rf"\b{_MONTH}\s{_DAY}(?:,?\s{_YEAR})?",
    rf"\b{_MONTH},?\s(?:of\s)?{_YEAR}",
    rf"(?:(?P<year>[{_HAN}]{{4}})年\s?)?(?P<month>[{_HAN}]{{1,3}})月\s?(?P<day>[{_HAN}]{{1,3}})[日号]",
    rf"(?P<year>[{_HAN}]{{4}})年\s?(?P<month>[{_HAN}]{{1,3}})月(?!份?[{_HAN}])",
    rf"(?P<year>[{_HAN}]{{4}})年(?![{_HAN}])",
    rf"(?<![\d/.-]){_YEAR}[-/](?P<month>[01]?\d)(?![\d/-])",
    r"(?<![\d/.-])(?P<first>[0-3]?\d)(?P<gap>[-/.])(?P<second>[0-3]?\d)(?P=gap)(?P<year>[12]\d{3})(?![\d/-])",
)
_PATTERNS = [re.compile(form, re.IGNORECASE) for form in _FORMS]


@dataclass(frozen=True, slots=True)
class Day:
    """A calendar day, month or year; 0 for a part that is not said."""

    year: int
    month: int
    day: int

    def covers(self, other: Day) -> bool:
        """Whether `other` says all that this one says: March 2021 covers 3 March 2021."""
        mine, theirs = (self.year, self.month, self.day), (other.year, other.month, other.day)
        return all(one in (0, two) for one, two in zip(mine, theirs, strict=True))


@dataclass(frozen=True, slots=True)
class Date:
    """A date in a text: its readings (two where day and month cannot be told apart) and where it stands."""

    readings: tuple[Day, ...]
    start: int
    end: int


def dates(text: str) -> list[Date]:
    """The dates of a `plain` text, in order; impossible ones (30 February) are none."""
    found: list[Date] = []
    for pattern in _PATTERNS:
        for match in pattern.finditer(text):
            taken = any(match.start() < date.end and date.start < match.end() for date in found)
            readings = () if taken else _readings(match.groupdict())
            if readings:
                found.append(Date(readings, match.start(), match.end()))
    return sorted(found, key=lambda date: date.start)


def _readings(parts: dict[str, str | None]) -> tuple[Day, ...]:
    year, day = _whole(parts.get("year")), _whole(parts.get("day"))
    if parts.get("first"):
        first, second = _whole(parts["first"]), _whole(parts["second"])
        days = [Day(year, second, first), Day(year, first, second)]
    else:
        name = parts.get("month_name")
        days = [Day(year, _MONTHS[name.lower()] if name else _whole(parts.get("month")), day)]
    return tuple(dict.fromkeys(day for day in days if _exists(day)))


def _exists(day: Day) -> bool:
    if not 1 <= day.month <= 12:
        return day == Day(day.year, 0, 0)
    return day.day <= monthrange(day.year or 2000, day.month)[1]


def _whole(text: str | None) -> int:
    return next((int(number.value) for number in numerals(text)), 0) if text else 0


def as_date(answer: str) -> Date | None:
    """The date that an accepted answer is, and nothing else besides; it may have two readings."""
    text = plain(answer).strip(" .。")
    found = dates(text)
    return found[0] if len(found) == 1 and found[0].start == 0 and found[0].end == len(text) else None


def date(text: str, accepted: str, question: str) -> float:
    """1.0 where the answer's date says what the accepted one says; else 0.0. It may say more (3 March 2021 for March 2021), not less.

    The answer's date: every one of the first sentence that has one (see `words.answering`), less those that the question
    states where others are left; all of them must be right.

    >>> date("It began on March 3rd, 2021.", "2021-03-03", "When?"), date("In March 2021.", "2021-03-03", "When?")
    (1.0, 0.0)
    """
    wanted = as_date(accepted)
    assert wanted is not None, f"{accepted!r} is no date; graders are chosen by `fits`"
    given = next((found for part in answering(text) if (found := dates(part))), [])
    stated = {reading for one in dates(plain(question)) for reading in one.readings}
    given = [one for one in given if not stated.issuperset(one.readings)] or given
    return float(bool(given) and all(_same(one, wanted) for one in given))


def _same(given: Date, wanted: Date) -> bool:
    return any(asked.covers(said) for asked in wanted.readings for said in given.readings)
