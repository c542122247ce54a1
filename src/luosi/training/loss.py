"""Cross entropy from hidden states, in chunks of tokens: the [tokens, vocabulary] logits never exist whole.

The gradient with respect to the logits is known as soon as the loss is, so each chunk's gradient is pushed on to the hidden
states and the head at once and its logits are dropped. Knows the head as a matrix, not the model.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from luosi.training.batches import IGNORED

CHUNK_LOGITS = 1 << 21
CHUNK_TOKENS = 128
"""Logits of so many tokens exist at one time, or of more while they are fewer than CHUNK_LOGITS: what a CPU's caches like."""


def cross_entropy_sum(hidden_ND: Tensor, head_VD: Tensor, targets_N: Tensor, precision: str) -> Tensor:
    """Summed natural-log cross entropy of `targets_N` under softmax(hidden_ND @ head_VD^T).

    Matrix products are in `precision` ("bf16" or "fp32"), softmax and sums in fp32. Gradients flow to `hidden_ND` and, if
    it asks for them, to `head_VD`. Positions whose target is `IGNORED` count nothing and cost no logits.
    """
    kept = (targets_N != IGNORED).nonzero().flatten()
    if len(kept) < len(targets_N):
        hidden_ND, targets_N = hidden_ND[kept], targets_N[kept]
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    loss: Tensor = _ChunkedCrossEntropy.apply(hidden_ND, head_VD, targets_N, dtype)  # type: ignore[no-untyped-call]
    return loss


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Computes loss and gradients in one pass over the chunks; backward only scales them."""

    @staticmethod
    def forward(ctx: Any, hidden_ND: Tensor, head_VD: Tensor, targets_N: Tensor, dtype: torch.dtype) -> Tensor:
        need_hidden, need_head = ctx.needs_input_grad[:2]
        head = head_VD.detach().to(dtype)
        grad_hidden = torch.empty_like(hidden_ND) if need_hidden else None
        grad_head = torch.zeros_like(head_VD, dtype=torch.float32) if need_head else None
        total = torch.zeros((), dtype=torch.float32, device=hidden_ND.device)
        size = max(CHUNK_TOKENS, CHUNK_LOGITS // len(head))
        with torch.autocast(hidden_ND.device.type, enabled=False):
            for begin in range(0, len(hidden_ND), size):
                hidden = hidden_ND[begin : begin + size].to(dtype)
                targets = targets_N[begin : begin + size, None]
                log_p = torch.log_softmax(hidden @ head.T, 1, dtype=torch.float32)
                total -= log_p.gather(1, targets).sum()
                # the gradient with respect to the logits: probabilities minus one-hot
                grad_logits = log_p.exp_().scatter_add_(1, targets, torch.full_like(log_p[:, :1], -1.0)).to(dtype)
                if grad_hidden is not None:
                    grad_hidden[begin : begin + size] = grad_logits @ head
                if grad_head is not None:
                    grad_head += grad_logits.T @ hidden
        ctx.save_for_backward(grad_hidden, grad_head)
        ctx.head_dtype = head_VD.dtype
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        grad_hidden, grad_head = ctx.saved_tensors
        return (
            None if grad_hidden is None else grad_hidden * grads[0],
            None if grad_head is None else (grad_head * grads[0]).to(ctx.head_dtype),
            None,
            None,
        )
