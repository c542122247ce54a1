"""Checkpoints: one safetensors file per saved step, whole or absent; the newest two are kept.

A file holds tensors and, in its header, one JSON object; no pickle is ever read. Written as a temporary file, synced, then
renamed, so that neither a kill nor a power loss leaves half a checkpoint under its name. Knows nothing of what is saved.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

KEPT = 2


@dataclass(frozen=True)
class Checkpoint:
    """What was saved at `step` (steps done)."""

    step: int
    tensors: dict[str, Tensor]
    notes: dict[str, object]


class Checkpoints:
    """The checkpoints in `folder`, which is made if absent."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def save(self, checkpoint: Checkpoint) -> None:
        """Store a checkpoint and drop all but the newest two.

        Raises:
            OSError: It could not be written (no space left, ...); the earlier ones stay.
        """
        temporary = self._folder / "unfinished.tmp"
        try:
            tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.tensors.items()}
            save_file(tensors, temporary, metadata={"notes": json.dumps(checkpoint.notes, sort_keys=True)})
            _sync(temporary)
            temporary.replace(self._folder / f"step-{checkpoint.step:09d}.safetensors")
        except (OSError, SafetensorError) as error:
            temporary.unlink(missing_ok=True)
            raise OSError(f"checkpoint of step {checkpoint.step} could not be written: {error}") from error
        if os.name == "posix":
            _sync(self._folder)
        for old in self._files()[KEPT:]:
            old.unlink()

    def newest(self) -> Checkpoint | None:
        """The newest checkpoint that can be read, or None; an unreadable one is passed over."""
        for path in self._files():
            try:
                with safe_open(path, framework="pt") as file:
                    tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                    notes = json.loads(file.metadata()["notes"])
            except (OSError, SafetensorError, KeyError, TypeError, ValueError):
                continue
            return Checkpoint(int(path.stem.removeprefix("step-")), tensors, notes)
        return None

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("step-*.safetensors"), reverse=True)


def _sync(path: Path) -> None:
    """Wait until `path`'s bytes (a folder: its names) are on the disk."""
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
