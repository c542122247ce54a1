"""Which rows to learn from where there is more text than budget: those that hold most of what recurs in all of it.

A row is worth what its word sequences (GRAM tokens each) spare other rows: the root of the number of other rows that hold each, counted
once for the rows that are taken. The next row taken is the one that adds most, found lazily (Minoux 1978, "Accelerated greedy algorithms
for maximizing submodular set functions"; coverage by n-grams as in Lin & Bilmes 2011, "A class of submodular functions for document
summarization"). Looks at tokens only: what the model knows already is not known here.
"""

from __future__ import annotations

import heapq

import numpy as np
import numpy.typing as npt

from luosi.training.batches import Ints, PackedRows, Row, ShuffledRows

GRAM = 4
MOST_POSITIONS = 16_000_000
"""Of text beyond that, rows are drawn by chance: the sequences of all rows are held at once."""
_SCALE = 1000
"""Values are whole numbers, so that sums, and with them the choice, are the same everywhere."""


class CoveringRows(ShuffledRows):
    """As ShuffledRows, but the first `count` rows are those that cover most.

    Args:
        rows: Of all the text.
        length: Of a row.
        count: Rows that will be read; as many as an epoch has, or more, and nothing is chosen.
        seed: Of the order; the choice itself has none.
    """

    def __init__(self, rows: PackedRows, length: int, count: int, seed: int) -> None:
        super().__init__(rows, length, seed)
        self._first = super()._order_of(0)
        if count < self._size and self.epoch_positions <= MOST_POSITIONS:
            chosen = covering([_grams(rows.row(number)) for number in range(self._size)], count)
            among = np.isin(self._first, chosen)
            self._first = np.concatenate((self._first[among], self._first[~among]))

    def _order_of(self, block: int) -> Ints:
        return super()._order_of(block) if block else self._first


def covering(items: list[npt.NDArray[np.uint64]], count: int) -> Ints:
    """Indices of `count` of `items`, sets of features, that cover most: each feature counts once, by the root of how many others have it."""
    _, feature, shared = np.unique(np.concatenate(items), return_inverse=True, return_counts=True)
    value = np.floor(_SCALE * np.sqrt(shared - 1)).astype(np.int64)
    features = np.split(feature, np.cumsum([len(one) for one in items])[:-1])
    heap = [(-int(value[of].sum()), number) for number, of in enumerate(features)]
    heapq.heapify(heap)
    chosen: list[int] = []
    while len(chosen) < count:
        # what a row adds only falls: the best of the bounds, brought up to date, is the best if it stays ahead of the next
        number = heapq.heappop(heap)[1]
        now = (-int(value[features[number]].sum()), number)
        if heap and now > heap[0]:
            heapq.heappush(heap, now)
            continue
        chosen.append(number)
        value[features[number]] = 0
    return np.array(chosen, dtype=np.int64)


def _grams(row: Row) -> npt.NDArray[np.uint64]:
    """Hashes of a row's different sequences of GRAM targets; the whole row is one if it is shorter."""
    targets = row.targets_T.astype(np.uint64)
    size = min(GRAM, len(targets))
    mixed = np.zeros(len(targets) - size + 1, np.uint64)
    with np.errstate(over="ignore"):
        for ahead in range(size):
            mixed = (mixed ^ targets[ahead : len(mixed) + ahead]) * np.uint64(0x9E3779B97F4A7C15)
            mixed ^= mixed >> np.uint64(29)
    return np.unique(mixed)
