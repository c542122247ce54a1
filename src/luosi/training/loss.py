"""Cross entropy from hidden states, in chunks of tokens: the [tokens, vocabulary] logits never exist whole.

The gradient with respect to the logits is known as soon as the loss is, so each chunk's gradient is pushed on to the hidden
states and the head at once and its logits are dropped. On request the softmax is taken over a chunk's own targets and a few
other words drawn for it, which costs a tenth. Knows the head as a matrix, not the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from luosi.models.logits import row_blocks
from luosi.training.batches import IGNORED
from luosi.training.estimates import DRAWN_CHUNK_TOKENS

CHUNK_LOGITS = 1 << 21
CHUNK_TOKENS = 256
"""Logits of so many tokens exist at one time, or of more while they are fewer than CHUNK_LOGITS: what matrix products like."""

FLATTENED = 0.75
"""Power of a word's occurrences by which it is drawn: rare ones more often than they occur."""


@dataclass(frozen=True)
class Draw:
    """Words besides a chunk's targets over which its softmax is taken, each standing for those that were not drawn.

    The partition function is estimated by importance sampling from `shares` (Bengio & Senecal 2008, "Adaptive importance
    sampling to accelerate training of a neural probabilistic language model"; shared by a batch as in Jean et al. 2015,
    arXiv:1412.2007); a chunk's targets, among them nearly all frequent words, are in it exactly. The loss is then an estimate too.
    """

    count: int
    shares_V: Tensor
    """Chances of being drawn, not normalised; positive."""
    generator: torch.Generator

    def __call__(self, targets_N: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(columns, what to add to their logits, the targets' places among the columns)."""
        vocabulary = len(self.shares_V)
        columns, places_N = torch.unique(targets_N, return_inverse=True)
        left_V = self.shares_V.clone()
        left_V[columns] = 0.0
        if not self.count or len(columns) == vocabulary:
            return columns, torch.zeros(len(columns)), places_N
        drawn = torch.multinomial(left_V, self.count, replacement=True, generator=self.generator)
        offsets = -torch.log(self.count * left_V[drawn] / left_V.sum())
        return torch.cat((columns, drawn)), torch.cat((torch.zeros(len(columns)), offsets)), places_N


@dataclass(frozen=True)
class Words:
    """What is drawn in a run: `count` words beside each chunk's targets, until `rows` rows are read, by how often words occur."""

    count: int
    occurrences_V: Tensor
    seed: int
    rows: int

    def draw(self, first_row: int, earlier_chunks: int = 0) -> Draw | None:
        """For the step that begins at `first_row`, from its chunk of that number on; None where the whole vocabulary is due.

        Workers that share a step pass over what those before them draw: each chunk's words are the same with any number of
        workers whose rows are whole chunks.
        """
        if first_row >= self.rows:
            return None
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + first_row) * 1_009)
        for _ in range(earlier_chunks):
            torch.multinomial(self._shares_V, self.count, replacement=True, generator=generator)
        return Draw(self.count, self._shares_V, generator)

    @cached_property
    def _shares_V(self) -> Tensor:
        return (self.occurrences_V + 1.0) ** FLATTENED

    @cached_property
    def columns(self) -> float:
        """The mean number of a chunk's different words, drawn ones included, if its tokens were independent: an upper bound."""
        chances = self.occurrences_V / self.occurrences_V.sum()
        there = 1 - (1 - chances) ** DRAWN_CHUNK_TOKENS
        return min(float(len(chances)), float(there.sum()) + self.count)


def cross_entropy_sum(
    hidden_ND: Tensor, head_VD: Tensor, targets_N: Tensor, precision: str, draw: Draw | None = None
) -> Tensor:
    """Summed natural-log cross entropy of `targets_N` under softmax(hidden_ND @ head_VD^T).

    Matrix products are in `precision` ("bf16" or "fp32"), softmax and sums in fp32. Gradients flow to `hidden_ND` and, if
    it asks for them, to `head_VD`. Positions whose target is `IGNORED` count nothing and cost no logits.
    """
    kept = (targets_N != IGNORED).nonzero().flatten()
    if len(kept) < len(targets_N):
        hidden_ND, targets_N = hidden_ND[kept], targets_N[kept]
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    loss: Tensor = _ChunkedCrossEntropy.apply(hidden_ND, head_VD, targets_N, dtype, draw)  # type: ignore[no-untyped-call]
    return loss


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Computes loss and gradients in one pass over the chunks; backward only scales them."""

    @staticmethod
    def forward(
        ctx: Any, hidden_ND: Tensor, head_VD: Tensor, targets_N: Tensor, dtype: torch.dtype, draw: Draw | None
    ) -> Tensor:
        need_hidden, need_head = ctx.needs_input_grad[:2]
        whole = head_VD.detach().to(dtype)
        grad_hidden = torch.empty_like(hidden_ND) if need_hidden else None
        grad_head = torch.zeros_like(head_VD, dtype=torch.float32) if need_head else None
        total = torch.zeros((), dtype=torch.float32, device=hidden_ND.device)
        size = DRAWN_CHUNK_TOKENS if draw else max(CHUNK_TOKENS, CHUNK_LOGITS // len(whole))
        with torch.autocast(hidden_ND.device.type, enabled=False):
            for begin in range(0, len(hidden_ND), size):
                hidden, targets = hidden_ND[begin : begin + size].to(dtype), targets_N[begin : begin + size]
                head, columns = whole, None
                if draw:
                    columns, offsets, targets = draw(targets)
                    head = whole[columns]
                grad_logits = hidden @ head.T
                of_targets = torch.empty((len(targets), 1), device=hidden.device)
                for rows in row_blocks(grad_logits):
                    logits, target = grad_logits[rows], targets[rows, None]
                    logits = logits.float() + offsets if draw else logits
                    log_p = torch.log_softmax(logits, 1, dtype=torch.float32)
                    of_targets[rows] = log_p.gather(1, target)
                    # the gradient with respect to the logits, in their place: probabilities minus one-hot
                    minus_one = torch.full_like(log_p[:, :1], -1.0)
                    grad_logits[rows] = log_p.exp_().scatter_add_(1, target, minus_one)
                total -= of_targets.sum()  # at once: the blocks, which depend on the threads, do not show
                if grad_hidden is not None:
                    grad_hidden[begin : begin + size] = grad_logits @ head
                if grad_head is not None and columns is not None:
                    grad_head.index_add_(0, columns, (grad_logits.T @ hidden).float())
                elif grad_head is not None:
                    grad_head += grad_logits.T @ hidden
        ctx.save_for_backward(grad_hidden, grad_head)
        ctx.head_dtype = head_VD.dtype
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        grad_hidden, grad_head = ctx.saved_tensors
        return (
            None if grad_hidden is None else grad_hidden * grads[0],
            None if grad_head is None else (grad_head * grads[0]).to(ctx.head_dtype),
            None,
            None,
            None,
        )
