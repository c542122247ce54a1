"""Figures as people read them: durations, money, large counts, numbers with their error. Knows nothing of pages."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from luosi.cost import NANO

NONE = "–"


def duration(seconds: float | None) -> str:
    """Two or three digits and a unit.

    >>> [duration(s) for s in (None, 0.05, 42, 200, 90_000)]
    ['–', '0.05 s', '42 s', '3.3 min', '25 h']
    """
    if seconds is None or not math.isfinite(seconds):
        return NONE
    for limit, size, unit in ((99.5, 1, "s"), (99.5 * 60, 60, "min"), (math.inf, 3600, "h")):
        if seconds < limit:
            return f"{short(seconds / size)} {unit}"
    raise AssertionError(seconds)


def short(value: float) -> str:
    """Two digits below ten, whole numbers above, 0 for what is less than a thousandth."""
    if abs(value) >= 9.95 or abs(value) < 1e-3:
        return f"{value:,.0f}"
    return f"{value:.{max(0, 1 - math.floor(math.log10(abs(value))))}f}".rstrip("0").rstrip(".")


def money(value: Mapping[str, Any] | None) -> str:
    """An amount {"nano", "currency"} to two digits, without an exponent; None is unknown.

    >>> money({"nano": 51_700, "currency": "USD"}), money({"nano": 1_230_000_000_000, "currency": "CNY"}), money(None)
    ('0.000052 USD', '1,230.00 CNY', '–')
    """
    if value is None:
        return NONE
    units = value["nano"] / NANO
    decimals = 2 if units == 0 or abs(units) >= 0.1 else min(9, 1 - math.floor(math.log10(abs(units))))
    return f"{units:,.{decimals}f} {value['currency']}"


def large(value: float | None, unit: str) -> str:
    """With an SI prefix.

    >>> large(3.2e13, "FLOP"), large(0, "J"), large(1200, "J")
    ('32 TFLOP', '0 J', '1.2 kJ')
    """
    if value is None or not math.isfinite(value):
        return NONE
    power = min(max(int(math.log10(value) // 3), 0), 7) if value > 0 else 0
    prefix = ["", "k", "M", "G", "T", "P", "E", "Z"][power]
    return f"{short(value / 1000**power)} {prefix}{unit}"


def measured(mean: float | None, se: float | None, *, percent: bool = False) -> str:
    """A mean with its standard error.

    >>> measured(0.512, 0.031, percent=True), measured(0.883, None)
    ('51.2 ± 3.1 %', '0.883')
    """
    if mean is None:
        return NONE
    scale, digits, unit = (100, 1, " %") if percent else (1, 3, "")
    error = "" if se is None else f" ± {se * scale:.{digits}f}"
    return f"{mean * scale:.{digits}f}{error}{unit}"


def percent(value: float | None, digits: int = 0) -> str:
    """A share.

    >>> percent(0.514), percent(0.514, 1), percent(None)
    ('51 %', '51.4 %', '–')
    """
    return NONE if value is None else f"{value * 100:.{digits}f} %"


def between(low: float | None, high: float | None, *, signed: bool = False) -> str:
    """An interval of shares in percent; "" where there is none.

    >>> between(0.32, 0.7), between(-0.02, 0.12, signed=True), between(None, None)
    ('32 … 70 %', '−2 … +12', '')
    """
    if low is None or high is None:
        return ""
    return f"{points(low)} … {points(high)}" if signed else f"{low * 100:.0f} … {high * 100:.0f} %"


def points(value: float | None) -> str:
    """A difference of shares, in percentage points.

    >>> points(0.118), points(-0.02), points(None)
    ('+12', '−2', '–')
    """
    return NONE if value is None else f"{value * 100:+.0f}".replace("-", "−")


def share(value: float | None) -> str:
    """A signed ratio in percent.

    >>> share(0.25), share(-0.04), share(None)
    ('+25 %', '−4 %', '–')
    """
    return NONE if value is None else f"{value * 100:+.0f} %".replace("-", "−")
