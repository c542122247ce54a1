"""What each entry of a company's file costs or brings, month by month and trial by trial.

A line has what is spent as it is used up (an owned server over its years) and what leaves the bank (its price at once). All amounts
are in the company's currency. Prices come from the file or, with source and date, from the tables; an unknown one refuses.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from luosi.errors import UsageError
from luosi.estimate import energy, goodput, money
from luosi.estimate.chips import Chip, chip
from luosi.estimate.company.draws import Draws, Floats
from luosi.estimate.company.entries import Compute, Item, Serving, Uncertain
from luosi.estimate.goodput import Checkpoint

HOURS_A_MONTH = money.HOURS_A_YEAR / 12
DAYS_A_MONTH = HOURS_A_MONTH / 24

_MANY = 1e9
"""Requests a day by which a device's share of a large fleet is found."""


@dataclass(frozen=True)
class Line:
    """One entry's money: (trials, months) each."""

    name: str
    category: str
    cost: Floats
    cash: Floats
    devices: Floats | None = None
    """At work in each month, where it is compute."""
    hours: Floats | None = None
    """Of one device, in each month."""
    kwh: Floats | None = None
    """At the meter, in each month."""
    quotes: tuple[money.Quote, ...] = ()


def hour_price(
    draws: Draws, path: str, given: Uncertain | None, source: str, device: Chip, *, spot: bool = False
) -> tuple[Floats, money.Quote]:
    """USD for an hour of one device at the company's start, and where that is from.

    Raises:
        UsageError: The file gives none and the table has none.
    """
    if given is not None:
        drawn = draws.of(f"{path}.usd_hour", given, least=0.0)
        return drawn, money.Quote(
            path, float(np.median(drawn)), "device-hour", "USD", source or "the company's file", ""
        )
    try:
        listed = money.rented(device, spot=spot)
    except UsageError as error:
        raise UsageError(f"{path}: {error.message}", hint=f"give usd_hour, with source, in {path}") from None
    return np.full(draws.company.trials, listed.usd), listed.quotes[0]


def compute_line(draws: Draws, one: Compute, per_usd: Floats) -> Line:
    """A fleet that is rented, leased or owned."""
    path, device = f"compute.{one.name}", chip(one.chip)
    span = draws.span(one, path)
    during = draws.during(span)
    devices = (
        draws.of(f"{path}.devices", one.devices, least=0.0)[:, None]
        * draws.growing(f"{path}.growth", one.growth_per_year, span[0])
        * during
    )
    busy = draws.of(f"{path}.busy", one.busy, least=0.0, most=1.0)[:, None]
    hours = devices * HOURS_A_MONTH
    if one.how == "owned":
        return _owned(one, device, devices, busy, per_usd)
    price, quote = hour_price(draws, path, one.usd_hour, one.source, device, spot=one.how == "spot")
    if one.how == "leased":
        paid = hours * (price * (1 - one.lease_discount))[:, None]
        kwh = hours * _kw(device, busy) * one.pue
    else:
        hours = hours * busy * (spot_loss(one, device, float(devices.max())) if one.how == "spot" else 1.0)
        kwh = hours * _kw(device, np.ones_like(busy)) * one.pue
        paid = hours * price[:, None] * draws.growing(f"{path}.price", one.price_change_per_year)
    cost = paid * per_usd[:, None]
    return Line(one.name, f"compute.{one.use}", cost, cost, devices, hours, kwh, (quote,))


def spot_loss(one: Compute, device: Chip, devices: float) -> float:
    """Hours of spot machines for an hour of others, as much being done in both: interruptions, each of which stops a run on all."""
    taken = Checkpoint(blocking_s=5.0, writing_s=60.0)
    count, every_h = max(1, round(devices)), goodput.every_h(one.taken_a_month, device.server_devices)
    usual = goodput.goodput(count, taken)
    reached = goodput.spot(count, taken, usd_hour=1.0, usd_hour_spot=1.0, interrupted_every_h=every_h).goodput
    return usual.useful / reached.useful


def _kw(device: Chip, busy: Floats) -> Floats:
    """Of one device with its share of the server, by the share of the time that it works."""
    share = energy.IDLE_SHARE + (energy.BUSY_SHARE - energy.IDLE_SHARE) * busy
    return device.server_kw / device.server_devices * share


