"""The training loop: a model, numbered rows and optimizers in; trained parameters and a loss curve out.

Killed anywhere and called again with the same arguments, it goes on from its newest checkpoint and, on a CPU, ends in the
same bits as an uninterrupted run: the order of data depends on the step alone, and threads and mode (compiled or not) are
those of the first start. In several processes at once (see `workers`) each takes its share of every batch and, where the model is
shared out (see `sharding`), keeps its share of that. A bad loss sends it back to the last good checkpoint and past the batch. Knows neither stages nor where models come from.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from luosi.cost import Cost
from luosi.errors import BudgetExceeded, Interrupted, LuosiError, StageError, TrainingDiverged
from luosi.models.precision import autocast
from luosi.models.transformer import Transformer
from luosi.training import sharding, workers
from luosi.training.batches import IGNORED, Batch, Rows, batch
from luosi.training.checkpoints import Checkpoint, Checkpoints, Snapshots, short_of_memory
from luosi.training.estimates import DRAWN_CHUNK_TOKENS, MICRO_TOKENS, PIECE_FLOP
from luosi.training.faults import AVERAGED, above_usual, diverged, fault, ran_away
from luosi.training.loss import cross_entropy_sum
from luosi.training.optimizers import Optimizers
from luosi.training.schedules import Course, Step
from luosi.training.settings import Settings
from luosi.training.state import Run, first_start, reproducible, restore, resumed
from luosi.training.workers import Watcher

CLIP_NORM = 1.0
"""Gradients of a larger norm are scaled down to it."""

MAX_EPOCHS = 4
"""Passes over the text up to which repeating it is nearly as good as new text."""


@dataclass(frozen=True)
class Result:
    """What a finished training tells."""

    losses: list[float]
    """Of each step's batch, in nats per learned token; nan where it was skipped."""
    course: Course
    skipped: dict[int, str]
    """Steps, from 0, whose batches were not learned from, and why."""
    tokens_per_s: float
    """The median of this attempt's steps; 0 if it had none to do."""
    standstill: float
    """Share of this attempt's steps' time for which they stood still for checkpoints."""

    def curve(self) -> Iterator[dict[str, object]]:
        """Rows of `curve.jsonl`: steps done, tokens seen, the last step's loss; skipped steps are left out."""
        for number, loss in enumerate(self.losses):
            if math.isfinite(loss):
                step = self.course.at(number)
                tokens = (step.first_row + step.rows) * self.course.length
                yield {"step": number + 1, "tokens": tokens, "loss": loss}

    def figures(self, epochs: float) -> dict[str, float | int | str | bool]:
        """Of a step that has trained over so many passes of its text."""
        measured = {"training_tokens_per_s": self.tokens_per_s, "checkpoint_standstill": self.standstill}
        return {
            "final_loss": self.final_loss,
            "epochs": epochs,
            "skipped_batches": len(self.skipped),
            **(measured if self.tokens_per_s else {}),
        }

    @property
    def final_loss(self) -> float:
        """Mean over the last steps, nats per learned token."""
        return statistics.fmean(loss for loss in self.losses[-AVERAGED:] if math.isfinite(loss))


def train(model: Transformer, rows: Rows, optimizers: Optimizers, settings: Settings, context: Watcher) -> Result:
    """Train what `optimizers` hold of `model`, in place, from the newest checkpoint in `context.scratch` or from the start.

    A model that is shared out among workers comes back whole, on the CPU.

    Raises:
        InputError: The checkpoint is of other settings, or a batch does not divide among the workers.
        StageError: The memory does not hold a step.
        TrainingDiverged: The loss ran away or stayed bad; the last good checkpoint stays.
        BudgetExceeded, Interrupted: From `context.progress`; a checkpoint was saved before.
    """
    return _Training(model, rows, optimizers, settings, context).to_the_end()


def warn_of_epochs(epochs: float, context: Watcher, what: str = "the text") -> None:
    """Say so if the text goes by more often than repeating it is worth (Muennighoff et al. 2023, arXiv:2305.16264)."""
    if epochs >= MAX_EPOCHS:
        context.say(
            f"warning: {what} is read {epochs:.1f} times; from {MAX_EPOCHS} times on it teaches little: give more of it, or train for less"
        )


def warn_of_short_documents(longest: int, sequence: int, context: Watcher) -> None:
    """Say so if no document fills a row of `sequence` positions."""
    if longest < sequence:
        context.say(
            f"no document that is read is longer than {longest} tokens: rows of {sequence} hold several each, "
            "and no longer context is learned"
        )


