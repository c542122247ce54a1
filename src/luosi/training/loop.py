"""The training loop: a model, numbered rows and optimizers in; trained parameters and a loss curve out.

Killed anywhere and called again with the same arguments, it goes on from its newest checkpoint and, on a CPU, ends in the
same bits as an uninterrupted run: the order of data depends on the step alone, and threads and mode (compiled or not) are
those of the first start. Knows neither stages nor where models come from.
"""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch

from luosi.artifacts.base import write_json
from luosi.cost import Cost
from luosi.errors import BudgetExceeded, Interrupted, TrainingDiverged
from luosi.models.precision import autocast
from luosi.models.transformer import Transformer
from luosi.training.batches import IGNORED, Batch, Rows, batch
from luosi.training.checkpoints import Checkpoint, Checkpoints
from luosi.training.estimates import MICRO_TOKENS
from luosi.training.loss import cross_entropy_sum
from luosi.training.optimizers import Optimizers
from luosi.training.schedules import wsd

CLIP_NORM = 1.0
"""Gradients of a larger norm are scaled down to it."""

WINDOW = 20
"""Steps over which losses are averaged to tell whether training ran away."""

RAN_AWAY_NATS = 1.0
"""How far the mean loss of the last WINDOW steps may lie above that of the first."""

MAX_EPOCHS = 4
"""Passes over the text up to which repeating it is nearly as good as new text."""

CHECKPOINT_SHARE = 0.05
"""Checkpoints are spaced so that writing them takes at most this share of the time."""


@dataclass(frozen=True)
class Settings:
    """What the loop needs to know besides model, data and optimizers."""

    steps: int
    batch_rows: int
    row_tokens: int
    warmup_fraction: float
    decay_fraction: float
    precision: Literal["bf16", "fp32"]
    compile: bool
    seed: int
    step_flop: float
    """FLOP of one step, for the bill."""
    threads: int = 0
    """CPU threads at the first start; 0 for torch's choice."""
    checkpoint_every_s: float = 20.0


class Watcher(Protocol):
    """What the loop uses of a stage's Context."""

    scratch: Path

    def progress(self, done: float, total: float, unit: str, **metrics: float) -> None: ...  # noqa: D102

    def say(self, message: str) -> None: ...  # noqa: D102

    def spend(self, cost: Cost) -> None: ...  # noqa: D102


@dataclass(frozen=True)
class Result:
    """What a finished training tells."""

    losses: list[float]
    """Of each step's batch, in nats per learned token."""
    step_tokens: int
    tokens_per_s: float
    """The median of this attempt's steps; 0 if it had none to do."""

    def curve(self) -> Iterator[dict[str, object]]:
        """Rows of `curve.jsonl`: steps done, tokens seen, the last step's loss."""
        for step, loss in enumerate(self.losses, 1):
            yield {"step": step, "tokens": step * self.step_tokens, "loss": loss}

    @property
    def final_loss(self) -> float:
        """Mean over the last steps, nats per learned token."""
        return statistics.fmean(self.losses[-WINDOW:])


@dataclass
class _Run:
    """Where a run stands, and the mode that its first start fixed."""

    threads: int
    compiled: bool
    losses: list[float] = field(default_factory=list)

    @property
    def step(self) -> int:
        """Steps done."""
        return len(self.losses)


def train(model: Transformer, rows: Rows, optimizers: Optimizers, settings: Settings, context: Watcher) -> Result:
    """Train what `optimizers` hold of `model`, in place, from the newest checkpoint in `context.scratch` or from the start.

    Raises:
        TrainingDiverged: The loss is not a number or ran away; the last good checkpoint stays.
        BudgetExceeded, Interrupted: From `context.progress`; a checkpoint was saved before.
    """
    checkpoints = Checkpoints(context.scratch / "checkpoints")
    run = _start_or_resume(checkpoints, optimizers, settings, context)
    context.progress(run.step, settings.steps, "steps")
    step_tokens = settings.batch_rows * settings.row_tokens
    speeds: list[float] = []
    saved_at, save_s = time.monotonic(), 0.0
    with _reproducible(run.threads):
        hidden = torch.compile(model.hidden, dynamic=False) if run.compiled else model.hidden
        while run.step < settings.steps:
            began = time.monotonic()
            part = batch(rows, run.step, settings.batch_rows)
            loss = _forward_backward(model, hidden, part, settings)
            norm = float(torch.nn.utils.clip_grad_norm_(optimizers.parameters.values(), CLIP_NORM))
            _check(loss, norm, run, part, context)
            optimizers.step(_multiplier(run.step, settings))
            run.losses.append(loss)
            context.spend(Cost(flop=settings.step_flop, tokens=step_tokens))
            now = time.monotonic()
            speeds.append(step_tokens / (now - began))
            if run.step == settings.steps or now - saved_at > max(
                settings.checkpoint_every_s, save_s / CHECKPOINT_SHARE
            ):
                _save(checkpoints, run, optimizers, context)
                saved_at = time.monotonic()
                save_s = saved_at - now
            try:
                context.progress(run.step, settings.steps, "steps", loss=loss, tokens_per_s=speeds[-1])
            except (BudgetExceeded, Interrupted):
                _save(checkpoints, run, optimizers, context)
                raise
    return Result(run.losses, step_tokens, statistics.median(speeds) if speeds else 0.0)


