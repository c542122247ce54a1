"""`luosi run`: do it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated

import typer

from luosi.api import Workspace
from luosi.cli.common import DEFAULT_WORKSPACE, RecipeArgument, SetOption, WorkspaceOption, say
from luosi.cli.plan import say_warnings
from luosi.cli.watch import watching


class StopRequest:
    """Set by SIGINT, SIGTERM or SIGHUP (the terminal is gone); the step saves its checkpoint and stops. A second SIGINT ends the
    process at once; a second SIGTERM, which a group of processes may pass on, is the same request."""

    def __init__(self) -> None:
        self.reason = ""
        self._terminals = [stream.fileno() for stream in (sys.stdout, sys.stderr) if stream.isatty()]

    def __call__(self) -> str:
        """The reason to stop, or ""."""
        return self.reason

    def handle(self, number: int, _: FrameType | None) -> None:
        """The signal handler."""
        if self.reason and number == signal.SIGINT:
            raise KeyboardInterrupt
        if number not in (signal.SIGINT, signal.SIGTERM):
            self._write_no_more()
        if not self.reason:
            say("stopping at the next safe point; Ctrl-C (SIGINT) once more to stop at once")
        self.reason = f"signal {signal.Signals(number).name}"

    def _write_no_more(self) -> None:
        """Writing to a terminal that is gone fails, and would end the step before it has saved anything."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for terminal in self._terminals:
            os.dup2(nowhere, terminal)
        os.close(nowhere)


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """While inside, signals ask for a stop instead of killing."""
    request = StopRequest()
    numbers = [signal.SIGINT, signal.SIGTERM]
    if (hang_up := getattr(signal, "SIGHUP", None)) and signal.getsignal(hang_up) != signal.SIG_IGN:  # nohup ignores it
        numbers.append(hang_up)
    old = {number: signal.signal(number, request.handle) for number in numbers}
    try:
        yield request
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def run(
    recipe: RecipeArgument,
    set_: SetOption = [],
    rebuild: Annotated[
        list[str], typer.Option(help="Make this step again though it is there. May be repeated.", metavar="STEP")
    ] = [],
    cap: Annotated[
        float | None,
        typer.Option(
            "--cap-seconds", min=0, help="Stop (exit 3) when this run has taken so many seconds; run again to go on."
        ),
    ] = None,
    tensorboard: Annotated[
        str,
        typer.Option(help="Write what the steps report as TensorBoard event files into this folder.", metavar="FOLDER"),
    ] = "",
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Make everything the recipe names that is not there yet. Survives kill -9: run again and it goes on where it stopped."""
    place = Workspace(workspace)
    plan = place.plan(recipe, set_)
    say_warnings(line for line in plan.steps if line.state != "hit")
    with stop_on_signals() as stop, watching(plan, place, tensorboard) as observer:
        place.run(recipe, overrides=set_, rebuild=rebuild, observer=observer, stop=stop, cap_s=cap)
    name = place.recipe(recipe, set_).name
    say(f"done: `luosi verdict {name}`, `luosi bill {name}`, `luosi serve`")
