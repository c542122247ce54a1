"""FLOPs and adapter sizes of a model, counted from its shape: one multiply-add is two FLOP, the same count everywhere.

Counted are the matrix products: the layers' projections, the head, and attention's scores and values under a causal mask.
Left out, as is usual: the embedding (a lookup), norms, rotary positions, softmax and activations, together about a percent at
real sizes, and the optimizer (Muon's products of a small step are many: `luosi.training.estimates` counts them for the plan). These are the model's FLOPs, not the hardware's: a kernel that multiplies masked entries
too, or recomputes activations, does more. Knows nothing of machines, imports no torch.

Sources: Kaplan et al. 2020 (arXiv 2001.08361), table 1 and section 2.1, for 2 FLOP per parameter and token forward, twice
that backward; Chowdhery et al. 2022 (PaLM, arXiv 2204.02311), appendix B, for attention's 12 L H Q T of training, here
halved by the causal mask.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from luosi.artifacts.shape import ModelShape


def attention_flop(shape: ModelShape, tokens: float, sequence: float) -> float:
    """Forward FLOPs of scores and weighted values for `tokens` tokens in causal sequences of `sequence` tokens.

    A token attends to (sequence + 1) / 2 positions on average; each costs 2 FLOP per head and head dimension in the score
    product and 2 in the value product. Documents packed into a sequence attend to less: then this is an upper bound.
    """
    return tokens * shape.layers * 4 * shape.heads * shape.head_dim * (sequence + 1) / 2


def matrix_flop(shape: ModelShape, tokens: float) -> float:
    """Forward FLOPs of the projections and the head: 2 per parameter and token (a tied head multiplies too)."""
    return 2 * tokens * (shape.matrix_parameters + shape.vocab_size * shape.width)


def forward_flop(shape: ModelShape, tokens: float, sequence: float) -> float:
    """FLOPs of scoring `tokens` tokens in all, in causal sequences of `sequence` tokens, with logits at every position.

    Example: 2 layers, width 64, 4 heads of 16, 4 kv heads, ff 128, vocabulary 256 have 81,920 matrix parameters and a head
    of 16,384: one token in a sequence of 1 costs 2 * 98,304 + 2 * 4 * 64 = 197,120.
    """
    return matrix_flop(shape, tokens) + attention_flop(shape, tokens, sequence)


def training_flop(
    shape: ModelShape,
    tokens: float,
    sequence: float,
    *,
    trainable: Literal["full", "lora"] = "full",
    adapter_parameters: int = 0,
) -> float:
    """FLOPs of forward and backward over `tokens` tokens in sequences of `sequence` tokens.

    The backward pass of a product costs two more products, one for each operand's gradient: 3 times forward in all. With
    a LoRA the frozen weights need no gradient of their own, which leaves 2 times forward for them; attention has no
    weights and stays at 3; the adapters (`adapter_parameters`, see `lora_parameters`) are trained in full at 6 a token.
    """
    attention = 3 * attention_flop(shape, tokens, sequence)
    if trainable == "full":
        return 3 * matrix_flop(shape, tokens) + attention
    return 2 * matrix_flop(shape, tokens) + attention + 6 * tokens * adapter_parameters


def lora_parameters(shape: ModelShape, rank: int, targets: Iterable[str]) -> int:
    """Trainable parameters of a LoRA: rank * (inputs + outputs) for every target projection of every layer.

    Raises:
        KeyError: A target is not one of `linear_sizes`.
    """
    sizes = linear_sizes(shape)
    return shape.layers * rank * sum(sum(sizes[target]) for target in targets)


SAME_INPUT = (("q_proj", "k_proj", "v_proj"), ("o_proj",), ("gate_proj", "up_proj"), ("down_proj",))
"""Projections of a layer, by Hugging Face's name; those that read the same input are together."""


def linear_sizes(shape: ModelShape) -> dict[str, tuple[int, int]]:
    """(outputs, inputs) of each projection of a layer, by Hugging Face's name."""
    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    return {
        "q_proj": (queries, shape.width),
        "k_proj": (keys, shape.width),
        "v_proj": (keys, shape.width),
        "o_proj": (shape.width, queries),
        "gate_proj": (shape.ff, shape.width),
        "up_proj": (shape.ff, shape.width),
        "down_proj": (shape.width, shape.ff),
    }
