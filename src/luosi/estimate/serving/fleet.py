"""The machines that serve a demand, by day and by night, how fast they answer, and what a million tokens costs in energy and money.

Made from a model, a chip and a demand: every width of a copy and every number of users in it is predicted at once, and the fewest devices
within the limits taken. Users come as they please (Poisson), so places are kept free by the square root of the load (Halfin and Whitt
1981). It does not know caches of shared prompts, nor requests longer or shorter than the mean.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from luosi.cost import Interval
from luosi.errors import UsageError
from luosi.estimate.architecture import Architecture
from luosi.estimate.chips import Chip
from luosi.estimate.energy import PUE, joules
from luosi.estimate.money import Hour, rented
from luosi.estimate.serving.deployment import Deployment, Floats
from luosi.estimate.serving.predict import Prediction, interval, logs_of, predict, weight_bytes
from luosi.estimate.serving.queue import places_for, wait

SWING = 0.6
"""How far the busiest hour is above the day's mean, and the quietest below it, as shares; for one region of the world."""
THINKING = 30.0
"""Seconds between a user's reading an answer and asking again."""
FIRST_WITHIN, TOKEN_WITHIN = 2.0, 0.05
"""Seconds that users bear: to the first token and between tokens."""
_WIDTHS = (1, 2, 4, 8, 16, 32, 72)
_SERVERS = 4
"""Over which one copy is spread at most, if it must."""
_FULL = 0.85
"""Share of the memory that weights may take: the rest is for the cache and what computing needs."""
_USERS = np.unique(np.round(2 ** np.arange(0, 11.5, 0.5)))
_HOURS = 24


@dataclass(frozen=True)
class Demand:
    """What is asked of the service; one of `users`, `requests` and `tokens` is given."""

    prompt: float
    """Tokens of a request, on average."""
    answer: float
    users: float = 0.0
    """People who use it at once in the busiest hour."""
    requests: float = 0.0
    """A second, in the busiest hour."""
    tokens: float = 0.0
    """Of answers, a day."""
    swing: float = SWING
    thinking: float = THINKING

    def __post_init__(self) -> None:
        given = [name for name in ("users", "requests", "tokens") if getattr(self, name)]
        if len(given) != 1:
            raise UsageError(
                f"a demand needs one of users, requests a second and tokens a day, not {' and '.join(given) or 'none'}"
            )
        for name in ("prompt", "answer", given[0]):
            if not 0 < getattr(self, name) < math.inf:
                raise UsageError(f"{name} is {getattr(self, name):g}, expected a number above 0")
        if not 0 <= self.swing < 1:
            raise UsageError(f"a swing of {self.swing:g}", hint="a share from 0 (the same all day) to below 1")
        if not 0 <= self.thinking < math.inf:
            raise UsageError(f"a thinking time of {self.thinking:g} s", hint="seconds from 0")

    def busiest(self, stay: float) -> float:
        """Requests a second in the busiest hour, if an answer takes `stay` seconds in all."""
        if self.users:
            return self.users / (self.thinking + stay)
        return self.requests or self.tokens / self.answer / 86_400 * (1 + self.swing)


@dataclass(frozen=True)
class Fleet:
    """The cheapest way within the limits."""

    run: Deployment
    """One copy, with the users it is filled to."""
    copy: Prediction
    """What it does so filled."""
    waiting: float
    """Seconds that a request waits for a place in the busiest hour, on average."""
    requests: float
    """A second, in the busiest hour."""
    copies: int
    """By day."""
    copies_by_night: int
    """In the quietest hour."""
    devices: Interval
    """By day."""
    mean_devices: float
    """Over the day, if devices are given back as they are not needed."""
    tokens_a_day: float
    """Of answers."""
    joules_per_million: Interval
    """Of answers' tokens, at the data centre's meter."""
    dollars_per_million: Interval | None
    """None where the chip has no known price."""
    hour: Hour | None
    """The price that was taken, with its source."""


def fleet(
    model: Architecture,
    chip: Chip,
    demand: Demand,
    *,
    precision: str = "",
    engine: str = "",
    first_within: float = FIRST_WITHIN,
    token_within: float = TOKEN_WITHIN,
    most_devices: int = 0,
    usd_hour: float | None = None,
    pue: float = PUE,
) -> Fleet:
    """The fewest devices that serve it.

    Args:
        precision: Of the weights; left out, fp8 where the chip has it, else bf16.
        engine: As "vllm 0.18"; empty for a usual one.
        first_within: Seconds to the first token that users bear, on average, the wait included.
        token_within: Seconds between tokens that they bear.
        most_devices: That there are; 0 for as many as it takes.
        usd_hour: The user's own price of a device-hour.

    Raises:
        UsageError: The weights fit on no width of this chip, no width keeps the limits, or there are too few devices; the hint says what would do.
    """
    for name, limit in (("first_within", first_within), ("token_within", token_within)):
        if not 0 < limit < math.inf:
            raise UsageError(f"{name} is {limit:g} s, expected seconds above 0")
    one = Deployment(model, chip, precision or usual_precision(chip), demand.prompt, demand.answer, engine=engine)
    runs = _choices(one, most_devices)
    logs = logs_of(runs)
    first, token = np.exp(logs.first), np.exp(logs.token)
    good = (first <= first_within) & (token <= token_within)
    if not good.any():
        raise _too_slow(runs, first, token, first_within, token_within)
    stay = first + demand.answer * token
    best, copies = _fewest(runs, demand, stay, np.where(good, first_within - first, -1.0))
    requests, needed = demand.busiest(stay[best]), copies * runs[best].devices
    if most_devices and needed > most_devices:
        raise UsageError(
            f"{requests:.3g} requests a second need {needed} {chip.name}, and there are {most_devices}",
            hint=f"they serve {requests * most_devices / needed:.3g} requests a second",
        )
    return _made(runs[best], demand, copies, float(stay[best]), float(first_within - first[best]), usd_hour, pue)


