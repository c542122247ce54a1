"""Checkpoints: one safetensors file per saved step, whole or absent, the newest two kept; written while training goes on.

A file holds tensors and, in its header, one JSON object; no pickle is ever read. Written as a temporary file, synced, then
renamed, so that neither a kill nor a power loss leaves half a checkpoint under its name. Knows nothing of what is saved.
"""

from __future__ import annotations

import json
import math
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from luosi.training.sharding import whole

KEPT = 2

STANDSTILL = 0.01
"""Checkpoints are spaced so that copying them stops training for at most this share of the time."""


@dataclass(frozen=True)
class Checkpoint:
    """What was saved at `step` (steps done)."""

    step: int
    tensors: dict[str, Tensor]
    notes: dict[str, object]


class Checkpoints:
    """The checkpoints in `folder`, which is made if absent."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.damaged: set[str] = set()
        """Names of those that `newest` found not to be whole."""

    def save(self, checkpoint: Checkpoint) -> None:
        """Store a checkpoint and drop the damaged and all others but the newest two; where the disk has no room for a third, all but one
        go before.

        Raises:
            OSError: It could not be written (no space left, ...); the last one stays.
        """
        while self.damaged:
            (self.folder / self.damaged.pop()).unlink(missing_ok=True)
        try:
            self._write(checkpoint)
        except OSError:
            older = self._files()[1:]
            if not older:
                raise
            for path in older:
                path.unlink()
            self._write(checkpoint)
        for old in self._files()[KEPT:]:
            old.unlink()

    def _write(self, checkpoint: Checkpoint) -> None:
        temporary = self.folder / "unfinished.tmp"
        try:
            tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.tensors.items()}
            save_file(tensors, temporary, metadata={"notes": json.dumps(checkpoint.notes, sort_keys=True)})
            _sync(temporary)
            temporary.replace(self.folder / f"step-{checkpoint.step:09d}.safetensors")
        except (OSError, SafetensorError) as error:
            temporary.unlink(missing_ok=True)
            raise OSError(f"checkpoint of step {checkpoint.step} could not be written: {error}") from error
        if os.name == "posix":
            _sync(self.folder)

    def newest(self, most: int | None = None) -> Checkpoint | None:
        """The newest checkpoint that can be read, of at most `most` steps; None if there is none. Damaged ones are passed over.

        Raises:
            OSError: The disk cannot be read.
        """
        for path in self._files():
            if most is not None and _step(path) > most:
                continue
            try:
                with safe_open(path, framework="pt") as file:
                    tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                    notes = json.loads(file.metadata()["notes"])
            except (SafetensorError, KeyError, TypeError, ValueError):
                self.damaged.add(path.name)
                continue
            return Checkpoint(_step(path), tensors, notes)
        return None

    def steps(self) -> list[int]:
        """Of those that are there, the newest first, the damaged left out."""
        return [_step(path) for path in self._files() if path.name not in self.damaged]

    def forget_after(self, step: int) -> None:
        """Drop the checkpoints of more than `step` steps: training went back to before them."""
        for path in self._files():
            if _step(path) > step:
                path.unlink()

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("step-*.safetensors"), reverse=True)


class Snapshots:
    """Saves checkpoints while training goes on: `take` copies into memory, a thread writes the copy; one write at a time.

    They are spaced by Young (1974): sqrt(2 x what one costs x time between failures), where the cost is the copying plus what the
    writing takes from the processor, both measured each time; never more than `most_s` apart, so that this is the most a kill
    loses, unless copying alone would then take more than STANDSTILL of the time.

    Args:
        checkpoints: Where to.
        failures_every_s: Expected seconds between failures of the machine.
        most_s: Seconds between two at most. The first is due at once: it measures the cost.
    """

    def __init__(self, checkpoints: Checkpoints, *, failures_every_s: float, most_s: float) -> None:
        self._checkpoints, self._failures_every_s, self._most_s = checkpoints, failures_every_s, most_s
        self._copies: dict[str, Tensor] = {}
        self._writer: threading.Thread | None = None
        self._failure, self._no_room = "", False
        self._taken_at = -math.inf
        self._copying_s = self._writing_s = 0.0
        self.standstill_s = 0.0
        """Seconds for which training stood still so far."""

    @property
    def interval_s(self) -> float:
        """Seconds from one to the next, by what the last one cost; the longest after one that found no memory."""
        if self._no_room:
            return self._most_s
        young = math.sqrt(2 * (self._copying_s + self._writing_s) * self._failures_every_s)
        return max(min(young, self._most_s), self._copying_s / STANDSTILL)

    @property
    def due(self) -> bool:
        """Whether it is time for one; never while one is being written."""
        writing = self._writer is not None and self._writer.is_alive()
        return not writing and time.monotonic() - self._taken_at >= self.interval_s

    def take(self, checkpoint: Checkpoint) -> None:
        """Save it: from the moment that this returns, its tensors may change. Those shared out among workers are made whole one by one."""
        began, worked = time.monotonic(), time.thread_time()
        self.wait()
        self._copies = self._room(checkpoint)
        self._no_room = not self._copies
        for name, tensor in checkpoint.tensors.items():
            all_of_it = whole(tensor.detach())  # without room too: the other workers take part
            if not self._no_room:
                self._copies[name].copy_(all_of_it, non_blocking=True)
        if self._no_room:
            self._taken_at = time.monotonic()
            return
        if on_device := any(tensor.is_cuda for tensor in checkpoint.tensors.values()):
            torch.cuda.synchronize()
        kept = Checkpoint(checkpoint.step, self._copies, checkpoint.notes)
        self._writer = threading.Thread(target=self._write, args=(kept,), name="checkpoint")
        self._writer.start()
        self._taken_at = time.monotonic()
        self.standstill_s += self._taken_at - began
        # on a CPU the work alone: what others took from the processor meanwhile, they would have taken anyway
        self._copying_s = self._taken_at - began if on_device else time.thread_time() - worked

    def wait(self) -> None:
        """Until what was taken is on the disk, or could not be written."""
        if self._writer is not None:
            self._writer.join()

    def failure(self) -> str:
        """Why the last one could not be written, or ""; told once."""
        told, self._failure = self._failure, ""
        return told

    def _room(self, checkpoint: Checkpoint) -> dict[str, Tensor]:
        """Where its copy goes, the last one's room where that fits; nothing if there is no memory for it, which is then the failure."""
        room = {}
        try:
            for name, tensor in checkpoint.tensors.items():
                copy = self._copies.get(name)
                if copy is None or copy.shape != tensor.shape or copy.dtype != tensor.dtype:
                    copy = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=tensor.is_cuda)
                room[name] = copy
        except (MemoryError, RuntimeError) as error:
            if not short_of_memory(error):
                raise
            size = sum(tensor.nbytes for tensor in checkpoint.tensors.values())
            self._failure = f"checkpoint of step {checkpoint.step} found no memory for its copy of {size / 1e6:,.0f} MB"
            return {}
        return room

    def _write(self, checkpoint: Checkpoint) -> None:
        began = time.thread_time()
        try:
            self._checkpoints.save(checkpoint)
        except OSError as error:
            self._failure = str(error)
        self._writing_s = time.thread_time() - began


def short_of_memory(error: Exception) -> bool:
    """Whether it is memory that was not found: torch's error is a RuntimeError on CPUs."""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "DefaultCPUAllocator" in str(error)


def _step(path: Path) -> int:
    return int(path.stem.removeprefix("step-"))


def _sync(path: Path) -> None:
    """Wait until `path`'s bytes (a folder: its names) are on the disk."""
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
