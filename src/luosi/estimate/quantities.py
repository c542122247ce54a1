"""Quantities as people write them: "15T" tokens, "h100:1024" machines, 3.1e25 FLOP; read, and put into words. Light: no numpy."""

from __future__ import annotations

import math
import re

from luosi.errors import UsageError, nearest
from luosi.estimate.chips import Chip, chip

MOST_DEVICES = 10_000_000
"""More than there are of any chip in one place."""
_SIZES = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9, "t": 1e12}
_AMOUNT = re.compile(r"([0-9][0-9_,]*\.?[0-9]*(?:e[+-]?[0-9]+)?|\.[0-9]+)\s*([kmbgt]?)", re.IGNORECASE)


def amount(text: str, what: str) -> float:
    """A positive number with or without a size: 15T, 300 B, 1e12, 2_000.

    Args:
        what: What it is of, for the message.

    Raises:
        UsageError: It is not a number, not finite, or not above 0.

    >>> amount("15T", "tokens"), amount("4,096", "tokens")
    (15000000000000.0, 4096.0)
    """
    plain = text.strip()
    found = _AMOUNT.fullmatch(plain)
    if found is None:
        return _refused(plain, what)
    value = float(re.sub("[_,]", "", found[1])) * _SIZES[found[2].lower()]
    return value if 0 < value < math.inf else _refused(plain, what)


def _refused(text: str, what: str) -> float:
    raise UsageError(f"{what} {text!r} is not a number above 0", hint="for example 2000, 300B, 15T or 1e12")


def whole(text: str, what: str, *, most: float = 1e12) -> int:
    """The same of a count.

    Raises:
        UsageError: It is not whole, or above `most`.
    """
    value = amount(text, what)
    if value != int(value):
        raise UsageError(f"{what} {text!r} is not a whole number")
    if value > most:
        raise UsageError(f"{what} {text!r} is more than {count(most)}")
    return int(value)


def machines(text: str) -> tuple[Chip, int]:
    """A chip and how many of them: "h100:1024", or one "h100".

    Raises:
        UsageError: There is no such chip, or the number is not one.
    """
    name, _, number = text.partition(":")
    one = chip(name)
    return one, whole(number, f"the number of {one.name}", most=MOST_DEVICES) if ":" in text else 1


def one_of(text: str, known: tuple[str, ...], what: str) -> str:
    """`text` in small letters, if it is known.

    Raises:
        UsageError: It is not; the hint names the nearest.
    """
    if text.lower() not in known:
        raise UsageError(f"{what} {text!r} is not known", hint=nearest(text.lower(), known))
    return text.lower()


def positive(value: float, what: str, *, least: float = 0.0, most: float = math.inf) -> float:
    """`value` if it lies above `least` (at it, if that is not 0) and up to `most`.

    Raises:
        UsageError: It does not, or is NaN.
    """
    if math.isfinite(value) and (value > least or (least and value == least)) and value <= most:
        return value
    upto = f" and up to {most:g}" if most < math.inf else ""
    raise UsageError(f"{what} is {value:g}, expected {'at least' if least else 'above'} {least:g}{upto}")


def count(value: float) -> str:
    """A large number in three digits.

    >>> count(15e12), count(405.3e9), count(812)
    ('15T', '405B', '812')
    """
    for size, name in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e4, "k")):
        if value >= 0.9995 * size:
            return f"{value / (1e3 if name == 'k' else size):.3g}{name}"
    return f"{value:.4g}"


def gigabytes(value: float) -> str:
    """Bytes in GB, as memory is sold.

    >>> gigabytes(71.53e9), gigabytes(1.128e12), gigabytes(1.87e15)
    ('71.5 GB', '1128 GB', '1.87M GB')
    """
    return f"{count(value / 1e9) if value >= 1e12 else format(value / 1e9, '.3g')} GB"


def duration(seconds: float) -> str:
    """A time in the unit that fits it.

    >>> duration(0.0042), duration(4.321), duration(7 * 3600), duration(54.2 * 86400)
    ('4.2 ms', '4.32 s', '7 h', '54.2 days')
    """
    if not math.isfinite(seconds):
        return "for ever"
    if seconds < 1:
        return f"{seconds * 1e3:.3g} ms"
    for unit, size, upto in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172_800)):
        if seconds < upto:
            return f"{seconds / size:.3g} {unit}"
    days = seconds / 86_400
    return f"{days:.3g} days" if days < 1000 else f"{days / 365.25:.3g} years"


def dollars(value: float) -> str:
    """Money in USD.

    >>> dollars(61_234_000), dollars(0.0123), dollars(812)
    ('61.2M USD', '0.0123 USD', '812 USD')
    """
    return f"{count(value)} USD" if value >= 1000 else f"{value:.3g} USD"


def energy(joules: float) -> str:
    """Energy in the watt-hours that fit it.

    >>> energy(3.6e9), energy(1800)
    ('1 MWh', '0.5 Wh')
    """
    hours = joules / 3600
    for size, name in ((1e9, "GWh"), (1e6, "MWh"), (1e3, "kWh")):
        if hours >= size:
            return f"{hours / size:.3g} {name}"
    return f"{hours:.3g} Wh"


def power(watts: float) -> str:
    """Power in the watts that fit it.

    >>> power(1.4e6)
    '1.4 MW'
    """
    for size, name in ((1e6, "MW"), (1e3, "kW")):
        if watts >= size:
            return f"{watts / size:.3g} {name}"
    return f"{watts:.3g} W"
