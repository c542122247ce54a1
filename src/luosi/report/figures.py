"""Figures as a manager reads them: money, time, shares with their interval, differences."""

from __future__ import annotations

import math

from luosi.cost import NANO, Money

NONE = "–"


def money(value: Money | None) -> str:
    """Two digits that say something, never an exponent; None is unknown.

    >>> money(Money(nano=51_700, currency="USD")), money(Money(nano=1_230_000_000_000, currency="CNY")), money(None)
    ('0.000052 USD', '1,230.00 CNY', '–')
    """
    if value is None:
        return NONE
    units = value.nano / NANO
    decimals = 2 if units == 0 or abs(units) >= 0.1 else min(9, 1 - math.floor(math.log10(abs(units))))
    return f"{units:,.{decimals}f} {value.currency}"


def time(seconds: float | None) -> str:
    """Two digits and a unit.

    >>> time(0.213), time(12.4), time(200), time(9000), time(None)
    ('0.21 s', '12 s', '3.3 min', '2.5 h', '–')
    """
    if seconds is None:
        return NONE
    if seconds < 99.5:
        return f"{_short(seconds)} s"
    return f"{_short(seconds / 60)} min" if seconds < 99.5 * 60 else f"{_short(seconds / 3600)} h"


def energy(joules: float | None) -> str:
    """Joules, or kilojoules where there are many.

    >>> energy(45.2), energy(12_300), energy(0.0), energy(None)
    ('45 J', '12 kJ', '0 J', '–')
    """
    if joules is None:
        return NONE
    return f"{_short(joules / 1000)} kJ" if joules >= 10_000 else f"{_short(joules)} J"


def percent(share: float | None) -> str:
    """A share.

    >>> percent(0.8421), percent(None)
    ('84 %', '–')
    """
    return NONE if share is None else f"{share * 100:.0f} %"


def interval(low: float | None, high: float | None) -> str:
    """The ends of a share's interval, in percent; "" for none."""
    return "" if low is None or high is None else f"{low * 100:.0f}–{high * 100:.0f}"


def signed(share: float) -> str:
    """A difference of shares in points.

    >>> signed(0.143), signed(-0.2), signed(0.001)
    ('+14', '−20', '0')
    """
    whole = round(share * 100)
    return f"{whole:+d}".replace("-", "−") if whole else "0"


def _short(value: float) -> str:
    if abs(value) >= 9.95 or abs(value) < 1e-3:
        return f"{value:,.0f}"
    return f"{value:.{max(0, 1 - math.floor(math.log10(abs(value))))}f}"
