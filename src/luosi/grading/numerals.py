"""Numbers as people write them become exact values: digits, thousands separators, scale words, English and Chinese numerals.

    "1,200"  "1 200" (narrow or no-break space)  "１２００"  "1.2 thousand"  "twelve hundred"  "一千二百"  "0.12万"  "1.2e3"

A point is a decimal point and a comma separates thousands: "1.200" is 1.2. Knows nothing of units and questions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

_DIGITS = {character: place % 10 for place, character in enumerate("零一二三四五六七八九〇壹贰叁肆伍陆柒捌玖")} | {
    "两": 2
}
_SMALL = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1000, "仟": 1000}
_LARGE = {"万": 10**4, "亿": 10**8}
_HAN = "".join((*_DIGITS, *_SMALL, *_LARGE))
_ONES = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
eighteen nineteen"""
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_ENGLISH = {word: n for n, word in enumerate(_ONES.split())} | {word: 10 * n for n, word in enumerate(_TENS.split(), 2)}
_SCALES = {
    "hundred": 100,
    "thousand": 10**3,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
    "bn": 10**9,
    "mn": 10**6,
    "k": 10**3,
}
_WORDS = "|".join(sorted((*_ENGLISH, "hundred", "thousand", "million", "billion"), key=len, reverse=True))
_NUMBER = re.compile(
    rf"""(?P<sign>(?<![^\s(:=~≈约])[-−–]\s?|\bminus\s|\bnegative\s|负)?
    (?: (?<![A-Za-z0-9])(?<!\d\.)(?<![A-Za-z]-)
        (?P<digits>\d{{1,3}}(?:,\d{{2,3}})*,\d{{3}}(?!\d)(?:\.\d{{1,30}})?|\d{{1,40}}(?:\.\d{{1,30}})?|\.\d{{1,30}})(?!\.?\d)
        (?P<power>[eE][+-]?\d{{1,2}}(?![\w.]))?
        (?: \s?(?P<han>[{"".join((*_SMALL, *_LARGE))}][{_HAN}\d]{{0,20}})
          | (?:\s|-)?(?P<scale>hundred|thousand|million|billion|trillion|bn|mn|k)(?![A-Za-z]))?
      | (?P<chinese>[{_HAN}]{{1,30}})
      | \b(?P<english>(?:{_WORDS})(?:(?:\s|-|\sand\s)(?:{_WORDS})){{0,12}})\b )""",
    re.IGNORECASE | re.VERBOSE,
)
_GROUPED = re.compile(r"(?<=\d)['\u2019\u00a0\u2009\u202f](?=\d{3}(?!\d))")


@dataclass(frozen=True, slots=True)
class Numeral:
    """A number in a text.

    Attributes:
        value: Exact.
        quantum: What one unit of its last written digit is worth: 0.1 for "2.5", 100,000 for "1.5 million".
        whole: Written as a whole number, without a scale.
        loose: "one", or a single Chinese numeral, which are often no numbers at all: "one of them", 一般.
        start: Where it begins in the text it was found in.
        end: Where it ends.
    """

    value: Decimal
    quantum: Decimal
    whole: bool
    loose: bool
    start: int
    end: int


def joined(text: str) -> str:
    """The text with separators that are no commas taken out of its numbers; to be done before widths are made one.

    >>> joined("1'200 and 3\u202f000")
    '1200 and 3000'
    """
    return _GROUPED.sub("", text)


def numerals(text: str) -> Iterator[Numeral]:
    """Every number of a `plain` text, in order. "3-5" is 3 and 5; the digits in "B12" and "COVID-19" are none.

    >>> [str(n.value) for n in numerals("minus 5, 1.5 million, 三百二十, 1亿2千万, twenty-five")]
    ['-5', '1500000.0', '320', '120000000', '25']
    """
    for match in _NUMBER.finditer(text):
        if match["digits"]:
            value, quantum, whole = _from_digits(match)
            loose = False
        elif match["chinese"]:
            if match["chinese"][0] in "百佰千仟万亿":
                continue  # 千万, 万一, 百分之: words, no numbers
            value, quantum, whole = _chinese(match["chinese"]), Decimal(1), True
            loose = len(match["chinese"]) == 1
        else:
            value, quantum, whole = _english(match["english"].lower()), Decimal(1), True
            loose = match["english"].lower() == "one"
        sign = -1 if match["sign"] else 1
        yield Numeral(sign * value, quantum, whole, loose, match.start(), match.end())


def _from_digits(match: re.Match[str]) -> tuple[Decimal, Decimal, bool]:
    digits = match["digits"].replace(",", "")
    value = Decimal(digits + (match["power"] or ""))
    quantum = Decimal(1).scaleb(int(value.as_tuple().exponent))
    if match["han"]:
        rounded = all(character in _SMALL or character in _LARGE for character in match["han"])
        scale = _chinese(f"1{match['han']}") if rounded else Decimal(1)
        return _chinese(digits + match["han"]), quantum * scale if rounded else scale, not rounded
    scale = Decimal(_SCALES[match["scale"].lower()]) if match["scale"] else Decimal(1)
    return value * scale, quantum * scale, not match["scale"] and not match["power"] and quantum == 1


def _chinese(text: str) -> Decimal:
    """The value of a numeral such as 三百二十, 二〇二一, 一万二 (12,000), 1亿2千万, 3.5千万."""
    if not any(character in _SMALL or character in _LARGE for character in text):
        return Decimal("".join(str(_DIGITS.get(character, character)) for character in text))
    total = section = Decimal(0)
    current: Decimal | None = None
    last = 1
    for part in re.findall(r"\d+(?:\.\d+)?|.", text):
        if part in _SMALL:
            section += (Decimal(1) if current is None else current) * _SMALL[part]
            current, last = None, _SMALL[part]
        elif part in _LARGE:
            inside = section + (current or 0)
            inside = inside if inside or total else Decimal(1)
            total = (total + inside) * _LARGE[part] if part == "亿" else total + inside * _LARGE[part]
            section, current, last = Decimal(0), None, _LARGE[part]
        else:
            digit = Decimal(_DIGITS[part]) if part in _DIGITS else Decimal(part)
            current = digit if current is None else current * 10 + digit
            last = 1 if digit == 0 else last
    if current is not None and text[-1] in _DIGITS and text[-2] not in _DIGITS and last >= 100:
        current *= last // 10
    return total + section + (current or 0)


def _english(text: str) -> Decimal:
    total = current = 0
    for word in re.split(r"\s+and\s+|[\s-]+", text):
        if word in _ENGLISH:
            paired = 10 <= current < 100 and _ENGLISH[word] >= 10  # nineteen eighty: a year
            current = current * 100 + _ENGLISH[word] if paired else current + _ENGLISH[word]
        elif word == "hundred":
            current = (current or 1) * 100
        else:
            total += (current or 1) * _SCALES[word]
            current = 0
    return Decimal(total + current)
