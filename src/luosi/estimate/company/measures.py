"""A simulation's figures by name, as trials: what claims, tables and JSON are made of.

cost, revenue, paid, raised, burn (money that leaves in net) and each category (people, compute, compute.training, data, ..): in all,
    and `.2024` for a year; share.CATEGORY of the cost
compute.NAME, people.NAME, ..: one entry's cost; hours.NAME of devices, devices.NAME (mean while there are any), per_day.NAME,
    mwh.NAME
training.NAME.flop, .days, .device_hours, .mwh, .usd, .ships (months), .parameters_b, .tokens_b, .devices
users (at the end), users.cost (of one a month), tokens (in all), cost_per_million (of serving)
months.money (until it ends), months.break_even
racks.NAME (servers in one), spot.NAME.listed and .saving (shares of the price), given.NAME
price.ITEM of the price table, chip.NAME.tflops, .usd_hour, .server_kw
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from luosi.cost import Interval
from luosi.errors import InputError, nearest
from luosi.estimate import energy, goodput, money
from luosi.estimate.chips import chip
from luosi.estimate.company.draws import Draws, Floats
from luosi.estimate.company.lines import DAYS_A_MONTH, Line
from luosi.estimate.company.published import Spot
from luosi.estimate.company.runs import Run
from luosi.estimate.company.simulate import Simulation

_OF_CHIP = {"tflops": "bf16_tflops", "usd_hour": "usd_hour", "server_kw": "server_kw"}


class Measures(Mapping[str, Floats]):
    """Trials by name, (trials,) each; prices and chips are looked up when asked for."""

    def __init__(self, held: dict[str, Floats], trials: int) -> None:
        self._held, self._trials = held, trials

    def __getitem__(self, name: str) -> Floats:
        if name in self._held:
            return self._held[name]
        if name.startswith("price."):
            return np.full(self._trials, money.quote(name.removeprefix("price.")).amount)
        if name.startswith("chip."):
            device, _, what = name.removeprefix("chip.").rpartition(".")
            if what in _OF_CHIP:
                value = getattr(chip(device), _OF_CHIP[what])
                if value is None:
                    raise InputError(f"no {what} of {device} is known", hint="put it into given, with its source")
                return np.full(self._trials, float(value))
        raise InputError(f"there is no measure {name!r}", hint=nearest(name, self._held))

    def __contains__(self, name: object) -> bool:
        return name in self._held

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)


def interval(trials: Floats) -> Interval:
    """The 10th, 50th and 90th percentile; a percentile of trials that are infinite is so."""
    low, middle, high = np.quantile(trials, [0.1, 0.5, 0.9], method="nearest")
    return Interval(p10=float(low), p50=float(middle), p90=float(high))


def measures(done: Simulation) -> Measures:
    """All of a simulation's."""
    company = done.company
    held: dict[str, Floats] = {}
    flows = {
        "cost": done.cost,
        "revenue": done.revenue,
        "paid": done.paid,
        "raised": done.raised,
        "burn": done.paid - done.revenue,
    }
    flows["loss"] = done.cost - done.revenue
    flows |= _categories(done)
    for name, flow in flows.items():
        held[name] = flow.sum(axis=1)
        for year, months in years(company.start, company.months).items():
            held[f"{name}.{year}"] = flow[:, months].sum(axis=1)
    total = np.maximum(held["cost"], 1e-300)
    held |= {f"share.{name}": held[name] / total for name in _categories(done)}
    for line in done.spent:
        held |= _entry(line)
    for run in done.runs:
        held |= _run(run)
    held |= _users(done)
    held["months.money"], held["months.break_even"] = done.money_ends, done.breaks_even
    draws = Draws(company)
    for name, figure in company.given.items():
        held[f"given.{name}"] = draws.of(f"given.{name}", figure.value)
    for rack in company.racks:
        server_kw = rack.server_kw or chip(rack.chip).server_kw
        held[f"racks.{rack.name}"] = np.full(company.trials, float(energy.per_rack(server_kw, rack.rack_kw)))
    for one in company.spot:
        listed, saving = _spot(one)
        held[f"spot.{one.name}.listed"] = np.full(company.trials, listed)
        held[f"spot.{one.name}.saving"] = np.full(company.trials, saving)
    return Measures(held, company.trials)


def years(start: str, months: int) -> dict[str, slice]:
    """The company's months by calendar year.

    >>> years("2024-11", 4)
    {'2024': slice(0, 2, None), '2025': slice(2, 4, None)}
    """
    first, found, at = int(start[5:]) - 1, {}, 0
    year = int(start[:4])
    while at < months:
        count = min(12 - first, months - at)
        found[str(year)] = slice(at, at + count)
        at, first, year = at + count, 0, year + 1
    return found


def _spot(one: Spot) -> tuple[float, float]:
    """Shares saved: by the price list, and for an hour that counts."""
    device = chip(one.chip)
    usual = money.rented(device, usd_hour=one.usd_hour).usd
    spot = money.rented(device, spot=True, usd_hour=one.usd_hour_spot).usd
    reached = goodput.spot(
        one.devices,
        goodput.checkpoint(one.parameters_b * 1e9, one.devices),
        usd_hour=usual,
        usd_hour_spot=spot,
        interrupted_every_h=goodput.every_h(one.taken_a_month, device.server_devices),
        wait_s=one.wait_s,
    )
    return 1 - spot / usual, reached.saving


def _categories(done: Simulation) -> dict[str, Floats]:
    """The cost of each category and, for compute, of all its uses: (trials, months)."""
    found: dict[str, Floats] = {}
    for line in done.spent:
        for name in {line.category, line.category.split(".")[0]}:
            found[name] = found[name] + line.cost if name in found else line.cost
    return found


def _entry(line: Line) -> dict[str, Floats]:
    root = line.category.split(".")[0]
    found = {f"{root}.{line.name}": line.cost.sum(axis=1)}
    if line.devices is not None and line.hours is not None:
        there = np.maximum((line.devices > 0).sum(axis=1), 1)
        found[f"devices.{line.name}"] = line.devices.sum(axis=1) / there
        found[f"hours.{line.name}"] = line.hours.sum(axis=1)
        found[f"per_day.{line.name}"] = line.cost.sum(axis=1) / there / DAYS_A_MONTH
    if line.kwh is not None:
        found[f"mwh.{line.name}"] = line.kwh.sum(axis=1) / 1000
    return found


def _run(run: Run) -> dict[str, Floats]:
    path = f"training.{run.name}"
    found = {
        f"{path}.flop": run.work.flop,
        f"{path}.days": run.days,
        f"{path}.device_hours": run.device_hours,
        f"{path}.devices": run.devices,
        f"{path}.mwh": run.kwh / 1000,
        f"{path}.ships": run.ships,
    }
    if run.price is not None:
        found[f"{path}.usd"] = run.device_hours * run.price
    if run.work.parameters is not None and run.work.tokens is not None:
        found |= {f"{path}.parameters_b": run.work.parameters / 1e9, f"{path}.tokens_b": run.work.tokens / 1e9}
    return found


def _users(done: Simulation) -> dict[str, Floats]:
    user_months, tokens = done.users.sum(axis=1), done.tokens.sum(axis=1)
    found = {"users": done.users[:, -1], "tokens": tokens}
    if user_months.any():
        found["users.cost"] = done.cost.sum(axis=1) / np.maximum(user_months, 1e-300)
    serving = _categories(done).get("compute.serving")
    if serving is not None and tokens.any():
        found["cost_per_million"] = serving.sum(axis=1) / np.maximum(tokens / 1e6, 1e-300)
    return found
