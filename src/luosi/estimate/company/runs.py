"""Training runs of a company: FLOP, days, device-hours, energy and money of each, and the month in which its model ships.

FLOP are 6 for each active parameter and token (Kaplan et al. 2020), or a multiple of another run's. Of that multiple, as much goes into
parameters as into tokens (Hoffmann et al. 2022). A run that names its model has its step searched and predicted, as by
`luosi estimate train`; the others take the file's MFU, that of the run they are measured by, or a usual one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from luosi.cost import Interval
from luosi.errors import InputError, UsageError
from luosi.estimate import energy
from luosi.estimate.chips import Chip, chip
from luosi.estimate.company.draws import Draws, Floats
from luosi.estimate.company.entries import Training, Uncertain
from luosi.estimate.company.lines import DAYS_A_MONTH, Line, hour_price
from luosi.estimate.company.spec import month_of

USUAL_MFU = [0.3, 0.5]
"""A cautious guess: of published runs in bf16 eight in ten have 0.39 to 0.61 (data/training_runs.csv), and those are the good ones."""


@dataclass(frozen=True)
class Work:
    """What a run computes; arrays are (trials,)."""

    flop: Floats
    parameters: Floats | None
    """Active ones; None where only the FLOP are known."""
    tokens: Floats | None
    mfu: Uncertain


@dataclass(frozen=True)
class Run:
    """One training run; arrays are (trials,)."""

    name: str
    chip: Chip
    work: Work
    devices: Floats
    days: Floats
    ships: Floats
    """Months from the company's start."""
    kwh: Floats
    price: Floats | None
    """USD for a device-hour; None where it is not known: that refuses the money, not the time."""
    line: Line | None
    """What it adds to the company's costs; None where a fleet pays for it already."""

    @property
    def device_hours(self) -> Floats:
        """Failures and checkpoints included."""
        return self.devices * self.days * 24


def runs(draws: Draws, per_usd: Floats) -> tuple[Run, ...]:
    """All of them, in the file's order.

    Raises:
        UsageError: A run is to be paid and its price is unknown.
    """
    made: dict[str, Run] = {}
    for one in draws.company.training:
        made[one.name] = _run(draws, one, made, per_usd)
    return tuple(made.values())


def _run(draws: Draws, one: Training, before: dict[str, Run], per_usd: Floats) -> Run:
    path, device = f"training.{one.name}", chip(one.chip)
    devices = draws.of(f"{path}.devices", one.devices, least=1.0)
    work = _work(draws, path, one, before, max(1, round(float(np.median(devices)))))
    mfu = draws.of(f"{path}.mfu", work.mfu if one.mfu is None else one.mfu, least=1e-4, most=1.0)
    useful = draws.of(f"{path}.goodput", one.goodput, least=1e-3, most=1.0)
    days = work.flop / (devices * device.tflops(one.precision) * 1e12 * mfu * useful) / 86400
    begins = 0 if one.start is None else month_of(draws.company.start, one.start)
    if begins < 0:
        raise InputError(f"{path} starts in {one.start}, before the company's first month {draws.company.start}")
    price: Floats | None = None
    line: Line | None = None
    try:
        price, quote = hour_price(draws, path, one.usd_hour, one.source, device)
    except UsageError:
        if one.paid:
            raise
    else:
        if one.paid:
            month_end = np.clip(draws.months[None, :] + 1 - begins, 0, (days / DAYS_A_MONTH)[:, None])
            share = np.diff(month_end, axis=1, prepend=0.0)
            hours = share * (devices * DAYS_A_MONTH * 24)[:, None]
            cost = hours * (price * per_usd)[:, None]
            line = Line(one.name, "compute.training", cost, cost, share * devices[:, None], hours, quotes=(quote,))
    ships = begins + days / DAYS_A_MONTH
    return Run(one.name, device, work, devices, days, ships, _kwh(device, devices * days, one.pue), price, line)


def _work(draws: Draws, path: str, one: Training, before: dict[str, Run], devices: int) -> Work:
    """FLOP, active parameters, tokens and the share of the peak."""
    if one.flop is not None:
        return Work(draws.of(f"{path}.flop", one.flop, least=1.0), None, None, USUAL_MFU)
    if one.times is not None:
        first, times = before[one.of], draws.of(f"{path}.times", one.times, least=1e-9)
        root, work = np.sqrt(times), first.work
        parameters = None if work.parameters is None else work.parameters * root
        tokens = None if work.tokens is None else work.tokens * root
        return Work(work.flop * times, parameters, tokens, work.mfu if first.chip == chip(one.chip) else USUAL_MFU)
    assert one.tokens_b is not None
    tokens = draws.of(f"{path}.tokens_b", one.tokens_b, least=1e-6) * 1e9
    if one.model:
        return _predicted(path, one, devices, tokens)
    assert one.parameters_b is not None
    parameters = draws.of(f"{path}.parameters_b", one.parameters_b, least=1e-6) * 1e9
    return Work(6 * parameters * tokens, parameters, tokens, USUAL_MFU)


def _predicted(path: str, one: Training, devices: int, tokens: Floats) -> Work:
    """Of a model whose step is searched on the run's devices.

    Raises:
        UsageError: The model is unknown, or does not fit the devices.
    """
    from luosi.estimate.training.asking import wanted
    from luosi.estimate.training.job import plan

    middle = float(np.median(tokens))
    try:
        job = plan(
            wanted(model=one.model, on=(chip(one.chip), devices), tokens=f"{middle:.0f}", precision=one.precision)
        )
    except UsageError as error:
        raise UsageError(f"{path}: {error.message}", hint=error.hint) from None
    peak = job.least_seconds
    parameters = np.full_like(tokens, job.wanted.architecture.active)
    return Work(job.flop * tokens / middle, parameters, tokens, [peak / job.seconds.p90, peak / job.seconds.p10])


def _kwh(device: Chip, device_days: Floats, pue: float) -> Floats:
    watts = energy.joules(device, Interval.exactly(1.0), pue=pue).p50
    return watts / 1000 * device_days * 24
