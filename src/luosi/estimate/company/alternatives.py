"""Other ways to the same end: a data centre built or leased, machines rented or bought; an own model against a rented one.

Sums over the company's months at the tables' prices, or the file's. What has no price is left out with the reason; nothing is guessed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from luosi.cost import Interval
from luosi.errors import UsageError
from luosi.estimate import money
from luosi.estimate.chips import chip
from luosi.estimate.company.draws import Draws, Floats
from luosi.estimate.company.entries import Compute
from luosi.estimate.company.lines import spot_loss
from luosi.estimate.company.measures import interval
from luosi.estimate.company.simulate import Simulation, first_month

HALL_YEARS = 20.0
"""Over which a hall is written off; its machines are after `Compute.years`."""


@dataclass(frozen=True)
class Way:
    """One way to hold a fleet."""

    fleet: str
    way: str
    usd_hour: float | None
    """For an hour in which a device works; None where it is not known."""
    usd_year: float | None
    """Of the whole fleet at its mean size."""
    parts: dict[str, float]
    """USD an hour by what they are paid for."""
    sources: tuple[str, ...]
    refused: str
    """Why there is no figure."""


@dataclass(frozen=True)
class OwnOrApi:
    """An own model against renting one for the same tokens, over all months and in the company's currency."""

    own: Interval
    """Training and serving; people and data left out."""
    api: Interval
    months_to_break_even: Interval
    """Until the sum of what the own one cost falls below that of the API; infinite where it never does."""
    tokens_a_month: float
    """From which the own one's last month, its training written off over all months, costs no more than the API's; infinite where none do."""
    chance: float
    """That the own one is cheaper over all months."""
    source: str


def ways(done: Simulation) -> tuple[Way, ...]:
    """Every fleet of the company by every way."""
    draws = Draws(done.company)
    found: list[Way] = []
    for fleet in done.company.compute:
        line = next(line for line in done.spent if line.name == fleet.name and line.category == f"compute.{fleet.use}")
        assert line.devices is not None
        devices = float(np.median(line.devices.max(axis=1)))
        busy = float(np.median(draws.of(f"compute.{fleet.name}.busy", fleet.busy)))
        found += [_way(fleet, name, hour, devices, busy) for name, hour in _hours(fleet, devices, busy).items()]
    return tuple(found)


def _hours(fleet: Compute, devices: float, busy: float) -> dict[str, money.Hour | str]:
    """What an hour at work costs by each way, or why that is not known."""
    given = fleet.usd_hour
    if isinstance(given, list):
        given = math.sqrt(given[0] * given[1]) if given[0] > 0 else given[0]
    usual, spot = (None, given) if fleet.how == "spot" else (given, None)
    makers: dict[str, Callable[[], money.Hour]] = {
        "rented by the hour": lambda: money.rented(chip(fleet.chip), usd_hour=usual),
        "rented as spot": lambda: _taken_away(fleet, devices, spot),
        "leased for years": lambda: _leased(fleet, usual, busy),
        "bought, in a leased hall": lambda: _bought(fleet, busy),
        "bought, in a hall built for it": lambda: _built(fleet, busy),
    }
    found: dict[str, money.Hour | str] = {}
    for name, make in makers.items():
        try:
            found[name] = make()
        except UsageError as error:
            found[name] = error.message
    return found


def _taken_away(fleet: Compute, devices: float, usd_hour: float | None) -> money.Hour:
    paid = money.rented(chip(fleet.chip), spot=True, usd_hour=usd_hour)
    lost = paid.usd * (spot_loss(fleet, chip(fleet.chip), devices) - 1)
    return money.Hour("spot", paid.usd + lost, paid.parts | {"interruptions": lost}, paid.quotes)


def _bought(fleet: Compute, busy: float) -> money.Hour:
    return money.owned(
        chip(fleet.chip),
        busy=busy,
        years=fleet.years,
        server_usd=fleet.server_usd,
        usd_kwh=fleet.usd_kwh,
        pue=fleet.pue,
    )


def _built(fleet: Compute, busy: float) -> money.Hour:
    hall, leased, device = money.quote("building"), _bought(fleet, busy), chip(fleet.chip)
    plate_kw = device.server_kw / device.server_devices
    usd = hall.amount / 1000 * plate_kw / (HALL_YEARS * money.HOURS_A_YEAR * busy)
    parts = {name: part for name, part in leased.parts.items() if name != "space"} | {"hall": usd}
    return money.Hour(
        "built", sum(parts.values()), parts, (*(one for one in leased.quotes if one.item != "space"), hall)
    )


def _leased(fleet: Compute, usd_hour: float | None, busy: float) -> money.Hour:
    if not fleet.lease_discount:
        raise UsageError("no discount for a lease is known", hint="give lease_discount")
    return money.leased(chip(fleet.chip), discount=fleet.lease_discount, busy=busy, usd_hour=usd_hour)


def _way(fleet: Compute, name: str, hour: money.Hour | str, devices: float, busy: float) -> Way:
    if isinstance(hour, str):
        return Way(fleet.name, name, None, None, {}, (), hour)
    sources = tuple(str(one) for one in hour.quotes)
    return Way(fleet.name, name, hour.usd, hour.usd * devices * busy * money.HOURS_A_YEAR, hour.parts, sources, "")


def own_or_api(done: Simulation) -> OwnOrApi | None:
    """None where the file has no `api`, or nobody uses anything."""
    api = done.company.api
    if api is None or not done.tokens.any():
        return None
    draws = Draws(done.company)
    price = draws.of("api.usd_per_million", api.usd_per_million, least=0.0)[:, None] * draws.growing(
        "api.price", api.price_change_per_year
    )
    rented = done.tokens / 1e6 * price * done.per_usd[:, None]
    training = _sum(done, "compute.training")
    serving = _sum(done, "compute.serving")
    own = training + serving
    ahead = np.cumsum(own, axis=1) <= np.cumsum(rented, axis=1)
    total_own, total_api = own.sum(axis=1), rented.sum(axis=1)
    return OwnOrApi(
        own=interval(total_own),
        api=interval(total_api),
        months_to_break_even=interval(first_month(ahead)),
        tokens_a_month=_tokens(training, serving, rented, done.tokens),
        chance=float(np.mean(total_own < total_api)),
        source=api.source,
    )


def _sum(done: Simulation, category: str) -> Floats:
    return sum((line.cost for line in done.spent if line.category == category), np.zeros_like(done.tokens))


def _tokens(training: Floats, serving: Floats, rented: Floats, tokens: Floats) -> float:
    """Tokens of a month at which the margin of the API's price over serving pays for the training's monthly share."""
    used = np.maximum(tokens[:, -1], 1e-300)
    margin = float(np.median((rented[:, -1] - serving[:, -1]) / used))
    monthly = float(np.median(training.sum(axis=1))) / tokens.shape[1]
    return monthly / margin if margin > 0 else float("inf")
