"""What a training run takes beside its steps: failures and checkpoints, energy, racks, and money by each way of having the machines.

Made from a job. A price that is not known refuses that way's money and nothing else. People and data are not in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from luosi.cost import Interval
from luosi.errors import UsageError
from luosi.estimate import energy, money
from luosi.estimate.goodput import TAKEN_A_MONTH, Checkpoint, Goodput, checkpoint, every_h, goodput, spot
from luosi.estimate.training.job import Job

RACK_KW = 25.0
"""What a rack is fed and cooled with, where nothing is said and a server needs no more."""
LORA_SHARE = 0.01
"""Of the parameters, what a checkpoint of adapters holds."""


@dataclass(frozen=True)
class Terms:
    """What the run's surroundings are."""

    rack_kw: float | None = None
    pue: float = energy.PUE
    usd_hour: float | None = None
    """The user's own price of a device's hour."""
    usd_hour_spot: float | None = None
    taken_a_month: float = TAKEN_A_MONTH
    usd_kwh: float | None = None
    server_usd: float | None = None
    years: float = 4.0
    """Over which owned machines are written off."""


@dataclass(frozen=True)
class Way:
    """One way of having the machines."""

    name: str
    usd: Interval | None
    """Of the whole run; None if a price is not known."""
    usd_device_hour: float | None
    """Of an hour on the clock."""
    seconds: Interval | None
    """On the clock."""
    refused: str
    """Why there is no figure."""
    note: str
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Outlay:
    """The run as it will go."""

    goodput: Goodput
    checkpoint: Checkpoint
    checkpoints: float
    failures: float
    seconds: Interval
    """On the clock, what failures and checkpoints cost included."""
    joules: Interval
    watts: float
    """At the data centre's meter, while it trains."""
    least_joules: float
    """At that power for as long as the chips would need at their peak."""
    servers: int
    racks: int
    rack_kw: float
    ways: tuple[Way, ...]


def outlay(job: Job, terms: Terms) -> Outlay:
    """Reckon it.

    Raises:
        UsageError: No server fits the rack, a number is out of range, or the run would never end for failures.
    """
    chip, devices = job.wanted.chip, job.wanted.asked.devices
    taken = checkpoint(job.wanted.architecture.parameters * (LORA_SHARE if job.wanted.asked.lora else 1.0), devices)
    lasting = goodput(devices, taken)
    seconds = job.seconds.times(1 / lasting.useful)
    watts = energy.server_watts(chip) / chip.server_devices * devices * terms.pue
    rack_kw = terms.rack_kw or max(RACK_KW, math.ceil(chip.server_kw * energy.BUSY_SHARE))
    return Outlay(
        goodput=lasting,
        checkpoint=taken,
        checkpoints=seconds.p50 * lasting.useful / lasting.interval_s,
        failures=seconds.p50 / lasting.mtbf_s,
        seconds=seconds,
        joules=energy.joules(chip, seconds.times(devices), pue=terms.pue),
        watts=watts,
        least_joules=watts * job.least_seconds,
        servers=energy.servers(chip, devices),
        racks=energy.racks(chip, devices, rack_kw),
        rack_kw=rack_kw,
        ways=_ways(job, terms, seconds, taken, lasting),
    )


def _ways(job: Job, terms: Terms, seconds: Interval, taken: Checkpoint, lasting: Goodput) -> tuple[Way, ...]:
    chip, devices = job.wanted.chip, job.wanted.asked.devices

    def rented() -> Way:
        return _paid(money.rented(chip, usd_hour=terms.usd_hour), seconds, devices)

    def owned() -> Way:
        hour = money.owned(chip, years=terms.years, server_usd=terms.server_usd, usd_kwh=terms.usd_kwh, pue=terms.pue)
        return _paid(hour, seconds, devices, f"written off over {terms.years:g} years of work without a pause")

    def on_spot() -> Way:
        return _spot(job, terms, taken, lasting, seconds)

    return tuple(_or_refused(name, make) for name, make in (("rented", rented), ("spot", on_spot), ("owned", owned)))


def _or_refused(name: str, make: Callable[[], Way]) -> Way:
    try:
        return make()
    except UsageError as error:
        return Way(name, None, None, None, error.message, "", ())


def _paid(hour: money.Hour, seconds: Interval, devices: int, note: str = "") -> Way:
    sources = tuple(dict.fromkeys(str(quote) for quote in hour.quotes))
    return Way(hour.way, seconds.times(devices / 3600 * hour.usd), hour.usd, seconds, "", note, sources)


def _spot(job: Job, terms: Terms, taken: Checkpoint, lasting: Goodput, seconds: Interval) -> Way:
    chip, devices = job.wanted.chip, job.wanted.asked.devices
    usual = money.rented(chip, usd_hour=terms.usd_hour)
    paid = money.rented(chip, spot=True, usd_hour=terms.usd_hour_spot)
    reached = spot(
        devices,
        taken,
        usd_hour=usual.usd,
        usd_hour_spot=paid.usd,
        interrupted_every_h=every_h(terms.taken_a_month, chip.server_devices),
    )
    longer = seconds.times(lasting.useful / reached.goodput.useful)
    listed = 1 - paid.usd / usual.usd
    note = (
        f"saves {reached.saving:.0%} with the loss in it ({listed:.0%} by the list): {terms.taken_a_month:.0%} of the servers taken "
        f"a month, {reached.goodput.useful:.0%} of the time counts"
    )
    return Way(
        "spot",
        longer.times(devices / 3600 * paid.usd),
        paid.usd,
        longer,
        "",
        note,
        tuple(str(one) for one in paid.quotes),
    )
