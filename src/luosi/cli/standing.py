"""Where a run stands: how far, how fast, how much longer, what it cost so far. Fed by a run's events, asked by whatever shows them.

Events say what a step is doing at this instant; the attempts' logs say what it took, in this process or in another. Draws nothing.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add

from luosi.api import Workspace
from luosi.cost import Cost, Money
from luosi.ledger.live import Tail, completed, priced
from luosi.pipeline.runner import Observer, Planned
from luosi.plan.steps import Plan

LOOK_S = 1.0
"""The logs are looked at no more often: they are written once a second."""


@dataclass(frozen=True)
class Standing:
    """A run at one instant."""

    step: str
    """The step at work; "" between steps."""
    waiting: bool
    """Another process is building it."""
    done: float
    total: float
    unit: str
    metrics: Mapping[str, float]
    left_s: float | None
    """Until the step is done: by its pace over the last minute, else by the plan; None where neither knows."""
    run_done: float
    """Share of the whole run, in planned seconds."""
    run_left_s: float | None
    spent_s: float
    """The recipe's wall seconds so far, killed attempts and earlier runs included."""
    money: Money | None
    """What they cost; None where the prices are of two currencies."""

    @property
    def share(self) -> float:
        """Of the step."""
        return _share(self.done, self.total)


@dataclass
class _AtWork:
    """The step at work, as it last told."""

    step: str = ""
    waiting: bool = False
    done: float = 0.0
    total: float = 0.0
    unit: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    begun: float = field(default_factory=time.monotonic)


class Work:
    """An observer that knows where the run of `plan` in `place` stands."""

    def __init__(self, plan: Plan, place: Workspace) -> None:
        self.plan = plan
        self._expected = {line.step: line.whole.seconds.p50 for line in plan.steps}
        self._finished = {line.step for line in plan.steps if line.state == "hit"}
        self._machine, self._rates = place.machine(), place.rates()
        self._tails = {line.step: Tail(place.store.attempts_file(line.key)) for line in plan.steps}
        for tail in self._tails.values():
            tail.look()
        self._looked = -LOOK_S
        self._now = _AtWork()

    def expected_s(self, step: str) -> float:
        """The plan's median for the whole step."""
        return self._expected[step]

    def took_s(self, step: str) -> float:
        """Seconds of the step's last try."""
        tail = self._tails.get(step)
        return float(tail.last.cost.get("wall_s", 0.0)) if tail and tail.last else 0.0

    def completed(self, step: str, metrics: Mapping[str, float]) -> Mapping[str, float]:
        """Metrics of a step with the FLOP/s and MFU that it did not tell."""
        tail = self._look(step)
        if tail is None:
            return metrics
        return completed(metrics, tail.last.flop.per_s if tail.last and tail.last.runs else None, self._machine)

    def standing(self) -> Standing:
        """Now."""
        now, at = time.monotonic(), self._now
        if at.waiting and (tail := self._look(at.step)) and tail.last and (point := tail.last.point):
            at.done, at.total, at.unit, at.metrics = (point[name] for name in ("done", "total", "unit", "metrics"))
        left = self._left_s(at, now)
        spent = reduce(add, (tail.cost(self.plan.recipe) for tail in self._tails.values()), Cost())
        whole = sum(self._expected.values())
        behind = sum(seconds for step, seconds in self._expected.items() if step in self._finished)
        share = _share(at.done, at.total)
        ahead = whole - behind - self._expected.get(at.step, 0.0)
        return Standing(
            step=at.step, waiting=at.waiting, done=at.done, total=at.total, unit=at.unit,
            metrics=self.completed(at.step, at.metrics), left_s=left,
            run_done=(behind + share * self._expected.get(at.step, 0.0)) / whole if whole else 0.0,
            run_left_s=ahead + left if left is not None else None if at.step else ahead,
            spent_s=spent.wall_s, money=priced(spent, self._rates),
        )  # fmt: skip

    def _look(self, step: str) -> Tail | None:
        """The step's log, read up to about now."""
        tail = self._tails.get(step)
        if tail is not None and time.monotonic() - self._looked > LOOK_S:
            self._looked = time.monotonic()
            tail.look()
        return tail

    def _left_s(self, at: _AtWork, now: float) -> float | None:
        tail = self._look(at.step)
        seen = tail.last if tail is not None and tail.last is not None and tail.last.runs else None
        if seen is not None and at.total and (left := seen.done.left_s(at.total)) is not None:
            return left
        expected = self._expected.get(at.step, 0.0)
        if at.done and at.total:
            return expected * max(0.0, 1 - at.done / at.total)
        gone = max(now - at.begun, seen.cost.get("wall_s", 0.0) if seen else 0.0)
        return expected - gone if gone < expected else None

    def step_started(self, step: str, planned: Planned) -> None:
        """A step is at work."""
        self._finished.discard(step)
        self._looked = -LOOK_S
        self._now = _AtWork(step)

    def step_progress(self, step: str, done: float, total: float, unit: str, metrics: Mapping[str, float]) -> None:
        """How far it is."""
        now = self._now
        now.done, now.total, now.unit, now.metrics = done, total, unit, metrics

    def step_said(self, step: str, message: str) -> None:
        """Nothing to keep."""

    def step_finished(self, step: str, *, built: bool) -> None:
        """None is at work until the next begins."""
        self._tails[step].look()
        self._finished.add(step)
        self._now = _AtWork()

    def step_waiting(self, step: str) -> None:
        """Somebody else is at it."""
        if self._now.step != step:
            self._now = _AtWork(step, waiting=True)


def _share(done: float, total: float) -> float:
    return min(1.0, done / total) if total else 0.0


class Several:
    """Tells several observers the same, one after the other."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = observers

    def step_started(self, step: str, planned: Planned) -> None:
        """Pass on."""
        for one in self._observers:
            one.step_started(step, planned)

    def step_progress(self, step: str, done: float, total: float, unit: str, metrics: Mapping[str, float]) -> None:
        """Pass on."""
        for one in self._observers:
            one.step_progress(step, done, total, unit, metrics)

    def step_said(self, step: str, message: str) -> None:
        """Pass on."""
        for one in self._observers:
            one.step_said(step, message)

    def step_finished(self, step: str, *, built: bool) -> None:
        """Pass on."""
        for one in self._observers:
            one.step_finished(step, built=built)

    def step_waiting(self, step: str) -> None:
        """Pass on."""
        for one in self._observers:
            one.step_waiting(step)
