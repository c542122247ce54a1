"""Vectors on disk in 8 bits a number, and how alike they are to one: a block at a time, mapped, nothing kept in memory.

A row is stored as whole numbers from -127 to 127 and the one scale that gives its length back; a cosine is off by less than 0.005.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
BLOCK = 2048
"""Rows made into 32-bit numbers at once: they stay in the processor's cache, and no product is worth a second thread."""


def write(folder: Path, name: str, parts: Iterable[Vectors], width: int, rows: int) -> None:
    """Write `NAME.npy` (rows, width) and `NAME_scales.npy` (rows,) from vectors that come in parts, in order."""
    numbers = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.int8, (rows, width))
    scales = np.lib.format.open_memmap(folder / f"{name}_scales.npy", "w+", np.float32, (rows,))
    place = 0
    for part in parts:
        steps = np.maximum(np.abs(part).max(axis=1), 1e-12) / 127
        numbers[place : place + len(part)] = np.rint(part / steps[:, None])
        scales[place : place + len(part)] = steps
        place += len(part)
    assert place == rows, f"{place} vectors, expected {rows}"
    numbers.flush()
    scales.flush()


def save(path: Path, rows: Vectors) -> None:
    """Keep float32 rows in a file, whole or not at all, whatever happens meanwhile."""
    unfinished = path.with_suffix(".tmp")
    with unfinished.open("wb") as file:
        np.save(file, rows)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


class VectorTable:
    """The vectors that were written into `folder` as `name`. Thread-safe."""

    def __init__(self, folder: Path, name: str) -> None:
        self._numbers = np.load(folder / f"{name}.npy", mmap_mode="r")
        self._scales = np.load(folder / f"{name}_scales.npy", mmap_mode="r")

    def __len__(self) -> int:
        return len(self._scales)

    def sum(self, rows: npt.NDArray[np.integer]) -> Vectors:
        """(width,): the sum of some rows."""
        return self._scales[rows] @ self._numbers[rows].astype(np.float32)  # type: ignore[no-any-return]

    def products(self, vector: Vectors) -> Vectors:
        """(rows,): the product of every row with `vector` (width,)."""
        found = np.empty(len(self._scales), np.float32)
        for start in range(0, len(found), BLOCK):
            found[start : start + BLOCK] = np.vecdot(self._numbers[start : start + BLOCK].astype(np.float32), vector)
        found *= self._scales
        return found