def best_device() -> torch.device:
    """CUDA where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


class _Training:
    """One attempt."""

    def __init__(
        self, model: Transformer, rows: Rows, optimizers: Optimizers, settings: Settings, context: Watcher
    ) -> None:
        self._model, self._rows, self._optimizers = model, rows, optimizers
        self._settings, self._course, self._context = settings, settings.course, context
        self._team, self._shared = workers.here(), sharding.is_shared_out(model)
        self._team.share(self._course.rows)
        self._checkpoints = Checkpoints(context.scratch / "checkpoints")
        self._seconds: list[float] = []
        self._speeds: list[float] = []
        self._run = self._start(self._checkpoints.newest())
        self._snapshots = Snapshots(
            self._checkpoints, failures_every_s=settings.failures_every_s, most_s=settings.checkpoint_every_s
        )

    def to_the_end(self) -> Result:
        """All steps that are left."""
        run, steps = self._run, self._course.steps
        self._context.progress(run.step, steps, "steps")
        try:
            with reproducible(run.threads, compiles=run.compiled):
                hidden = sharding.compiled(self._model, self._context.say) if run.compiled else self._model.hidden
                while run.step < steps:
                    began = time.monotonic()
                    with _told_of_memory(self._course):
                        metrics = self._advance(hidden, began)
                    self._seconds.append(time.monotonic() - began)
                    self._tell(metrics)
            standstill = self._snapshots.standstill_s / max(sum(self._seconds), 1e-9)
            self._save()
            sharding.gather(self._model)
            self._team.dismiss()
        finally:
            self._snapshots.wait()
            self._tell_failure()
        speed = statistics.median(self._speeds) if self._speeds else 0.0
        return Result(run.losses, self._course, run.faults.skipped, speed, standstill)

    def _advance(self, hidden: Callable[..., Tensor], began: float) -> dict[str, float]:
        """One step, or a step back; what is to be told of it."""
        run, context = self._run, self._context
        step = self._course.at(run.step)
        if run.step in run.faults.skipped:
            run.losses.append(math.nan)
            return {}
        part = batch(self._rows, step.first_row, step.rows)
        loss = self._gradients(hidden, part, step)
        if loss is None:
            return {}
        norm = sharding.clip(self._optimizers.parameters.values(), CLIP_NORM)
        tokens, flop = part.tokens_BT.size, self._settings.flop(step)
        context.spend(Cost(flop=flop, tokens=tokens))
        if what := fault(loss, norm, run.losses, run.faults.odd(run.losses)):
            self._go_back(what, above_usual(loss, run.losses), part)
            return {}
        if what := ran_away(run.losses):
            raise self._diverged(what, part)
        if self._agreed(self._team.rank == 0 and self._snapshots.due):
            self._save()  # now, as the loss has shown that the weights are good
        self._tell_failure()
        self._optimizers.step(step.multiplier)
        run.losses.append(loss)
        seconds = time.monotonic() - began
        self._speeds.append(tokens / seconds)
        told = {"loss": loss, "tokens_per_s": tokens / seconds, "flop_per_s": flop / seconds}
        if context.machine.source == "measured":  # a share of a guessed peak would tell nothing
            peak = context.machine.bf16_flops if self._settings.precision == "bf16" else context.machine.fp32_flops
            devices = self._team.count if context.machine.device == "cuda" else 1
            told["mfu"] = flop / seconds / (peak * devices)
        if self._settings.positions_per_byte:
            told["bpb"] = loss / math.log(2) * self._settings.positions_per_byte
        return told

    def _gradients(self, hidden: Callable[..., Tensor], part: Batch, step: Step) -> float | None:
        """Gradients of the batch's mean loss into the parameters, piece by piece; returns that loss in nats per learned token.

        Breaks off between two pieces, with None, if the step must stop.
        """
        precision, device = self._settings.precision, next(self._model.parameters()).device
        mine = self._team.share(len(part.tokens_BT))
        tokens, targets, segments = (
            torch.from_numpy(array[mine]).to(device) for array in (part.tokens_BT, part.targets_BT, part.segments_BT)
        )
        total = torch.zeros((), device=device)
        learned = max(1, int((part.targets_BT != IGNORED).sum()))
        most = MICRO_TOKENS
        if device.type == "cpu":
            most = min(most, int(PIECE_FLOP / (6 * self._model.shape.parameters)))
        size = _piece_rows(len(tokens), tokens.shape[1], most)
        words = self._settings.words
        chunks = len(tokens) // size * math.ceil(size * tokens.shape[1] / DRAWN_CHUNK_TOKENS)
        draw = words.draw(step.first_row, self._team.rank * chunks) if words else None
        for begin in range(0, len(tokens), size):
            if self._agreed(bool(self._context.stop_reason)):
                return None
            piece = slice(begin, begin + size)
            with autocast(precision, device.type):
                states = hidden(tokens[piece], segments_BT=segments[piece]).flatten(0, 1)
                loss = cross_entropy_sum(states, self._model.head_weight, targets[piece].flatten(), precision, draw)
            torch.autograd.backward(loss / learned)
            total += loss.detach() / learned
        self._team.sum([] if self._shared else self._optimizers.parameters.values(), total)
        return float(total)

    def _go_back(self, what: str, above: float, part: Batch) -> None:
        """To the last good checkpoint, from where the batch, whose loss lay so far `above` the usual, is going to be skipped."""
        run = self._run
        step, most = run.step, run.faults.skip(run.step, what, above)
        self._snapshots.wait()
        self._team.meet()  # what the first worker has written is there for all
        nothing_left = len(run.faults.skipped) == self._course.steps
        saved = None if most is None or nothing_left else self._checkpoints.newest(most)
        if saved is None:
            raise self._diverged(what, part)
        self._context.say(
            f"warning: step {step + 1}: {what}; going back to step {saved.step} and skipping the batch of "
            + " and ".join(f"step {one + 1}" for one in sorted(run.faults.skipped) if one >= saved.step)
        )
        restore(run, saved, self._optimizers)
        self._team.meet()  # all have looked at what is now dropped
        if self._team.rank == 0:
            self._checkpoints.forget_after(saved.step)
        self._save()

    def _diverged(self, what: str, part: Batch) -> TrainingDiverged:
        return diverged(self._run.step, what, self._run.faults, part.documents, self._context.scratch)

    def _start(self, saved: Checkpoint | None) -> Run:
        settings, say = self._settings, self._context.say
        for name in self._checkpoints.damaged:
            say(f"warning: the checkpoint {name} is damaged and is passed over")
        self._team.require_same(saved.step if saved else 0, "the step of its newest checkpoint")
        identity = settings.identity() | self._optimizers.identity()
        if saved is None:
            return first_start(
                identity, self._team, seed=settings.seed, threads=settings.threads, compile=settings.compile, say=say
            )
        run = resumed(saved, identity, self._team, threads=settings.threads, say=say)
        restore(run, saved, self._optimizers)
        say(f"going on from the checkpoint of step {run.step} of {self._course.steps}")
        return run

    def _save(self) -> None:
        """Take a checkpoint, if this is the first worker; a disk that cannot take it only costs the way back."""
        checkpoint = self._run.checkpoint(self._optimizers)
        if self._team.rank == 0:
            self._snapshots.take(checkpoint)
        elif self._shared:
            for tensor in checkpoint.tensors.values():
                sharding.whole(tensor)

    def _tell(self, metrics: dict[str, float]) -> None:
        """How far the run is; a checkpoint is saved if it must stop here, and where all must save it, all stop."""
        stop: LuosiError | None = None
        try:
            self._context.progress(self._run.step, self._course.steps, "steps", **metrics)
        except (BudgetExceeded, Interrupted) as error:
            stop = error
        if self._agreed(stop is not None):
            self._save()
            self._team.dismiss()
            raise stop or Interrupted("another of the workers was stopped", hint="run again to go on")

    def _agreed(self, here: bool) -> bool:
        """Whether it is so, for all workers if what is to follow takes them all or each is asked to stop by itself."""
        return self._team.any(here) if self._shared or self._team.launched else here

    def _tell_failure(self) -> None:
        if what := self._snapshots.failure():
            left = self._checkpoints.steps()
            back = f"to step {left[0]}" if left else "to the start"
            self._context.say(f"warning: {what}; a kill, or a stop, would fall back {back}")


@contextmanager
def _told_of_memory(course: Course) -> Iterator[None]:
    """Say in words that a step found no memory."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not short_of_memory(error):
            raise
        raise StageError(
            f"there is not enough memory for a step of {course.rows} x {course.length} tokens: {str(error).partition(chr(10))[0]}",
            hint="take a shorter sequence, fewer batch_tokens or a smaller model, or end other programs; it goes on from the last checkpoint",
        ) from error


def _piece_rows(rows: int, row_tokens: int, most_tokens: int) -> int:
    """The most rows, dividing the batch evenly, that stay within `most_tokens`: equal shapes are compiled once."""
    fitting = max(1, most_tokens // row_tokens)
    return max(size for size in range(1, rows + 1) if rows % size == 0 and size <= fitting)
