"""Rows of whole examples, a prompt and what is to be said to it each: only what is to be said is learned.

Examples are packed best-fit, the longest first, never cut; each is a segment of its own, so that none sees another. The rows are
the same in every epoch, their order is new. Knows neither models nor chat templates.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from luosi.errors import InputError
from luosi.training.batches import IGNORED, Ints, Row, shuffled


@dataclass(frozen=True)
class Example:
    """Token ids of a prompt and, from place `said` on, of what is to be said to it."""

    id: str
    tokens_N: Ints
    said: int

    def __post_init__(self) -> None:
        assert 0 < self.said < len(self.tokens_N), f"example {self.id}: a prompt and an answer are needed"

    @property
    def positions(self) -> int:
        """It takes so many of a row: the last token is only a target."""
        return len(self.tokens_N) - 1


class ExampleRows:
    """Rows of `length` positions; what an example leaves over at the end of a row is `filler`, from which nothing is learned.

    Raises:
        InputError: There is no example.
    """

    def __init__(self, examples: Sequence[Example], *, length: int, filler: int, seed: int) -> None:
        if not examples:
            raise InputError("there are no pairs to train on", hint="look at the pairs' report for what was dropped")
        self._bins = _best_fit(examples, length)
        self._length, self._filler, self._seed = length, filler, seed
        self._epoch = -1
        self._order: Ints = np.empty(0, np.int64)
        self.epoch_rows = len(self._bins)
        """Rows in one pass over all examples."""
        self.learned_share = sum(len(e.tokens_N) - e.said for e in examples) / (self.epoch_rows * length)
        """Share of the positions from which something is learned."""

    def row(self, number: int) -> Row:
        """Row `number` of the endless supply."""
        epoch, place = divmod(number, self.epoch_rows)
        if epoch != self._epoch:
            self._order, self._epoch = shuffled(self.epoch_rows, self._seed, epoch), epoch
        examples = self._bins[int(self._order[place])]
        tokens = np.full(self._length, self._filler, np.int64)
        targets = np.full(self._length, IGNORED, np.int64)
        segments = np.full(self._length, len(examples), np.int64)
        filled = 0
        for segment, example in enumerate(examples):
            end = filled + example.positions
            tokens[filled:end] = example.tokens_N[:-1]
            targets[filled + example.said - 1 : end] = example.tokens_N[example.said :]
            segments[filled:end] = segment
            filled = end
        return Row(tokens, targets, segments, tuple(example.id for example in examples))


def _best_fit(examples: Sequence[Example], length: int) -> list[list[Example]]:
    """Best-fit decreasing (Johnson et al. 1974): each example goes into the fullest row that still has room for it."""
    rows: list[list[Example]] = []
    rooms: list[tuple[int, int]] = []  # (positions left, row), sorted
    for example in sorted(examples, key=lambda example: -example.positions):
        assert example.positions <= length, f"example {example.id} is longer than a row"
        place = bisect_left(rooms, (example.positions, -1))
        if place < len(rooms):
            room, row = rooms.pop(place)
        else:
            room, row = length, len(rows)
            rows.append([])
        rows[row].append(example)
        insort(rooms, (room - example.positions, row))
    return rows
