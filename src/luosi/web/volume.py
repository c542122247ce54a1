"""What each route costs at a volume of questions, and from which volume on it is cheaper than renting. No page in it.

A year has 365 days; costs are those of the verdict: once to make, and for each answer. Routes priced in another currency than
the first are shown but not compared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from luosi.cost import Money
from luosi.web.routes import Named

DAYS = 365
MONTHS = 12
ANSWERS = 1000
COSTS = ("cost_to_make", "cost_per_1000")
DAY_S = 86_400
VOLUMES = tuple(
    sorted({step * 10**power // 10 for power in range(6) for step in (10, 15, 20, 30, 50, 70)} | {1_000_000})
)
"""Questions a day that the slider stops at, about evenly spaced in the logarithm."""


@dataclass(frozen=True)
class Costs:
    """A route at one volume."""

    route: Named
    month: Money | None
    """Answers only."""
    year: Money | None
    """The first year: making it, and its answers."""
    pays_from: int | None
    """Questions a day from which on its first year is cheaper than that of the rented model; None if never, or not known."""
    rented: bool
    """Whether there is a rented model with a price to hold it against."""
    machines: int | None
    """Busy all day at this volume; None where an answer's time is not known, or where it is not this machine's."""


def _amounts(route: Named) -> tuple[Money | None, Money | None]:
    """What it cost to make, and what 1,000 of its answers cost."""
    make, answers = (Money.model_validate(value) if (value := route.get(field)) else None for field in COSTS)
    return make, answers


def costs(routes: Sequence[Named], per_day: int) -> list[Costs]:
    """Every route that answers questions, at `per_day` of them a day."""
    rents = [route for route in routes if route.get("route") == "rent" and route.get("cost_per_1000")]
    models = [route for route in routes if route.get("route") != "baseline"]
    return [_costs(route, _counterpart(route, rents), per_day) for route in models]


def _counterpart(route: Named, rents: Sequence[Named]) -> Named | None:
    """The rented model that answers in the same way, with the files or without; any, where there is no such one."""
    return next((rent for rent in rents if rent.sign.files == route.sign.files), rents[0] if rents else None)


def _costs(route: Named, rent: Named | None, per_day: int) -> Costs:
    make, answers = _amounts(route)
    seconds = route.get("latency_s")
    own = route.get("route") != "rent"
    return Costs(
        route=route,
        month=answers.times(per_day * DAYS / MONTHS / ANSWERS) if answers else None,
        year=first_year(make, answers, per_day),
        pays_from=pays_from(make, answers, *_amounts(rent)) if own and rent else None,
        rented=rent is not None,
        machines=math.ceil(per_day * seconds / DAY_S) if own and seconds else None,
    )


def first_year(make: Money | None, per_1000: Money | None, per_day: int) -> Money | None:
    """Making it and a year's answers.

    >>> first_year(Money(nano=10**9, currency="USD"), Money(nano=10**9, currency="USD"), 1000)
    Money(nano=366000000000, currency='USD')
    """
    if make is None or per_1000 is None or make.currency != per_1000.currency:
        return None
    return make + Money(nano=-(-per_1000.nano * per_day * DAYS // ANSWERS), currency=per_1000.currency)


def pays_from(make: Money | None, own: Money | None, rent_make: Money | None, rent: Money | None) -> int | None:
    """Questions a day from which on the first year costs no more than renting; `own` and `rent` are per 1,000 answers.

    >>> usd = lambda nano: Money(nano=nano, currency="USD")
    >>> pays_from(usd(365_000), usd(1_000), usd(0), usd(2_000)), pays_from(usd(1), usd(6), usd(0), usd(5))
    (1000, None)
    """
    if make is None or own is None or rent_make is None or rent is None:
        return None
    if len({make.currency, own.currency, rent_make.currency, rent.currency}) > 1 or rent.nano <= own.nano:
        return None
    return max(1, -(-(make.nano - rent_make.nano) * ANSWERS // ((rent.nano - own.nano) * DAYS)))


def cheapest(lines: Sequence[Costs]) -> Costs | None:
    """The route whose first year costs least at this volume; None where no price is known."""
    priced = [(line, line.year) for line in lines if line.year is not None]
    if not priced:
        return None
    currency = priced[0][1].currency
    return min(((line, year) for line, year in priced if year.currency == currency), key=lambda pair: pair[1].nano)[0]
