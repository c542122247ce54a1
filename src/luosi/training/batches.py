"""Batches of packed documents: which token stands where is a pure function of the seed and the row's global number.

Documents are laid end to end in a new order each epoch, each as `start, text...` against the targets `text..., end`; the
endless stream is cut into rows of equal length. So every token of an epoch is a target exactly once, nothing is padded, no
target lies in another document, and row n needs no knowledge of the rows before it: a resumed run asks for the next number.
Knows neither models nor devices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import orjson

from luosi.artifacts import TokenDataset
from luosi.errors import DamagedArtifact, InputError

Ints = npt.NDArray[np.int64]

IGNORED = -1
"""A target that is not learned: its position is read, but nothing is predicted from it."""


SAMPLED_TOKENS = 10_000_000


@dataclass(frozen=True)
class Row:
    """`length` positions of the stream; `segments` number the documents within the row, from 0."""

    tokens_T: Ints
    targets_T: Ints
    segments_T: Ints
    documents: tuple[str, ...]
    """Ids of the documents that the segments belong to."""


@dataclass(frozen=True)
class Batch:
    """Rows side by side: [B, T] each, and the ids of all documents in it, in order and once each."""

    tokens_BT: Ints
    targets_BT: Ints
    segments_BT: Ints
    documents: tuple[str, ...]


class Rows(Protocol):
    """An endless, numbered supply of rows of one length."""

    def row(self, number: int) -> Row:
        """Row `number`, from 0."""


def shuffled(count: int, seed: int, epoch: int = 0) -> Ints:
    """A permutation of range(count), the same on every platform and numpy version.

    Sorts by SplitMix64 (Steele et al. 2014) of (seed, epoch, index); numpy does not promise to keep its generators' streams.
    """
    with np.errstate(over="ignore"):
        stream = _mix(_mix(np.array([seed], dtype=np.int64).view(np.uint64)) + np.uint64(epoch))
        keys = _mix(stream + np.arange(count, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    return np.argsort(keys, kind="stable").astype(np.int64)


def _mix(value: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


class PackedRows:
    """Rows of `length` positions from whole documents.

    Args:
        tokens: Token ids of all documents, end to end; may be a memory map.
        offsets: Where each document begins, and one more: the end. Empty documents are allowed.
        ids: One id per document.
        start: Put before each document: what its first token is predicted from.
        end: The target of each document's last position.
    """

    def __init__(
        self, tokens: npt.NDArray[np.integer], offsets: Ints, ids: Sequence[str], *,
        length: int, start: int, end: int, seed: int,
    ) -> None:  # fmt: skip
        if not len(ids):
            raise InputError(
                "there are no documents to train on", hint="look at the corpus's report for what was dropped"
            )
        self._tokens, self._offsets, self._ids = tokens, offsets, ids
        self._length, self._start, self._end, self._seed = length, start, end, seed
        self.epoch_positions = int(offsets[-1] - offsets[0]) + len(ids)
        """Positions in one pass over everything: the tokens, and one start per document."""
        self.longest = int(np.diff(offsets).max()) + 1
        """Positions of the longest document."""
        self._epoch = -1
        self._order = self._ends = np.empty(0, np.int64)

    def row(self, number: int) -> Row:
        """Row `number` of the endless stream; it may begin in one epoch and end in the next."""
        tokens, targets, segments = (np.empty(self._length, np.int64) for _ in range(3))
        documents: list[str] = []
        filled = 0
        while filled < self._length:
            epoch, position = divmod(number * self._length + filled, self.epoch_positions)
            document, within = self._find(epoch, position)
            first, last = int(self._offsets[document]), int(self._offsets[document + 1])
            take = min(self._length - filled, last - first + 1 - within)
            # position p of a document is predicted from its token p - 1, the first from the start; the last target is the end
            begin = first + within
            tokens[filled : filled + take] = self._tokens[begin - 1 : begin - 1 + take] if within else self._start
            if not within:
                tokens[filled + 1 : filled + take] = self._tokens[first : first + take - 1]
            targets[filled : filled + take] = self._end
            targets[filled : filled + min(take, last - begin)] = self._tokens[begin : min(begin + take, last)]
            segments[filled : filled + take] = len(documents)
            documents.append(self._ids[document])
            filled += take
        return Row(tokens, targets, segments, tuple(documents))

    def _find(self, epoch: int, position: int) -> tuple[int, int]:
        """The document at `position` of an epoch's stream, and the position within it (0 is its start token)."""
        if epoch != self._epoch:
            self._order = shuffled(len(self._ids), self._seed, epoch)
            self._ends = np.cumsum(np.diff(self._offsets)[self._order] + 1)
            self._epoch = epoch
        place = int(np.searchsorted(self._ends, position, side="right"))
        return int(self._order[place]), position - int(self._ends[place - 1] if place else 0)