def _owned(one: Compute, device: Chip, devices: Floats, busy: Floats, per_usd: Floats) -> Line:
    """Servers and network bought when needed and again when written off; space and power by the month."""
    terms = money.owned(device, years=one.years, server_usd=one.server_usd, usd_kwh=one.usd_kwh, pue=one.pue)
    server, network, space, power = terms.quotes
    each = server.amount * (1 + network.amount) / device.server_devices
    life = round(12 * one.years)
    capital = purchases(devices, life) * each
    running = np.cumsum(capital, axis=1)
    over = (
        np.concatenate([np.zeros_like(running[:, :life]), running[:, :-life]], axis=1)
        if life < running.shape[1]
        else 0.0
    )
    written_off = (running - over) / life * (devices > 0)
    hours = devices * HOURS_A_MONTH
    kwh = hours * _kw(device, busy) * one.pue
    monthly = devices * space.amount * device.server_kw / device.server_devices + power.amount * kwh
    cost, cash = (written_off + monthly) * per_usd[:, None], (capital + monthly) * per_usd[:, None]
    return Line(one.name, f"compute.{one.use}", cost, cash, devices, hours, kwh, terms.quotes)


def purchases(devices: Floats, life: int) -> Floats:
    """Devices to be bought in each month, so that there are always `devices` of them and none is older than `life` months."""
    bought = np.zeros_like(devices)
    held = np.zeros(devices.shape[0])
    for month in range(devices.shape[1]):
        if month >= life:
            held = held - bought[:, month - life]
        bought[:, month] = np.maximum(devices[:, month] - held, 0.0)
        held = held + bought[:, month]
    return bought


def serving_line(draws: Draws, one: Serving, tokens: Floats, per_usd: Floats) -> Line:
    """Machines for the users' tokens of each month (trials, months), rented as they are needed, and at least one copy of the model."""
    device = chip(one.chip)
    price, quote = hour_price(draws, "serving", one.usd_hour, one.source, device)
    rate, least = _served(draws, one, device)
    speed = rate[:, None] * draws.growing("serving.speedup", one.speedup_per_year)
    devices = np.where(tokens > 0, np.maximum(tokens / (HOURS_A_MONTH * 3600) / speed, least), 0.0)
    hours = devices * HOURS_A_MONTH
    cost = hours * price[:, None] * draws.growing("serving.price", one.price_change_per_year) * per_usd[:, None]
    kwh = hours * _kw(device, np.ones_like(tokens)) * energy.PUE
    return Line("serving", "compute.serving", cost, cost, devices, hours, kwh, (quote,))


def _served(draws: Draws, one: Serving, device: Chip) -> tuple[Floats, float]:
    """Tokens a second of one device over day and night, (trials,); and the fewest devices that serve at all.

    Raises:
        UsageError: The model is unknown, does not fit, or answers too slowly on this chip.
    """
    if one.tokens_s is not None:
        rate = draws.of("serving.tokens_s", one.tokens_s, least=1e-9)
        return rate * draws.of("serving.busy", one.busy, least=1e-3, most=1.0), 0.0
    from luosi.estimate.catalogue import architecture_named
    from luosi.estimate.serving.fleet import Demand, fleet

    asked = _MANY * one.answer
    try:
        found = fleet(architecture_named(one.model), device, Demand(one.prompt, one.answer, tokens=asked))
    except UsageError as error:
        raise UsageError(f"serving: {error.message}", hint=error.hint) from None
    middle = asked * (one.prompt + one.answer) / one.answer / 86_400 / found.mean_devices
    sides = [middle * found.devices.p50 / found.devices.p90, middle * found.devices.p50 / found.devices.p10]
    return draws.of("serving.model", sides), float(found.run.devices)


def steady(
    draws: Draws,
    path: str,
    item: Item,
    category: str,
    *,
    per_month: Floats,
    growth: Uncertain,
    once: Floats | None = None,
) -> Line:
    """So much a month, growing; and so much at the start."""
    span = draws.span(item, path)
    paid = per_month[:, None] * draws.growing(f"{path}.growth", growth, span[0]) * draws.during(span)
    if once is not None and 0 <= span[0] < draws.company.months:
        paid[:, span[0]] += once
    return Line(item.name, category, paid, paid)
