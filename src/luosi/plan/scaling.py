"""Scaling: how many tokens a text holds, how often it may be repeated, which models from scratch there are and what they ask for.

Rules of thumb with their sources; what they gain in quality is forecast in laws.py. Knows no machine.
"""

from __future__ import annotations

from collections.abc import Callable

from luosi.artifacts.shape import ModelShape

BYTES_PER_TOKEN = 4.0
"""UTF-8 bytes of a token: a round figure for the tokenizers of open models on English, used only before the text has been
tokenised. Code and scripts that the tokenizer knows less have fewer bytes a token, hence more tokens than is thought here."""

MAX_EPOCHS = 4.0
"""Repeating a text up to four times is nearly as good as as much new text; beyond, gains fade: Muennighoff et al. 2023
(arXiv 2305.16264)."""

TOKENS_PER_PARAMETER = 20.0
"""Tokens that a model from scratch needs for each of its parameters to be worth its compute: Hoffmann et al. 2022
(arXiv 2203.15556), table 3."""


def text_tokens(text_bytes: float) -> float:
    """About how many tokens `text_bytes` UTF-8 bytes make.

    >>> text_tokens(400_000)
    100000.0
    """
    return text_bytes / BYTES_PER_TOKEN


def scratch_tokens(shape: ModelShape) -> float:
    """Tokens that training `shape` from scratch asks for: 20 for each parameter that a token is multiplied with."""
    return TOKENS_PER_PARAMETER * (shape.matrix_parameters + shape.vocab_size * shape.width)


def _qwen3(vocab_size: int, layers: int, width: int, heads: int, kv_heads: int, context: int) -> ModelShape:
    return ModelShape(
        family="qwen3",
        vocab_size=vocab_size,
        layers=layers,
        width=width,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=64,
        ff=3 * width,
        tied=False,
        context=context,
    )


SCRATCH_SHAPES = (
    _qwen3(4096, 4, 256, 4, 2, 256),
    _qwen3(4096, 10, 256, 4, 2, 256),
    _qwen3(8192, 8, 512, 8, 4, 512),
    _qwen3(8192, 16, 512, 8, 4, 512),
    _qwen3(16384, 12, 768, 12, 4, 1024),
    _qwen3(32768, 16, 1024, 16, 8, 1024),
)
"""Models from scratch to choose from, 4 M to 240 M parameters, about twice as large each; widths are multiples of 256, which every
quantisation takes."""


def largest(fits: Callable[[int], bool], low: int, high: int) -> int:
    """The largest whole number in [low, high] that `fits`, if `low` does and no number fits above one that does not.

    >>> largest(lambda n: n * n <= 50, 1, 100)
    7
    """
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low