class ShuffledRows:
    """The rows of a PackedRows, each block of about an epoch in a random order: the rows of one long document, all alike, then
    fall into different batches."""

    def __init__(self, rows: PackedRows, length: int, seed: int) -> None:
        self._rows, self._seed = rows, seed
        self._size = max(1, rows.epoch_positions // length)
        self._block = -1
        self._order = np.empty(0, np.int64)
        self.epoch_positions, self.longest = rows.epoch_positions, rows.longest

    def row(self, number: int) -> Row:
        """Row `number`; each row of a block comes once."""
        block, place = divmod(number, self._size)
        if block != self._block:
            self._order, self._block = self._order_of(block), block
        return self._rows.row(block * self._size + int(self._order[place]))

    def _order_of(self, block: int) -> Ints:
        return shuffled(self._size, self._seed, block)


class MixedRows:
    """Rows of `main` with a `share` of rows from `other` strewn evenly between them: replay.

    >>> rows = MixedRows(main, other, share=0.25)  # doctest: +SKIP
    >>> [rows.row(n) for n in range(4)]  # main 0, main 1, main 2, other 0
    """

    def __init__(self, main: Rows, other: Rows, share: float) -> None:
        self._main, self._other, self._share = main, other, share

    def row(self, number: int) -> Row:
        """Row `number`: from `other` whenever its due count rises."""
        before, after = int(number * self._share), int((number + 1) * self._share)
        return self._other.row(before) if after > before else self._main.row(number - before)


def batch(rows: Rows, first: int, count: int) -> Batch:
    """Rows `first` up to `first + count`."""
    parts = [rows.row(number) for number in range(first, first + count)]
    tokens, targets, segments = (
        np.stack(arrays)
        for arrays in zip(*((part.tokens_T, part.targets_T, part.segments_T) for part in parts), strict=True)
    )
    return Batch(tokens, targets, segments, tuple(dict.fromkeys(name for part in parts for name in part.documents)))


def occurrences(dataset: TokenDataset, vocab_size: int) -> Ints:
    """How often each of `vocab_size` tokens occurs in a sample of the dataset, [V]: every n-th token, some ten million at most."""
    tokens = stored_tokens(dataset)
    return np.bincount(tokens[:: len(tokens) // SAMPLED_TOKENS + 1], minlength=vocab_size)


def stored_tokens(dataset: TokenDataset) -> npt.NDArray[np.integer]:
    """All token ids, in the order of the text: a memory map."""
    dtype = np.dtype(str(dataset.json("index.json")["dtype"])).newbyteorder("<")
    return np.memmap(dataset.path / "tokens.bin", dtype=dtype, mode="r")


def dataset_rows(dataset: TokenDataset, *, length: int, start: int, end: int, seed: int) -> ShuffledRows:
    """Rows of a TokenDataset in random order, memory-mapped: its size does not matter.

    Raises:
        DamagedArtifact: Its files do not fit each other.
    """
    ids: list[str] = orjson.loads((dataset.path / "ids.json").read_bytes())
    tokens = stored_tokens(dataset)
    offsets = np.fromfile(dataset.path / "offsets.bin", dtype="<u8").astype(np.int64)
    if len(offsets) != len(ids) + 1 or offsets[-1] != len(tokens) or np.any(np.diff(offsets) < 0):
        raise DamagedArtifact(
            f"token dataset {dataset.path}: {len(ids)} ids, {len(offsets)} offsets and {len(tokens)} tokens do not fit",
            hint="`luosi run --rebuild STEP` makes it again",
        )
    return ShuffledRows(PackedRows(tokens, offsets, ids, length=length, start=start, end=end, seed=seed), length, seed)
