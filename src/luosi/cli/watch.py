"""`luosi watch`: a run in another process, from the logs of its attempts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from luosi.api import Workspace
from luosi.cli.common import (
    DEFAULT_WORKSPACE,
    JsonOption,
    LatestRecipeArgument,
    WorkspaceOption,
    latest,
    print_json,
    say,
)
from luosi.cli.event_files import EventFiles
from luosi.cli.screen import on_screen
from luosi.cli.standing import Work
from luosi.ledger.live import Tail
from luosi.pipeline.runner import Observer
from luosi.plan.steps import Plan, StepPlan

LOOK_S = 1.0
QUIET_S = 15.0
"""Between two steps a run may be silent for so long, reading what the next one is made from."""


@contextmanager
def watching(plan: Plan, place: Workspace, tensorboard: str = "") -> Iterator[Observer]:
    """An observer that shows the run of `plan` in `place` on stderr, and writes event files into the folder `tensorboard` where one is named."""
    work = Work(plan, place)
    if not tensorboard:
        with on_screen(work) as observer:
            yield observer
        return
    with EventFiles(tensorboard, work) as files, on_screen(work, files) as observer:
        yield observer


def watch(
    recipe: LatestRecipeArgument = "",
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    tensorboard: Annotated[
        str, typer.Option(help="Write TensorBoard event files into this folder too.", metavar="FOLDER")
    ] = "",
    json: JsonOption = False,
) -> None:
    """Show a run that goes on in another process, until it ends (exit code 1 if not everything is there then); as JSON, how it stands now."""
    place = Workspace(workspace)
    recipe = latest(place, recipe)
    if json:
        print_json(_latest_figures(place.state(recipe)))
        return
    plan = place.plan(recipe)
    with watching(plan, place, tensorboard) as observer:
        left = follow(plan, place, observer)
    if left:
        say(f"nothing is running, {left} of {len(plan.steps)} steps are not there; to go on: luosi run {plan.recipe}")
        raise typer.Exit(1)
    say(f"everything is there: `luosi verdict {plan.recipe}`, `luosi bill {plan.recipe}`")


def _latest_figures(state: dict[str, Any]) -> dict[str, Any]:
    """The state of a recipe's steps with the last point of every curve alone."""
    for step in state["steps"]:
        step["metrics"] = {name: points[-1][1] for name, points in step["metrics"].items() if points}
    return state


def follow(plan: Plan, place: Workspace, observer: Observer, pause: Callable[[float], None] = time.sleep) -> int:
    """Tell `observer` what another process does, until all is there or nothing runs any more.

    Returns:
        How many steps are not there.
    """
    steps = [Followed(line, Tail(place.store.attempts_file(line.key)), observer) for line in plan.steps]
    heard = time.monotonic()
    while True:
        for step in steps:
            if step.look() or step.runs:
                heard = time.monotonic()
        left = sum(not step.there for step in steps)
        if not left or time.monotonic() - heard > QUIET_S:
            return left
        pause(LOOK_S)


class Followed:
    """One step of somebody else's run."""

    def __init__(self, line: StepPlan, tail: Tail, observer: Observer) -> None:
        self._line, self._tail, self._observer = line, tail, observer
        self.there = False
        self._told = False
        """Whether anything was said of it."""

    @property
    def runs(self) -> bool:
        """Whether it is being built now."""
        return self._tail.last is not None and self._tail.last.runs

    def look(self) -> bool:
        """Tell what is new; whether anything was. At the first look, only of a try that is still under way."""
        lines = self._tail.look()
        if not self._told:
            self._told = True
            if self._line.state == "hit" and not self.runs:
                self.there = True
                self._observer.step_finished(self._line.step, built=False)
                return False
            begun = [number for number, line in enumerate(lines) if line["event"] == "start"]
            lines = lines[begun[-1] :] if begun and self.runs else []
        for line in lines:
            self._tell(line)
        return bool(lines)

    def _tell(self, line: dict[str, object]) -> None:
        step, observer = self._line.step, self._observer
        if line["event"] == "start":
            self.there = False
            observer.step_started(step, self._line.for_runner())
        elif isinstance(point := line.get("progress"), dict):
            observer.step_progress(step, point["done"], point["total"], point["unit"], point["metrics"])
        if line["event"] == "end" and line["reason"] == "published":
            self.there = True
            observer.step_finished(step, built=True)
        elif line["event"] == "end":
            observer.step_said(step, f"{line['reason']}: {line['message']}")