def warn_of_epochs(epochs: float, context: Watcher) -> None:
    """Say so if the text goes by more often than repeating it is worth (Muennighoff et al. 2023, arXiv:2305.16264)."""
    if epochs > MAX_EPOCHS:
        context.say(
            f"warning: the text is read {epochs:.1f} times; beyond {MAX_EPOCHS} times it teaches little: give more text"
        )


def best_device() -> torch.device:
    """CUDA where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _multiplier(step: int, settings: Settings) -> float:
    return wsd(step, settings.steps, warmup_fraction=settings.warmup_fraction, decay_fraction=settings.decay_fraction)


def _forward_backward(model: Transformer, hidden: object, part: Batch, settings: Settings) -> float:
    """Gradients of the batch's mean loss into the parameters, piece by piece; returns that loss in nats per learned token."""
    assert callable(hidden)
    device = next(model.parameters()).device
    tokens, targets, segments = (
        torch.from_numpy(array).to(device) for array in (part.tokens_BT, part.targets_BT, part.segments_BT)
    )
    total = torch.zeros((), device=device)
    learned = max(1, int((part.targets_BT != IGNORED).sum()))
    size = _piece_rows(settings)
    for begin in range(0, settings.batch_rows, size):
        piece = slice(begin, begin + size)
        with autocast(settings.precision, device.type):
            states = hidden(tokens[piece], segments_BT=segments[piece]).flatten(0, 1)
            loss = cross_entropy_sum(states, model.head_weight, targets[piece].flatten(), settings.precision)
        torch.autograd.backward(loss / learned)
        total += loss.detach()
    return float(total) / learned


def _piece_rows(settings: Settings) -> int:
    """The most rows, dividing the batch evenly, that stay within MICRO_TOKENS: equal shapes are compiled once."""
    fitting = max(1, MICRO_TOKENS // settings.row_tokens)
    return max(
        size for size in range(1, settings.batch_rows + 1) if settings.batch_rows % size == 0 and size <= fitting
    )


def _check(loss: float, norm: float, run: _Run, part: Batch, context: Watcher) -> None:
    """Stop before the update if the loss or the gradient is not a number, or the loss ran away."""
    if np.isfinite(loss) and np.isfinite(norm):
        first, last = run.losses[:WINDOW], run.losses[-WINDOW:]
        if run.step < 2 * WINDOW or statistics.fmean(last) < statistics.fmean(first) + RAN_AWAY_NATS:
            return
        what = f"the mean loss rose from {statistics.fmean(first):.2f} to {statistics.fmean(last):.2f}"
    else:
        what = f"the loss is {loss:.4g} and the gradient's norm {norm:.4g}"
    write_json(context.scratch / "diverged.json", {"step": run.step + 1, "documents": list(part.documents)})
    shown = ", ".join(part.documents[:8]) + (f" and {len(part.documents) - 8} more" if len(part.documents) > 8 else "")
    raise TrainingDiverged(
        f"training diverged at step {run.step + 1}: {what}; the batch holds the documents {shown}",
        hint="lower the learning rate, or look at these documents; the last good checkpoint is kept "
        f"(all of the batch's documents: {context.scratch / 'diverged.json'})",
    )


def _start_or_resume(checkpoints: Checkpoints, optimizers: Optimizers, settings: Settings, context: Watcher) -> _Run:
    saved = checkpoints.newest()
    if saved is None:
        torch.manual_seed(settings.seed)
        compiled = settings.compile and shutil.which(os.environ.get("CXX", "g++")) is not None
        if settings.compile and not compiled:
            context.say("warning: no C++ compiler was found, training goes on uncompiled; it only takes longer")
        return _Run(settings.threads or torch.get_num_threads(), compiled)
    run = _Run(int(str(saved.notes["threads"])), bool(saved.notes["compiled"]), saved.tensors.pop("losses").tolist())
    torch.set_rng_state(saved.tensors.pop("rng"))
    with torch.no_grad():
        for name, parameter in optimizers.parameters.items():
            parameter.copy_(saved.tensors.pop(f"parameter/{name}"))
    optimizers.load(saved.tensors)
    context.say(f"going on from the checkpoint of step {run.step} of {settings.steps}")
    return run


def _save(checkpoints: Checkpoints, run: _Run, optimizers: Optimizers, context: Watcher) -> None:
    """Save what a resumed run needs; a disk that cannot take it only costs the way back."""
    tensors = {f"parameter/{name}": parameter for name, parameter in optimizers.parameters.items()}
    tensors |= optimizers.state()
    tensors |= {"losses": torch.tensor(run.losses, dtype=torch.float64), "rng": torch.get_rng_state()}
    notes: dict[str, object] = {"threads": run.threads, "compiled": run.compiled}
    try:
        checkpoints.save(Checkpoint(run.step, tensors, notes))
    except OSError as error:
        context.say(f"warning: {error}; training goes on, a kill would fall back to an earlier checkpoint")


@contextmanager
def _reproducible(threads: int) -> Iterator[None]:
    """`threads` threads and deterministic algorithms while inside; on a CPU the same inputs then give the same bits."""
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(not torch.cuda.is_available())
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1])
