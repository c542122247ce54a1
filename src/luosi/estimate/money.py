"""Dated prices and what an hour of an accelerator costs: rented, as spot, leased, or bought and run; every figure with its source.

From data/prices.csv and the chips' own columns. A price that is not there is refused, never guessed, and what is refused is the money
alone: whoever asks catches the refusal and shows the rest. Knows no currencies but the row's own; taxes and interest are left out.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from luosi.errors import UsageError, nearest
from luosi.estimate.chips import Chip
from luosi.estimate.energy import PUE, server_watts

HOURS_A_YEAR = 8766.0


@dataclass(frozen=True)
class Quote:
    """A figure with where and when it was read."""

    item: str
    amount: float
    unit: str
    currency: str
    source: str
    date: str
    note: str = ""

    def __str__(self) -> str:
        amount = " ".join(filter(None, (f"{self.amount:.6g}", self.currency, f"a {self.unit}" if self.unit else "")))
        return f"{self.item} {amount} ({', '.join(filter(None, (self.source, self.date)))})"


@dataclass(frozen=True)
class Hour:
    """What one device costs for an hour in which it works."""

    way: str
    usd: float
    parts: dict[str, float]
    """USD an hour by what they are paid for; they add up to `usd`."""
    quotes: tuple[Quote, ...]


def quote(item: str) -> Quote:
    """A row of the table.

    Raises:
        UsageError: There is none; the hint names the nearest.
    """
    found = _quotes().get(item)
    if found is None:
        raise UsageError(f"no price is known for {item!r}", hint=f"{nearest(item, _quotes())} Or give your own")
    return found


def rented(chip: Chip, *, spot: bool = False, busy: float = 1.0, usd_hour: float | None = None) -> Hour:
    """By the hour, power included.

    Args:
        busy: Share of the paid hours that the device works: below 1 if it is kept while it waits.
        usd_hour: The user's own price.

    Raises:
        UsageError: No price is known.
    """
    price = usd_hour if usd_hour is not None else chip.usd_hour_spot if spot else chip.usd_hour
    way = "spot" if spot else "rented"
    if price is None:
        raise UsageError(
            f"no {'spot ' if spot else ''}price of {chip.name} is known", hint="give your own in USD a device-hour"
        )
    _check(usd_hour=price, busy=busy)
    source = (chip.price_source, chip.price_date) if usd_hour is None else ("given by the user", "")
    paid = Quote(f"{way} {chip.name}", price, "device-hour", "USD", *source)
    idle = price / busy - price
    return Hour(way, price / busy, {"hours at work": price} | ({"hours waiting": idle} if idle else {}), (paid,))


def leased(chip: Chip, *, discount: float, busy: float = 1.0, usd_hour: float | None = None) -> Hour:
    """For years, at a discount on the rent, paid whether it works or not.

    Raises:
        UsageError: No price is known, or the discount is no share.
    """
    if not 0 <= discount < 1:
        raise UsageError(f"a discount of {discount:g}", hint="a share, as in 0.4 for 40 %")
    full = rented(chip, usd_hour=usd_hour)
    quoted = Quote(
        f"leased {chip.name}",
        full.usd * (1 - discount),
        "device-hour",
        "USD",
        f"{full.quotes[0].source}, less {discount:.0%}",
        full.quotes[0].date,
    )
    hour = rented(chip, busy=busy, usd_hour=quoted.amount)
    return Hour("leased", hour.usd, hour.parts, (quoted,))


def owned(
    chip: Chip,
    *,
    busy: float = 1.0,
    years: float = 4.0,
    server_usd: float | None = None,
    usd_kwh: float | None = None,
    pue: float = PUE,
) -> Hour:
    """Bought with its network, written off evenly over `years`, housed by the kilowatt and fed.

    Args:
        busy: Share of those years that it works.
        server_usd: Of a whole server of `chip.server_devices`; left out, the listed one.

    Raises:
        UsageError: No price of the server is known.
    """
    _check(busy=busy, years=years, pue=pue)
    bought = _given(f"server {chip.name}", server_usd)
    power = _given("kwh US industry", usd_kwh)
    network, space = quote("network share"), quote("space")
    hours = years * HOURS_A_YEAR * busy * chip.server_devices
    parts = {
        "servers": bought.amount / hours,
        "network": bought.amount * network.amount / hours,
        "space": space.amount * chip.server_kw * 12 / HOURS_A_YEAR / busy / chip.server_devices,
        "power": server_watts(chip, busy) / 1000 * pue * power.amount / busy / chip.server_devices,
    }
    return Hour("owned", sum(parts.values()), parts, (bought, network, space, power))


def break_even_busy(
    chip: Chip, *, years: float = 4.0, usd_hour: float | None = None, server_usd: float | None = None
) -> float:
    """The share of its years that a bought device must work to cost no more than a rented one paid by the hour; above 1 if it never does.

    Raises:
        UsageError: The price of the one or the other is unknown.
    """
    rent = rented(chip, usd_hour=usd_hour).usd

    def dearer(busy: float) -> bool:
        return owned(chip, busy=busy, years=years, server_usd=server_usd).usd > rent

    if dearer(1.0):
        return math.inf
    low, high = 1e-3, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if dearer(middle) else (low, middle)
    return high


@cache
def _quotes() -> dict[str, Quote]:
    text = files("luosi.estimate").joinpath("data/prices.csv").read_text(encoding="utf-8")
    return {
        row["item"]: Quote(
            row["item"], float(row["amount"]), row["unit"], row["currency"], row["source"], row["date"], row["note"]
        )
        for row in csv.DictReader(text.splitlines())
    }


def _given(item: str, amount: float | None) -> Quote:
    if amount is None:
        return quote(item)
    _check(**{item.replace(" ", "_"): amount})
    return Quote(item, amount, "", "USD", "given by the user", "")


def _check(**values: float) -> None:
    for name, value in values.items():
        if not 0 < value < math.inf or (name == "busy" and value > 1):
            raise UsageError(
                f"{name} is {value:g}", hint="a share above 0, at most 1" if name == "busy" else "give a number above 0"
            )
