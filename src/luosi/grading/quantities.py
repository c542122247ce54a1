"""Whether an answer's number is the accepted one: units, percent, and which of the numbers in a text is the answer.

The answer's number: what stands after the last "the answer is" (答案是, therefore, ..), else the first sentence that has a number.
Of the numbers there, those that the question itself states and those that only point somewhere ("section 4", 第四条, [2]) are left
out where others are left; where the accepted answer has a unit, the numbers with a unit of its kind are taken if there are any.
All that then remain must be right: "30 or 45 days" is not 30 days, and a list of many numbers is right about none.

Tolerance: a number accepted as a whole one must be met exactly; one with decimals, in percent or with a scale word ("1.5 million")
to half a unit of its last written digit. So 3.14159 is right for 3.14, 3.1 is not; 12,000 is wrong for 12,345.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from luosi.grading.dates import dates
from luosi.grading.numerals import Numeral, joined, numerals
from luosi.grading.words import answering, plain

_TABLE = """
share: % percent pct 个百分点 百分点 =0.01
second: s sec secs second seconds 秒 秒钟 =1; ms millisecond milliseconds 毫秒 =0.001; min mins minute minutes 分钟 =60
second: h hr hrs hour hours 小时 个小时 钟头 =3600; d day days 天 日 =86400; week weeks 周 个星期 星期 =604800
month: month months 月 个月 =1; year years yr yrs 年 周年 岁 =12; quarter quarters 季度 个季度 =3
metre: m metre metres meter meters 米 =1; km kilometre kilometres kilometer kilometers 公里 千米 =1000; cm centimetre centimetres centimeter centimeters 厘米 =0.01
metre: mm millimetre millimetres millimeter millimeters 毫米 =0.001; µm μm micrometre micrometres micrometer micrometers 微米 =0.000001; nm 纳米 =0.000000001
metre: inch inches 英寸 =0.0254; ft foot feet 英尺 =0.3048; mile miles 英里 =1609.344
gram: g gram grams 克 =1; kg kilogram kilograms 公斤 千克 =1000; mg milligram milligrams 毫克 =0.001; t tonne tonnes ton tons 吨 =1000000; 斤 =500
litre: l litre litres liter liters 升 =1; ml millilitre millilitres milliliter milliliters 毫升 =0.001
byte: b byte bytes 字节 =1; kb =1000; mb =1000000; gb =1000000000; tb =1000000000000; kib =1024; mib =1048576; gib =1073741824
USD: $ us$ usd dollar dollars 美元 美金 =1
CNY: ¥ cny rmb yuan 元 块 块钱 人民币 元人民币 =1
EUR: € eur euro euros 欧元 =1
GBP: £ gbp pound pounds 英镑 =1
degree: ° °c ℃ celsius degree degrees 度 摄氏度 =1
watt: w watt watts 瓦 =1; kw kilowatt kilowatts 千瓦 =1000; mw megawatt megawatts 兆瓦 =1000000
joule: joule joules 焦耳 =1; kj 千焦 =1000; kcal 千卡 大卡 =4184; wh =3600; kwh 千瓦时 =3600000; mwh 兆瓦时 =3600000000
square: m² m2 sqm square_metre square_metres square_meter square_meters 平方米 =1; hectare hectares ha 公顷 =10000; acre acres =4046.8564224
square: km² km2 square_kilometre square_kilometres square_kilometer square_kilometers 平方公里 =1000000; 亩 =666.6666667
pascal: pa 帕 =1; kpa 千帕 =1000; mpa 兆帕 =1000000; bar =100000; mmhg mm_hg 毫米汞柱 =133.322; psi =6894.757
hertz: hz hertz 赫兹 =1; khz =1000; mhz =1000000; ghz =1000000000; bpm beats_per_minute beats/min breaths_per_minute 次/分 次每分钟 =0.0166666667
volt: volt volts 伏 伏特 =1; kv 千伏 =1000
per litre: mmol/l =1; mol/l =1000
mass per litre: g/l =1; g/dl =10; mg/dl =0.01; mg/l =0.001
speed: m/s 米/秒 =1; km/h kph 公里/小时 =0.2777777778; mph =0.44704
"""
_UNITS: dict[str, tuple[str, Decimal]] = {
    name.replace("_", " "): (line.partition(":")[0], Decimal(group.partition("=")[2]))
    for line in _TABLE.strip().splitlines()
    for group in line.partition(":")[2].split(";")
    for name in group.partition("=")[0].split()
}
"""Unit -> what it measures, and how many of that measure's first unit one is. Currencies are not converted into each other."""

