"""What training will take, before it runs: tokens of a text, seconds from FLOP, memory from shapes. Imports no torch."""

from __future__ import annotations

import math
from functools import lru_cache

from luosi.artifacts import ModelShape
from luosi.cost import Machine
from luosi.models.flops import linear_sizes

COMPILE_S = 35.0
"""torch.compile of forward and backward, once per attempt; grows little with the model, whose layers are alike."""


def bytes_per_token(vocab_size: int) -> float:
    """UTF-8 bytes of English prose per token of a byte-level BPE.

    >>> round(bytes_per_token(4096), 2), round(bytes_per_token(49152), 2)
    (3.6, 4.68)
    """
    return 0.433 * math.log(vocab_size)


@lru_cache
def different_words(vocab_size: int, tokens: int) -> float:
    """How many of the vocabulary are among `tokens` tokens of prose, taken to be independent: Zipf's law with Mandelbrot's 2.7.

    >>> round(different_words(4096, 1024))
    540
    """
    weights = [1 / (rank + 2.7) for rank in range(1, vocab_size + 1)]
    total = sum(weights)
    return vocab_size - sum((1 - weight / total) ** tokens for weight in weights)


def training_seconds(machine: Machine, flop: float, *, precision: str, efficiency: float, compiled: bool) -> float:
    """Seconds for `flop` at `efficiency` of the machine's matrix products in `precision`, compilation included."""
    peak = machine.bf16_flops if precision == "bf16" else machine.fp32_flops
    return flop / (peak * efficiency) + (COMPILE_S if compiled else 0.0)


DRAWN_CHUNK_TOKENS = 1024
"""Tokens that share the words drawn for their loss: more of them share the cost, but hold more different targets."""

MICRO_TOKENS = 8192
"""At most so many tokens go through the model at once; a larger batch is summed up from equal pieces."""

PIECE_FLOP = 2e12
"""At most so many on a CPU, some seconds of a core: a request to stop waits for the piece at hand."""


ORTHOGONAL_ITERATIONS = 5
"""Of Muon, for each matrix at each step."""


def orthogonal_flop(rows: int, columns: int, iterations: int = ORTHOGONAL_ITERATIONS) -> int:
    """FLOP of making one matrix orthogonal: per iteration a square, its square and a product."""
    short, long = sorted((rows, columns))
    return iterations * (4 * short * short * long + 2 * short**3)


def muon_flop(shape: ModelShape) -> int:
    """FLOP of Muon for one step of all the layers' matrices: of a small step as much as of the model's own products."""
    return shape.layers * sum(orthogonal_flop(*size) for size in linear_sizes(shape).values())


def training_memory(shape: ModelShape, *, batch_tokens: int, trained: int, frozen: int = 0) -> int:
    """Peak bytes: torch itself, `frozen` bytes of weights, weights + gradients + two momenta of what is trained and a checkpoint's copy
    of all but the gradients, activations.

    A layer keeps for the backward pass about 14 values per unit of width and 5 per unit of its MLP, at 2 to 4 bytes each.
    """
    activations = 3 * min(batch_tokens, MICRO_TOKENS) * shape.layers * (14 * shape.width + 5 * shape.ff)
    return 400_000_000 + frozen + 28 * trained + activations
