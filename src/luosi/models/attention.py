"""Causal attention: to train on a CPU by whole matrix products over blocks of queries, else by torch's kernels.

Takes queries, keys and values; knows no model. Shape suffixes as in `transformer`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK = 64
"""Queries at one time: what lies right of a block under the causal mask is not computed."""


def attend(q_BHTD: Tensor, k_BKSD: Tensor, v_BKSD: Tensor, mask: Tensor | None, *, rounded: bool) -> Tensor:
    """Softmax of the scaled scores times the values, [B, H, T, D]; heads in a row share keys where H is a multiple of K.

    Args:
        q_BHTD: Of the last T positions.
        k_BKSD: Of all positions.
        v_BKSD: Of all positions.
        mask: [B or 1, 1, T, S], 0 where attended to, -inf elsewhere and past a query's own position; None for all up to that,
            where T is 1 or S.
        rounded: Scores may be rounded to the inputs' precision, as training bears.
    """
    length = q_BHTD.shape[2]
    if rounded and q_BHTD.device.type == "cpu" and length == k_BKSD.shape[2]:
        y_BHTD: Tensor = _by_blocks(q_BHTD, k_BKSD, v_BKSD, mask)
        return y_BHTD
    # repeated rather than enable_gqa: CUDA's masked kernels would fall back to one that stores all the scores
    groups = q_BHTD.shape[1] // k_BKSD.shape[1]
    k_BHSD, v_BHSD = k_BKSD.repeat_interleave(groups, 1), v_BKSD.repeat_interleave(groups, 1)
    return F.scaled_dot_product_attention(q_BHTD, k_BHSD, v_BHSD, attn_mask=mask, is_causal=mask is None and length > 1)


@torch.library.custom_op("luosi::attend_by_blocks", mutates_args=())
def _by_blocks(q_BHTD: Tensor, k_BKTD: Tensor, v_BKTD: Tensor, mask: Tensor | None) -> Tensor:
    """By whole products: from 128 to 8,192 positions half the time of torch's tiled kernel in bf16, two thirds to all of it in fp32.

    Queries go in blocks, so that most of what a causal mask would hide is not computed; those of the heads that share keys are
    rows of one product. An operator of its own, as the compiler makes more passes of it.
    """
    with torch.autocast("cpu", enabled=False):
        q, k, v = _grouped(q_BHTD, k_BKTD, v_BKTD)
        y = torch.empty_like(q)
        for rows in _blocks(q):
            y[:, :, :, rows] = (_weights(q, k, mask, rows) @ v[:, :, : rows.stop]).view_as(q[:, :, :, rows])
        return y.flatten(1, 2)


@torch.library.custom_op("luosi::attend_by_blocks_backward", mutates_args=())
def _by_blocks_backward(
    dy_BHTD: Tensor, q_BHTD: Tensor, k_BKTD: Tensor, v_BKTD: Tensor, mask: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients for q, k and v; the weights are computed anew."""
    with torch.autocast("cpu", enabled=False):
        q, k, v = _grouped(q_BHTD, k_BKTD, v_BKTD)
        dy = dy_BHTD.reshape(q.shape)
        dq, dk, dv = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
        for rows in _blocks(q):
            weights, dy_rows = _weights(q, k, mask, rows), dy[:, :, :, rows].flatten(2, 3)
            dv[:, :, : rows.stop] += weights.mT @ dy_rows
            dscores = torch._softmax_backward_data(dy_rows @ v[:, :, : rows.stop].mT, weights, -1, q.dtype)
            dq[:, :, :, rows] = (dscores @ k[:, :, : rows.stop]).view_as(q[:, :, :, rows])
            dk[:, :, : rows.stop] += dscores.mT @ q[:, :, :, rows].flatten(2, 3)
        return (dq * q.shape[-1] ** -0.5).flatten(1, 2), dk, dv


def _grouped(q_BHTD: Tensor, k_BKTD: Tensor, v_BKTD: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries scaled and by the key they share, [B, K, H / K, T, D], keys and values; contiguous."""
    keys, length, size = k_BKTD.shape[1:]
    q = (q_BHTD * size**-0.5).reshape(len(q_BHTD), keys, -1, length, size)
    return q.contiguous(), k_BKTD.contiguous(), v_BKTD.contiguous()


def _blocks(q: Tensor) -> Iterator[slice]:
    length = q.shape[3]
    return (slice(begin, min(begin + BLOCK, length)) for begin in range(0, length, BLOCK))


def _weights(q: Tensor, k: Tensor, mask: Tensor | None, rows: slice) -> Tensor:
    """Attention of the queries `rows` of all groups to what stands before them, [B, K, groups x rows, S]."""
    q_rows = q[:, :, :, rows]
    scores = q_rows.flatten(2, 3) @ k[:, :, : rows.stop].mT
    by_group = scores.view(*q_rows.shape[:4], rows.stop)
    if mask is None:
        by_group[..., rows] += torch.full((q_rows.shape[3],) * 2, -torch.inf, dtype=q.dtype).triu(1)
    else:
        by_group += mask[:, :, None, rows, : rows.stop]
    return torch.softmax(scores, -1)


@_by_blocks.register_fake
def _(q_BHTD: Tensor, k_BKTD: Tensor, v_BKTD: Tensor, mask: Tensor | None) -> Tensor:
    return q_BHTD.new_empty(q_BHTD.shape)


@_by_blocks_backward.register_fake
def _(
    dy_BHTD: Tensor, q_BHTD: Tensor, k_BKTD: Tensor, v_BKTD: Tensor, mask: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    return q_BHTD.new_empty(q_BHTD.shape), k_BKTD.new_empty(k_BKTD.shape), v_BKTD.new_empty(v_BKTD.shape)


def _keep(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor, Tensor | None], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _push(ctx: Any, dy_BHTD: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
    return *_by_blocks_backward(dy_BHTD, *ctx.saved_tensors), None


_by_blocks.register_autograd(_push, setup_context=_keep)
