"""Report: the bill, planned beside spent, step by step and in total, from the attempts' logs.

Money is derived here, by the rates of the day. Keys a recipe no longer leads to stay on its bill as "abandoned".
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from luosi.cost import Cost, Estimate, Interval, Money, Rates
from luosi.ledger.attempts import Try, builds
from luosi.ledger.learning import Learned, Run, disturbed, learned, variation


class Planned(BaseModel):
    """What the plan said, in quantities and money."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    seconds: Interval
    flop: float
    joules: Interval
    money: Money


class Spent(BaseModel):
    """What was measured, all attempts together; scalars."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    seconds: float
    cpu_seconds: float
    flop: float
    joules: float
    joules_by: str
    tokens: int
    peak_rss_bytes: int
    money: Money


class Latest(BaseModel):
    """The latest finished build, or several steps' together: seconds as planned then (median) and as taken."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    planned_s: float
    seconds: float


class BillLine(BaseModel):
    """One step (one key of it): planned, spent, and how far apart they are."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    step: str
    stage: str
    key: str
    state: str
    """published | resume | failed | killed | running | budget | interrupted | not started | shared (built for another recipe) | abandoned"""
    planned: Planned | None
    """Of all builds together, each as it was planned when it began; of a step never tried, as planned today."""
    spent: Spent
    """By all attempts at all builds."""
    latest: Latest | None
    error: float | None
    """Of the latest finished build: seconds / planned median - 1; None before there is one."""
    attempts: int
    killed: int
    loaded: bool
    """Disturbed by other programs."""


class Bill(BaseModel):
    """Every step of a recipe and their sum."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    recipe: str
    steps: tuple[BillLine, ...]
    total: BillLine
    learned: tuple[Learned, ...] = ()
    """How far off the plans for this machine were, all recipes together, by what they had learned from."""
    variation: float | None = None
    """How far one and the same build's seconds are from their median here; see `learning.variation`."""


def planned(estimate: Estimate, rates: Rates) -> Planned:
    """An estimate with its money: that of the median."""
    return Planned(seconds=estimate.seconds, flop=estimate.flop, joules=estimate.joules, money=estimate.money(rates))


def spent(cost: Cost, rates: Rates) -> Spent:
    """A cost with its money."""
    return Spent(
        seconds=cost.wall_s,
        cpu_seconds=cost.cpu_s,
        flop=cost.flop,
        joules=cost.joules,
        joules_by=cost.joules_by,
        tokens=cost.tokens,
        peak_rss_bytes=cost.peak_rss_bytes,
        money=cost.money(rates),
    )


def bill(
    recipe: str,
    steps: Sequence[tuple[str, str, str]],
    published: Iterable[str],
    tries: Sequence[Try],
    estimates: Mapping[str, Estimate],
    rates: Rates,
    cores: int,
    runs: Sequence[Run] = (),
) -> Bill:
    """The bill of one recipe.

    Args:
        recipe: Its name.
        steps: (step, stage, key) as the recipe stands now, in running order.
        published: Keys whose artifact is there.
        tries: Every try of this recipe.
        estimates: key -> what the plan says today, for steps that were never tried.
        rates: Today's prices.
        cores: Of the machine, to tell whether a try was disturbed.
        runs: Every finished build on this machine, the earliest first, to tell what the plans learned.
    """
    there = set(published)
    by_key: dict[str, list[Try]] = {}
    for one in tries:
        by_key.setdefault(one.key, []).append(one)
    current = [(step, stage, key, _state(key, by_key.get(key, []), there)) for step, stage, key in steps]
    old = {
        one.key: (one.step, one.stage, one.key, "abandoned") for one in tries if one.key not in {k for *_, k in steps}
    }
    lines = [
        _line(row, by_key.get(row[2], []), estimates.get(row[2]), rates, cores) for row in [*current, *old.values()]
    ]
    total = _total(lines, rates)
    return Bill(recipe=recipe, steps=tuple(lines), total=total, learned=learned(runs), variation=variation(runs))


def _state(key: str, tries: Sequence[Try], there: set[str]) -> str:
    if key in there:
        return "published" if tries else "shared"
    return tries[-1].reason if tries else "not started"


def _line(
    row: tuple[str, str, str, str], tries: Sequence[Try], today: Estimate | None, rates: Rates, cores: int
) -> BillLine:
    step, stage, key, state = row
    cost = sum((one.cost for one in tries), Cost())
    began = [
        one for before, one in zip([None, *tries], tries, strict=False) if not before or before.reason == "published"
    ]
    estimate = (
        sum((one.planned for one in began), Estimate())
        if tries
        else today
        if state in ("not started", "shared")
        else None
    )
    latest = _latest(tries)
    return BillLine(
        step=step,
        stage=stage,
        key=key,
        state=state,
        planned=planned(estimate, rates) if estimate else None,
        spent=spent(cost, rates),
        latest=latest,
        error=_error(latest),
        attempts=len(tries),
        killed=sum(one.reason == "killed" for one in tries),
        loaded=disturbed(tries, cores),
    )


def _latest(tries: Sequence[Try]) -> Latest | None:
    finished = builds(tries)
    if not finished:
        return None
    return Latest(planned_s=finished[-1][0].planned.seconds.p50, seconds=sum(one.cost.wall_s for one in finished[-1]))


def _error(latest: Latest | None) -> float | None:
    return latest.seconds / latest.planned_s - 1 if latest else None


def _total(lines: Sequence[BillLine], rates: Rates) -> BillLine:
    built = [line.latest for line in lines if line.latest]
    latest = (
        Latest(planned_s=math.fsum(one.planned_s for one in built), seconds=math.fsum(one.seconds for one in built))
        if built
        else None
    )
    plans = [line.planned for line in lines if line.planned]
    seconds = sum((plan.seconds for plan in plans), Interval.exactly(0.0))
    joules = sum((plan.joules for plan in plans), Interval.exactly(0.0))
    money = Money(nano=sum(plan.money.nano for plan in plans), currency=rates.money(wall_s=0, joules=0).currency)
    paid = Money(nano=sum(line.spent.money.nano for line in lines), currency=money.currency)
    return BillLine(
        step="total",
        stage="",
        key="",
        state="",
        planned=Planned(seconds=seconds, flop=sum(plan.flop for plan in plans), joules=joules, money=money),
        spent=Spent(
            seconds=math.fsum(line.spent.seconds for line in lines),
            cpu_seconds=math.fsum(line.spent.cpu_seconds for line in lines),
            flop=math.fsum(line.spent.flop for line in lines),
            joules=math.fsum(line.spent.joules for line in lines),
            joules_by="modelled" if any(line.spent.joules_by == "modelled" for line in lines) else "measured",
            tokens=sum(line.spent.tokens for line in lines),
            peak_rss_bytes=max((line.spent.peak_rss_bytes for line in lines), default=0),
            money=paid,
        ),
        latest=latest,
        error=_error(latest),
        attempts=sum(line.attempts for line in lines),
        killed=sum(line.killed for line in lines),
        loaded=any(line.loaded for line in lines),
    )
