"""The share of a run's time that counts: failures, checkpoints (blocking or written behind the run's back), and spot machines that are taken away.

By Young (1974) and Daly (2006) for failures that come at random with a constant rate: with T useful seconds between checkpoints of B
blocking seconds each, mean time M between failures and R seconds to come back, a stretch of T takes M exp(R/M) (exp((T + B)/M) - 1).
Knows neither steps nor prices of chips; nodes that are slow without failing are the step time's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from luosi.errors import UsageError

DEVICE_MTBF_H = 50_700.0
"""Hours of one device between failures that stop the run: Llama 3 405B, 419 unexpected stops in 54 days on 16,384 H100 (arXiv 2407.21783)."""
RESTART_S = 600.0
"""From a failure to training again: noticing it, a new node, loading."""
BYTES_PER_PARAMETER = 14.0
"""Of a checkpoint to go on from: weights in bf16, a copy in fp32 and Adam's two moments."""
TO_HOST_BS = 10e9
"""Bytes a second and device into the host's memory, while the run waits: less than half of what PCIe 4 gives."""
TAKEN_A_MONTH = 0.10
"""Share of spot servers that are taken back in a month where nothing is said: clouds publish classes from under 5 to over 20 %."""
TO_STORAGE_BS = 0.125e9
"""Bytes a second and device into the storage behind the hosts: Llama 3's 2 TB/s for 16,384 (arXiv 2407.21783)."""


@dataclass(frozen=True)
class Checkpoint:
    """What taking one costs."""

    blocking_s: float
    """The run stands still."""
    writing_s: float
    """Until it can be gone back to, the run going on meanwhile; 0 if it waits for all of it."""


@dataclass(frozen=True)
class Goodput:
    """Where the time goes, as shares of it that add up to 1."""

    useful: float
    checkpoints: float
    redone: float
    """Work lost in failures and done again."""
    restarts: float
    interval_s: float
    """Useful seconds between two checkpoints."""
    mtbf_s: float
    """Of the whole run."""


@dataclass(frozen=True)
class Spot:
    """Machines at a lower price that may be taken away, against the same at the usual price."""

    goodput: Goodput
    usd_useful_hour: float
    """Of one device, for an hour that counts: never shown without the loss in it."""
    saving: float
    """Share saved against the usual price for an hour that counts there; below 0 if spot costs more."""
    break_even_h: float
    """Hours of one device between interruptions below which spot costs more than the usual price; infinite if it always does."""


def checkpoint(parameters: float, devices: int, *, behind: bool = True) -> Checkpoint:
    """One of a model of so many parameters, spread over all its devices.

    Args:
        behind: Copied into the hosts' memory, then written while the run goes on; else the run waits for the storage.
    """
    _above_0(parameters=parameters, devices=devices)
    each = parameters * BYTES_PER_PARAMETER / devices
    if behind:
        return Checkpoint(blocking_s=1.0 + each / TO_HOST_BS, writing_s=each / TO_STORAGE_BS)
    return Checkpoint(blocking_s=1.0 + each / TO_STORAGE_BS, writing_s=0.0)


def goodput(
    devices: int,
    taken: Checkpoint,
    *,
    device_mtbf_h: float = DEVICE_MTBF_H,
    restart_s: float = RESTART_S,
    interval_s: float | None = None,
) -> Goodput:
    """Of a run on `devices` of which each failure stops all.

    Args:
        interval_s: Useful seconds between checkpoints; left out, the best by Daly, but never less than the writing takes.

    Raises:
        UsageError: A number is not above 0, or the run fails more often than it comes back, so that it would never end.

    >>> llama = goodput(16384, Checkpoint(60.0, 0.0))
    >>> round(llama.interval_s / 60), round(1 - llama.useful, 2)
    (19, 0.15)
    """
    _above_0(devices=devices, device_mtbf_h=device_mtbf_h, interval_s=1.0 if interval_s is None else interval_s)
    mtbf = device_mtbf_h * 3600 / devices
    blocking = taken.blocking_s
    chosen = max(daly(blocking, mtbf), taken.writing_s, 1.0) if interval_s is None else interval_s
    back = restart_s + taken.writing_s
    if (chosen + blocking + back) / mtbf > 50:
        raise UsageError(
            f"{devices} devices fail every {mtbf:.3g} s and need {back:.3g} s to come back: the run would never end",
            hint="fewer devices, machines that fail less often, or checkpoints that are written faster",
        )
    wall = mtbf * math.exp(back / mtbf) * math.expm1((chosen + blocking) / mtbf)
    useful, checkpoints = chosen / wall, blocking / wall
    lost = 1 - useful - checkpoints
    restarts = min(lost, restart_s / (restart_s + taken.writing_s + (chosen + blocking) / 2) * lost)
    return Goodput(useful, checkpoints, lost - restarts, restarts, chosen, mtbf)


def daly(blocking_s: float, mtbf_s: float) -> float:
    """The best useful seconds between checkpoints (Daly 2006, equation 37; Young's square root is its first term)."""
    if blocking_s >= 2 * mtbf_s:
        return mtbf_s
    ratio = blocking_s / (2 * mtbf_s)
    return math.sqrt(2 * blocking_s * mtbf_s) * (1 + math.sqrt(ratio) / 3 + ratio / 9) - blocking_s


def spot(
    devices: int,
    taken: Checkpoint,
    *,
    usd_hour: float,
    usd_hour_spot: float,
    interrupted_every_h: float,
    wait_s: float = RESTART_S,
    device_mtbf_h: float = DEVICE_MTBF_H,
) -> Spot:
    """What an hour that counts costs on spot machines.

    Args:
        interrupted_every_h: Hours of one device between two interruptions, each of which stops the whole run; `every_h` makes it from
            the share of servers that is taken in a month.
        wait_s: From an interruption until there is another machine.

    Raises:
        UsageError: A number is not above 0, or so many interruptions that the run would never end.
    """
    _above_0(usd_hour=usd_hour, usd_hour_spot=usd_hour_spot, interrupted_every_h=interrupted_every_h, wait_s=wait_s)

    def lasting(every_h: float) -> Goodput:
        both_h = 1 / (1 / every_h + 1 / device_mtbf_h)
        return goodput(devices, taken, device_mtbf_h=both_h, restart_s=max(RESTART_S, wait_s))

    usual_price = usd_hour / goodput(devices, taken, device_mtbf_h=device_mtbf_h).useful
    reached = lasting(interrupted_every_h)
    price = usd_hour_spot / reached.useful
    return Spot(reached, price, 1 - price / usual_price, _break_even(lasting, usd_hour_spot / usual_price))


def _break_even(lasting: Callable[[float], Goodput], needed: float) -> float:
    """Hours of one device between interruptions at which the useful share is `needed`; infinite if it is never reached."""

    def enough(every_h: float) -> bool:
        try:
            return lasting(every_h).useful > needed
        except UsageError:
            return False

    low, high = 1e-3, 1e9
    if not enough(high):
        return math.inf
    for _ in range(80):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def every_h(taken_a_month: float, server_devices: int) -> float:
    """Hours of one device between two interruptions, if such a share of the servers, each whole, is taken in a month.

    >>> round(every_h(0.05, 8))
    116880
    """
    _above_0(taken_a_month=taken_a_month, server_devices=server_devices)
    return 730.5 / taken_a_month * server_devices


def _above_0(**values: float) -> None:
    for name, value in values.items():
        if not 0 < value < math.inf:
            raise UsageError(f"{name} is {value:g}", hint="give a number above 0")