def _fewest(runs: Sequence[Deployment], demand: Demand, stay: Floats, spare: Floats) -> tuple[int, int]:
    """Which of the runs takes the fewest devices, of those the one that answers first, and how many copies of it.

    Args:
        stay: Seconds that each answer takes, (n,).
        spare: Seconds that a request may wait for a place, (n,); negative for runs that are out of the question.
    """
    found = []
    for i in map(int, np.flatnonzero(spare >= 0)):
        copies = _copies(demand.busiest(stay[i]), stay[i], runs[i], spare[i])
        waiting = wait(demand.busiest(stay[i]) * stay[i], copies * runs[i].concurrency, stay[i])
        found.append((copies * runs[i].devices, stay[i] + waiting, i, copies))
    return min(found)[2:]


def usual_precision(chip: Chip) -> str:
    """What a model is served in on it, nothing said."""
    return "fp8" if chip.fp8_tflops else "bf16"


def _choices(one: Deployment, most: int) -> list[Deployment]:
    """Every width that holds the weights with room for a cache, filled with every number of users."""
    near = max(one.chip.scaleup_devices, one.chip.server_devices)
    widths = [
        width
        for width in _WIDTHS
        if (not most or width <= most) and width <= max(near, _SERVERS * one.chip.server_devices)
    ]
    ways = [_spread(one, width) for width in widths]
    holding = [way for way in ways if weight_bytes(way) < _FULL * way.devices * one.chip.memory_gb * 1e9]
    within = [way for way in holding if way.devices <= near]
    if not holding:
        raise _too_large(one, ways)
    return [replace(way, concurrency=float(users)) for way in (within or holding)[:4] for users in _USERS]


def _spread(one: Deployment, width: int) -> Deployment:
    """One copy over so many devices; beyond a server's eight, attention is copied and experts are spread, and beyond the links' domain
    the network between servers is the link."""
    chip = one.chip
    if width > max(chip.scaleup_devices, chip.server_devices):
        chip = replace(chip, scaleup_gbs=chip.scaleout_gbs)
    wide = width > 8 and one.architecture.experts > 0
    return replace(one, chip=chip, devices=width, tensor=1 if wide else width, copies=width if wide else 1)


def _copies(requests: float, stay: float, run: Deployment, spare: float) -> int:
    """Of `run`, so that places are free often enough that the mean wait is within `spare` seconds."""
    return math.ceil(places_for(requests * stay, stay, spare) / run.concurrency - 1e-9)


def _made(
    run: Deployment, demand: Demand, copies: int, stay: float, spare: float, usd_hour: float | None, pue: float
) -> Fleet:
    told = predict(run)
    requests = demand.busiest(stay)
    mean = requests / (1 + demand.swing)
    by_hour = [mean * (1 + demand.swing * math.cos(2 * math.pi * hour / _HOURS)) for hour in range(_HOURS)]
    each_hour = [min(copies, max(1, _copies(rate, stay, run, spare))) for rate in by_hour]
    low, high = (math.exp(side) for side in _served_tails())
    work = Interval(p10=copies / high, p50=float(copies), p90=copies / low)
    needed = Interval(**{name: float(run.devices * math.ceil(share - 1e-9)) for name, share in work})
    mean_devices = float(np.mean(each_hour)) * run.devices
    tokens = mean * demand.answer * 86_400
    per_million = work.times(mean_devices / copies * 86_400 / tokens * 1e6)
    hour = _price(run.chip, usd_hour)
    return Fleet(
        run=run,
        copy=told,
        waiting=wait(requests * stay, copies * run.concurrency, stay),
        requests=requests,
        copies=copies,
        copies_by_night=min(each_hour),
        devices=needed,
        mean_devices=mean_devices,
        tokens_a_day=tokens,
        joules_per_million=joules(run.chip, per_million, pue=pue),
        dollars_per_million=None if hour is None else per_million.times(hour.usd / 3600),
        hour=hour,
    )


def _served_tails() -> tuple[float, float]:
    one = interval("served", 0.0)
    return math.log(one.p10), math.log(one.p90)


def _price(chip: Chip, usd_hour: float | None) -> Hour | None:
    return rented(chip, usd_hour=usd_hour) if usd_hour is not None or chip.usd_hour is not None else None


def _too_large(one: Deployment, ways: Sequence[Deployment]) -> UsageError:
    most = ways[-1]
    room = _FULL * most.devices * one.chip.memory_gb * 1e9
    smaller = [name for name in ("fp8", "int4", "fp4") if weight_bytes(replace(most, precision=name)) < room]
    needed = math.ceil(weight_bytes(replace(most, devices=1, tensor=1, copies=1)) / _FULL / one.chip.memory_gb / 1e9)
    hint = f"{smaller[0]} would fit" if smaller else f"it takes {needed} of them, or a chip with more memory"
    return UsageError(
        f"{one.architecture.name} in {one.precision} has {weight_bytes(most) / 1e9:.0f} GB of weights, and {most.devices} {one.chip.name} hold "
        f"{most.devices * one.chip.memory_gb:.0f} GB",
        hint=hint,
    )


def _too_slow(
    runs: Sequence[Deployment], first: Floats, token: Floats, first_within: float, token_within: float
) -> UsageError:
    best = int(np.argmin(np.maximum(first / first_within, token / token_within)))
    return UsageError(
        f"no width of {runs[0].chip.name} answers within {first_within:g} s and {1000 * token_within:g} ms a token",
        hint=f"the nearest, {runs[best].devices} devices, needs {first[best]:.2g} s and {1000 * token[best]:.0f} ms",
    )
