"""Vectors on disk in 8 bits a number, and how alike they are to one: a block at a time, mapped, nothing kept in memory.

A row is stored as whole numbers from -127 to 127 and the one scale that gives its length back; a cosine is off by less than 0.005.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
BLOCK = 2048
"""Rows made into 32-bit numbers at once: they stay in the processor's cache, and no product is worth a second thread."""


def write(folder: Path, parts: list[Path], width: int, rows: int) -> None:
    """Write `vectors.npy` (rows, width) and `scales.npy` (rows,) from files of float32 rows, in order."""
    numbers = np.lib.format.open_memmap(folder / "vectors.npy", "w+", np.int8, (rows, width))
    scales = np.lib.format.open_memmap(folder / "scales.npy", "w+", np.float32, (rows,))
    place = 0
    for path in parts:
        part = np.load(path)
        steps = np.maximum(np.abs(part).max(axis=1), 1e-12) / 127
        numbers[place : place + len(part)] = np.rint(part / steps[:, None])
        scales[place : place + len(part)] = steps
        place += len(part)
    assert place == rows, f"{place} vectors for {rows} passages"
    numbers.flush()
    scales.flush()


class VectorTable:
    """The vectors in `folder`. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self._numbers = np.load(folder / "vectors.npy", mmap_mode="r")
        self._scales = np.load(folder / "scales.npy", mmap_mode="r")

    def products(self, vector: Vectors) -> Vectors:
        """(rows,): the product of every row with `vector` (width,)."""
        found = np.empty(len(self._scales), np.float32)
        for start in range(0, len(found), BLOCK):
            found[start : start + BLOCK] = np.vecdot(self._numbers[start : start + BLOCK].astype(np.float32), vector)
        found *= self._scales
        return found
