"""Vectors of words learned from texts themselves: a part of a passage has to find the rest of it among those of other passages.

Inverse cloze (Lee et al. 2019) with sums of word vectors and in-batch negatives (InfoNCE, van den Oord et al. 2018), from given
vectors on. What the words are, and what the vectors are for, is not known here.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, embedding_bag, normalize

Rows = npt.NDArray[np.int32]
Table = npt.NDArray[np.float32]

TEMPERATURE = 0.05
RATE = 0.03
"""Adam's, for vectors whose numbers are about 1."""
PART_WORDS, REST_WORDS = 64, 192
"""Longer parts, and what is left of longer passages, are cut there."""


@dataclass(frozen=True)
class Passages:
    """Passages in parts (sentences, say), each a run of rows of the table."""

    rows: Rows
    """All of them, end to end."""
    parts: npt.NDArray[np.int64]
    """Where each part begins in `rows`, and where the last one ends."""
    passages: npt.NDArray[np.int64]
    """Where each passage begins in `parts`, and the number of parts."""

    def __len__(self) -> int:
        return len(self.passages) - 1

    def split(self, passage: int, dice: random.Random) -> tuple[Rows, Rows]:
        """A part of a passage, its first one half of the time, and the rest."""
        first, last = int(self.passages[passage]), int(self.passages[passage + 1])
        chosen = first if dice.random() < 0.5 else dice.randrange(first, last)
        begin, end = self.parts[chosen], self.parts[chosen + 1]
        before, after = self.rows[self.parts[first] : begin], self.rows[end : self.parts[last]]
        return self.rows[begin:end][:PART_WORDS], np.concatenate((before, after))[:REST_WORDS]


def learn(
    table: Table, passages: Passages, *, steps: int, batch: int, seed: int = 0, progress: Callable[[int, int], None]
) -> Table:
    """(rows, width): `table` after training, the same on every run with as many threads.

    Args:
        table: The vectors to begin with.
        passages: Each of at least two parts with rows in them.
        steps: How many.
        batch: Passages in a step, each to be told from all others; no more than there are.
        progress: Is told the steps done and to do.
    """
    dice = random.Random(seed)
    order: list[int] = []
    learned = torch.from_numpy(table.copy()).requires_grad_()
    optimizer = torch.optim.Adam([learned], lr=RATE)
    for step in range(steps):
        if len(order) < batch:
            order = dice.sample(range(len(passages)), len(passages))
        drawn, order = order[:batch], order[batch:]
        parts, rests = zip(*(passages.split(passage, dice) for passage in drawn), strict=True)
        scores_NN = _summed(learned, parts) @ _summed(learned, rests).T / TEMPERATURE
        right = torch.arange(batch)
        loss = cross_entropy(scores_NN, right) + cross_entropy(scores_NN.T, right)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        progress(step + 1, steps)
    return learned.detach().numpy()


def _summed(table: Tensor, bags: Sequence[Rows]) -> Tensor:
    """(bags, width): the sum of each bag's vectors, of length 1."""
    starts = np.cumsum([0, *(len(bag) for bag in bags[:-1])])
    summed = embedding_bag(torch.from_numpy(np.concatenate(bags)).long(), table, torch.from_numpy(starts), mode="sum")
    return normalize(summed, dim=1)
