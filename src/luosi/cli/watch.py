"""Progress on stderr: bars on a terminal, one plain line per event elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from luosi.cli.common import seconds
from luosi.pipeline.runner import Observer, Planned
from luosi.plan.steps import Plan

PLAIN_EVERY_S = 10.0


@contextmanager
def watching(plan: Plan) -> Iterator[Observer]:
    """An observer that draws the run of `plan`."""
    console = Console(stderr=True, highlight=False)
    if not sys.stderr.isatty():
        yield Lines(plan)
        return
    with Bars(plan, console) as bars:
        yield bars


class Lines:
    """One line when a step begins, every ten seconds, and when it ends."""

    def __init__(self, plan: Plan) -> None:
        self._expected = {line.step: line.estimate.seconds.p50 for line in plan.steps}
        self._begun: dict[str, float] = {}
        self._said: dict[str, float] = {}

    def _print(self, step: str, text: str) -> None:
        self._said[step] = time.monotonic()
        print(f"{step:<14} {text}", file=sys.stderr, flush=True)

    def step_started(self, step: str, planned: Planned) -> None:
        """Say what is expected."""
        self._begun[step] = time.monotonic()
        self._print(step, f"building, about {seconds(self._expected[step])}")

    def step_progress(self, step: str, done: float, total: float, unit: str, metrics: Mapping[str, float]) -> None:
        """Say how far, seldom."""
        if time.monotonic() - self._said.get(step, 0.0) >= PLAIN_EVERY_S:
            self._print(step, f"{done:,.0f} of {total:,.0f} {unit}{_metrics(metrics)}")

    def step_said(self, step: str, message: str) -> None:
        """Pass on."""
        self._print(step, message)

    def step_finished(self, step: str, *, built: bool) -> None:
        """Say how long it took."""
        took = time.monotonic() - self._begun.get(step, time.monotonic())
        self._print(step, f"done in {seconds(took)}" if built else "is there already")

    def step_waiting(self, step: str) -> None:
        """Say whom we wait for."""
        if time.monotonic() - self._said.get(step, 0.0) >= PLAIN_EVERY_S:
            self._print(step, "another process is building it; waiting")


class Bars:
    """A bar for the whole run, in expected seconds, and one for the step at work."""

    def __init__(self, plan: Plan, console: Console) -> None:
        self._expected = {line.step: line.estimate.seconds.p50 for line in plan.steps}
        self._console = console
        self._progress = Progress(
            SpinnerColumn(), TextColumn("{task.description:<14}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), TextColumn("{task.fields[note]}"),
            console=console, transient=True,
        )  # fmt: skip
        self._whole = self._progress.add_task("whole run", total=sum(self._expected.values()) or 1.0, note="")
        self._task = self._progress.add_task("", total=None, note="", visible=False)
        self._finished = 0.0
        self._begun = time.monotonic()

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def step_started(self, step: str, planned: Planned) -> None:
        """A new bar."""
        self._begun = time.monotonic()
        self._progress.reset(self._task, total=None, description=step, note="", visible=True)

    def step_progress(self, step: str, done: float, total: float, unit: str, metrics: Mapping[str, float]) -> None:
        """Move both bars."""
        note = f"{done:,.0f}/{total:,.0f} {unit}{_metrics(metrics)}"
        self._progress.update(self._task, completed=done, total=total, note=note)
        share = min(1.0, done / total) if total else 0.0
        self._progress.update(self._whole, completed=self._finished + share * self._expected[step])

    def step_said(self, step: str, message: str) -> None:
        """A line above the bars."""
        self._console.print(f"{step:<14} {message}", markup=False)

    def step_finished(self, step: str, *, built: bool) -> None:
        """A line above the bars for what was built."""
        self._finished += self._expected[step]
        self._progress.update(self._whole, completed=self._finished)
        self._progress.update(self._task, visible=False)
        note = f"done in {seconds(time.monotonic() - self._begun)}" if built else "is there already"
        self._console.print(f"{step:<14} {note}", markup=False)

    def step_waiting(self, step: str) -> None:
        """Say whom we wait for."""
        self._progress.update(
            self._task, description=step, note="another process is building it; waiting", visible=True
        )


def _metrics(metrics: Mapping[str, float]) -> str:
    return "".join(f"  {name} {value:,.4g}" for name, value in metrics.items())
