"""Pairs of near-identical documents: MinHash signatures, candidates by LSH bands, each verified by its exact Jaccard index.

Takes documents as sorted arrays of distinct shingle hashes (luosi.text.words), kept in a scratch file and mapped, so memory
holds signatures and pairs only. MinHash: Broder 1997; banding: Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, 3.4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from luosi.text.words import Hashes, jaccard, mix

ROWS = 3
BANDS = 64
"""A pair of Jaccard index J becomes a candidate with chance 1 - (1 - J^3)^64: 0.06 at 0.1, 0.985 at 0.4, 1.000 at 0.6."""
ALL_PAIRS = 200
"""Buckets with more members are joined as a chain and a star instead of all pairs: boilerplate must not cost squares."""
SLACK = 0.12
"""Candidates whose estimated index is this far (3.4 standard deviations) below the threshold are not verified."""

Signatures = npt.NDArray[np.uint32]


class ShingleStore:
    """Shingle arrays of documents and their signatures, appended to two files in `folder` and mapped back by number."""

    def __init__(self, folder: Path) -> None:
        self._paths = (folder / "shingles.bin", folder / "signatures.bin")
        self._files = tuple(path.open("wb") for path in self._paths)
        self._ends = [0]
        self._shingles = np.zeros(0, np.uint64)
        generator = np.random.Generator(np.random.Philox(20261122))
        self._factors = generator.integers(1, 1 << 32, ROWS * BANDS, np.uint64).astype(np.uint32) | np.uint32(1)
        self._offsets = generator.integers(0, 1 << 32, ROWS * BANDS, np.uint64).astype(np.uint32)

    def add(self, shingles: Hashes) -> None:
        """Append one document's sorted distinct shingles."""
        shingles.tofile(self._files[0])
        self._signature(shingles).tofile(self._files[1])
        self._ends.append(self._ends[-1] + len(shingles))

    def _signature(self, shingles: Hashes) -> Signatures:
        """Minimum over the shingles of each of ROWS * BANDS hash functions."""
        lowest = np.full(ROWS * BANDS, np.iinfo(np.uint32).max, np.uint32)
        values = (shingles >> np.uint64(32)).astype(np.uint32)
        for first in range(0, len(values), 1024):  # 192 x 1,024 x 4 bytes stay in the cache
            block = self._factors[:, None] * values[None, first : first + 1024]
            block += self._offsets[:, None]
            np.minimum(lowest, block.min(axis=1), out=lowest)
        return lowest

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, number: int) -> Hashes:
        return self._shingles[self._ends[number] : self._ends[number + 1]]

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()

    def finish(self) -> Signatures:
        """Close the files; return all signatures, [documents, ROWS * BANDS], mapped."""
        self.close()
        if self._ends[-1]:
            self._shingles = np.memmap(self._paths[0], np.uint64, "r")
        if not len(self):
            return np.zeros((0, ROWS * BANDS), np.uint32)
        return np.memmap(self._paths[1], np.uint32, "r").reshape(len(self), ROWS * BANDS)


def similar_pairs(
    store: ShingleStore, threshold: float, progress: Callable[[int, int], None]
) -> list[tuple[int, int, float]]:
    """(i, j, exact Jaccard index) of pairs at or above `threshold`, i < j, sorted; empty documents are like nothing.

    The bands miss a few of the pairs at 0.4 (see BANDS) and next to none from 0.6 on.
    """
    signatures = store.finish()
    pairs = candidates(signatures)
    found = []
    for done, (first, second) in enumerate(_plausible(signatures, pairs, threshold - SLACK)):
        index = jaccard(store[first], store[second])
        if index >= threshold:
            found.append((first, second, index))
        if done % 1024 == 0:
            progress(done, len(pairs))
    return found


def candidates(signatures: Signatures) -> npt.NDArray[np.int64]:
    """Distinct pairs [n, 2], i < j, sorted, that agree on all rows of some band."""
    codes = [np.zeros(0, np.int64)]
    count = len(signatures)
    filled = np.flatnonzero(signatures.min(axis=1) < np.iinfo(np.uint32).max) if count else np.zeros(0, np.int64)
    for band in range(BANDS):
        rows = signatures[filled, band * ROWS : (band + 1) * ROWS].astype(np.uint64)
        keys = mix(rows[:, 0] << np.uint64(32) | rows[:, 1]) ^ rows[:, 2]
        order = np.argsort(keys, kind="stable")
        sorted_keys = keys[order]
        limits = np.flatnonzero(np.diff(sorted_keys)) + 1
        starts, ends = np.concatenate(([0], limits)), np.concatenate((limits, [len(order)]))
        for start, end in zip(starts[ends - starts > 1], ends[ends - starts > 1], strict=True):
            codes.append(_bucket_pairs(filled[order[start:end]], count))
    unique = np.unique(np.concatenate(codes))
    return np.stack((unique // max(count, 1), unique % max(count, 1)), axis=1)


def _bucket_pairs(members: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    """Codes i * count + j of the pairs of one bucket, whose members are in ascending order."""
    size = len(members)
    if size <= ALL_PAIRS:
        first, second = np.triu_indices(size, 1)
    else:
        chain = np.arange(size - 1)
        first = np.concatenate((chain, np.zeros(size - 1, np.int64)))
        second = np.concatenate((chain + 1, chain + 1))
    codes: npt.NDArray[np.int64] = members[first] * count + members[second]
    return codes


def _plausible(signatures: Signatures, pairs: npt.NDArray[np.int64], least: float) -> Iterator[tuple[int, int]]:
    """The pairs whose signatures agree in at least this share of their places."""
    for start in range(0, len(pairs), 4096):
        block = pairs[start : start + 4096]
        agreement = (signatures[block[:, 0]] == signatures[block[:, 1]]).mean(axis=1)
        for first, second in block[agreement >= least]:
            yield int(first), int(second)


def later_copies(pairs: Iterable[tuple[int, int, float]], threshold: float) -> dict[int, tuple[int, float]]:
    """Documents to drop: {number: (the kept document it is like, Jaccard index)}.

    Going through the documents in order, one is dropped if it is like an earlier one that was kept.

    >>> later_copies([(0, 1, 0.9), (1, 2, 0.9)], 0.8)  # 2 is like 1, but 1 is gone
    {1: (0, 0.9)}
    """
    dropped: dict[int, tuple[int, float]] = {}
    for first, second, index in sorted(pairs, key=lambda pair: (pair[1], pair[0])):
        if index >= threshold and first not in dropped and second not in dropped:
            dropped[second] = (first, index)
    return dropped
