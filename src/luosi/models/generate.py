"""Greedy continuation of prompts by our own Transformer, batched, with a key-value cache: the reference that an exported
model is compared with. Serving is the engine's work; knows no text, only ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from luosi.errors import InputError
from luosi.models.transformer import KVCache, Transformer

_PADDING = -1  # a segment of its own: no prompt attends to it


class Continuations(NamedTuple):
    """What `greedy` gives; both lists are [prompts][new_tokens]."""

    tokens: list[list[int]]
    gaps: list[list[float]]
    """Best logit minus second best, in units of the standard deviation of that step's logits: below about 0.005 another
    order of summation may choose the other token."""


@torch.inference_mode()
def greedy(model: Transformer, prompts: Sequence[Sequence[int]], new_tokens: int) -> Continuations:
    """Extend every prompt by exactly `new_tokens` tokens, each the most likely one; end tokens do not stop it.

    Raises:
        InputError: There is no prompt, an empty one, or one that leaves no room in the model's context.
    """
    lengths = [len(prompt) for prompt in prompts]
    if not lengths or min(lengths) == 0:
        raise InputError("cannot continue an empty prompt", hint="begin it with the model's document start")
    if max(lengths) + new_tokens > model.shape.context:
        raise InputError(
            f"a prompt of {max(lengths)} tokens and {new_tokens} new ones exceed the context of {model.shape.context}",
            hint="shorten the prompt",
        )
    assert new_tokens > 0
    tokens_BT, segments_BT, positions_BT = _left_padded(prompts, model.frequencies.device)
    cache = KVCache()
    tokens: list[list[int]] = [[] for _ in prompts]
    gaps: list[list[float]] = [[] for _ in prompts]
    for _ in range(new_tokens):
        hidden_BTC = model.hidden(tokens_BT, segments_BT=segments_BT, positions_BT=positions_BT, cache=cache)
        logits_BV = F.linear(hidden_BTC[:, -1].float(), model.head_weight.float())
        best_B2, choice_B2 = logits_BV.topk(2)
        gaps_B = (best_B2[:, 0] - best_B2[:, 1]) / logits_BV.std(-1)
        for row, (token, gap) in enumerate(zip(choice_B2[:, 0].tolist(), gaps_B.tolist(), strict=True)):
            tokens[row].append(token)
            gaps[row].append(gap)
        tokens_BT = choice_B2[:, :1]
        segments_BT = torch.zeros_like(tokens_BT)
        positions_BT = positions_BT[:, -1:] + 1
    return Continuations(tokens, gaps)


def _left_padded(prompts: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """(tokens, segments, positions), each [B, T]: prompts end together, so the next token of all is at the same place."""
    longest = max(map(len, prompts))
    tokens_BT = torch.zeros((len(prompts), longest), dtype=torch.long, device=device)
    segments_BT = torch.full_like(tokens_BT, _PADDING)
    positions_BT = torch.zeros_like(tokens_BT)
    for row, prompt in enumerate(prompts):
        start = longest - len(prompt)
        tokens_BT[row, start:] = torch.tensor(prompt, device=device)
        segments_BT[row, start:] = 0
        positions_BT[row, start:] = torch.arange(len(prompt), device=device)
    return tokens_BT, segments_BT, positions_BT