_NAMES = "|".join(re.escape(name) for name in sorted(_UNITS, key=len, reverse=True))
_AFTER = re.compile(rf"\s?-?(?P<unit>{_NAMES})(?![A-Za-z])", re.IGNORECASE)
_BEFORE = re.compile(r"(?P<unit>US\$|[$¥€£]|\b(?:USD|CNY|RMB|EUR|GBP)|百分之)\s?-?$", re.IGNORECASE)
_COUNTED = re.compile(r"\s?[个人次名位项条款种类件台套份间只张本页名倍期届级]")
_STANDS = re.compile(r"(?:^|[^\w\s]|\b(?:is|are|was|were)|[是为有共约需要达])\s?\Z")
_STOPS = re.compile(r"\s?(?:[^\w\s]|\Z)")
_POINTS = re.compile(
    r"(?:\b(?:section|sections|article|articles|chapter|page|pages|p\.|pp\.|no\.|clause|paragraph|rule|step|table|figure|fig\."
    r"|appendix|annex|item|line|version)\s?|§\s?|第\s?)$",
    re.IGNORECASE,
)
_AROUND = re.compile(r"(?:about|approximately|approx\.?|around|exactly|some|约|大约|共|共计)?\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its unit: `measure` is "" where it has none that is known, `factor` converts to the measure's first unit."""

    number: Numeral
    measure: str
    factor: Decimal
    start: int
    end: int
    points: bool
    """Only says where something stands: "section 4", 第四条."""


def quantities(text: str) -> list[Quantity]:
    """The numbers of a `plain` text with their units; "one" and single Chinese numerals only where a unit or a measure word follows, or where they stand alone."""
    found = []
    for number in numerals(text):
        after, before = _AFTER.match(text, number.end), _BEFORE.search(text, max(0, number.start - 6), number.start)
        stands = _STANDS.search(text[max(0, number.start - 6) : number.start]) and _STOPS.match(text, number.end)
        if number.loose and not (after or before or stands or _COUNTED.match(text, number.end)):
            continue
        name = (before or after or {"unit": ""})["unit"].lower()
        measure, factor = _UNITS["%"] if name == "百分之" else _UNITS.get(name, ("", Decimal(1)))
        start = before.start() if before else number.start
        end = after.end() if after and not before else number.end
        points = bool(_POINTS.search(text, max(0, number.start - 12), number.start))
        found.append(Quantity(number, measure, factor, start, end, points))
    return found


def as_quantity(answer: str) -> Quantity | None:
    """The quantity that an accepted answer is, and nothing else besides: "about 1,200 km", not "1,200 people voted"."""
    text = plain(joined(answer)).strip(" .。")
    found = quantities(text)
    if len(found) != 1:
        return None
    only = found[0]
    around = f"{text[: only.start]} {text[only.end :]}".strip()
    return only if _AROUND.fullmatch(around) or _COUNTED.fullmatch(around) else None


def number(text: str, accepted: str, question: str) -> float:
    """1.0 where the answer's number is the accepted one, by the rules of this module; 0.0 where it is not or there is none.

    >>> number("You get 30 days, see section 4.", "30 days", "How many days?"), number("30 or 45 days", "30", "How many?")
    (1.0, 0.0)
    """
    wanted = as_quantity(accepted)
    assert wanted is not None, f"{accepted!r} is no number; graders are chosen by `fits`"
    given = _answering(text, wanted, question)
    return float(bool(given) and all(_equal(one, wanted) for one in given))


def _answering(text: str, wanted: Quantity, question: str) -> list[Quantity]:
    """The quantities that an answer commits to."""
    year = wanted.number.whole and not wanted.measure and 1000 <= wanted.number.value <= 2999
    for sentence in answering(joined(text)):
        found = quantities(_undated(sentence, year))
        if found:
            return _narrowed(found, wanted, question)
    return []


def _undated(sentence: str, year: bool) -> str:
    """A sentence without its dates, or with their years only where a year is asked for; as it is if no number were left."""
    parts, end = [], 0
    for date in dates(sentence):
        said = date.readings[0].year if year else 0
        parts += [sentence[end : date.start], str(said or "")]
        end = date.end
    blanked = " ".join((*parts, sentence[end:]))
    return blanked if quantities(blanked) else sentence


def _narrowed(found: list[Quantity], wanted: Quantity, question: str) -> list[Quantity]:
    asked = {(one.number.value * one.factor, one.measure) for one in quantities(plain(joined(question)))}
    of_kind = [one for one in found if wanted.measure and one.measure == wanted.measure]
    found = of_kind or [one for one in found if not one.points] or found
    return [one for one in found if (one.number.value * one.factor, one.measure) not in asked] or found


def _equal(given: Quantity, wanted: Quantity) -> bool:
    if given.measure and wanted.measure and given.measure != wanted.measure:
        return False
    value, target = given.number.value * given.factor, wanted.number.value * wanted.factor
    values = {value}
    if not given.measure or not wanted.measure:  # the unit left out is the other's; a share may also be a bare fraction
        bare = given.number.value * wanted.factor
        values = {bare, value} if "share" in (given.measure, wanted.measure) else {bare}
    exactly = wanted.number.whole and wanted.measure != "share"
    tolerance = Decimal(0) if exactly else wanted.number.quantum * wanted.factor / 2
    return any(abs(one - target) <= tolerance for one in values)
