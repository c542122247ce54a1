"""TensorBoard: a run's figures as event files, FOLDER/RECIPE/STEP/events.*, written by the package `tensorboard` itself.

A step that goes on from a checkpoint, or back to one, tells TensorBoard to drop what was drawn beyond it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from luosi.cli.common import say
from luosi.cli.standing import Work
from luosi.errors import MissingDependency, UsageError
from luosi.pipeline.runner import Planned

FLUSHED_S = 5
"""A kill loses so many seconds of the files at most; what a step reported is in Luosi's own logs besides."""


class EventFiles:
    """An observer that writes what steps report; only steps with figures get a folder.

    Args:
        folder: Where; the recipe's name and the step's are added.
        work: Asked for what a step did not tell.

    Raises:
        MissingDependency: tensorboard is not installed.
        UsageError: The folder cannot be made.
    """

    def __init__(self, folder: str | Path, work: Work) -> None:
        try:
            from tensorboard.compat.proto import event_pb2, summary_pb2
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        except ModuleNotFoundError as error:
            raise MissingDependency(
                "tensorboard", needed_for="--tensorboard", install="pip install tensorboard"
            ) from error
        self._folder, self._work = Path(folder) / work.plan.recipe, work
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"no event files can be written into {folder}: {error.strerror}") from error
        self._broken = False
        self._writer_of, self._events, self._summaries = EventFileWriter, event_pb2, summary_pb2
        self._writer: Any = None
        self._last = math.inf

    def _write(self, done: float, **what: object) -> None:
        self._writer.add_event(self._events.Event(wall_time=time.time(), step=int(done), **what))

    def step_progress(self, step: str, done: float, total: float, unit: str, metrics: Mapping[str, float]) -> None:
        """One point of every curve; a disk that cannot take it costs the run nothing but its event files."""
        if metrics and not self._broken:
            try:
                self._draw(step, done, self._work.completed(step, metrics))
            except OSError as error:
                self._give_up(error)

    def _draw(self, step: str, done: float, metrics: Mapping[str, float]) -> None:
        if self._writer is None:
            self._writer, self._last = self._writer_of(str(self._folder / step), flush_secs=FLUSHED_S), math.inf
        if done <= self._last:  # begun, gone on or rolled back: what was drawn from here on no longer holds
            session = self._events.SessionLog
            self._write(done, session_log=session(status=session.START))
        self._last = done
        values = [self._summaries.Summary.Value(tag=name, simple_value=value) for name, value in metrics.items()]
        self._write(done, summary=self._summaries.Summary(value=values))

    def _give_up(self, error: OSError) -> None:
        self._broken, self._writer = True, None
        say(f"warning: no more event files are written: {error}")

    def step_started(self, step: str, planned: Planned) -> None:
        """A file of its own, made with the first figure."""
        self.close()

    def step_said(self, step: str, message: str) -> None:
        """Nothing to draw."""

    def step_finished(self, step: str, *, built: bool) -> None:
        """Its file is complete."""
        self.close()

    def step_waiting(self, step: str) -> None:
        """Nothing to draw."""

    def close(self) -> None:
        """Write out what is still to be written."""
        writer, self._writer = self._writer, None
        if writer is not None:
            try:
                writer.close()
            except OSError as error:
                self._give_up(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
