"""Scratch: a model to train from nothing: its steps, how it learns, and which size and how much text are the best that is paid for.

Sizes and tokens come from a forecast and a price that whoever calls brings; knows no laws, budgets or machines itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from luosi.artifacts.shape import ModelShape
from luosi.plan.scaling import SCRATCH_SHAPES, largest
from luosi.training.estimates import bytes_per_token

BATCH_RULE, BATCH_EXPONENT = 0.58, 0.571
"""The best batch has BATCH_RULE * tokens ** BATCH_EXPONENT tokens: Li et al. 2025 (arXiv 2503.04715)."""

WIDTHS_PER_STEP = 16
"""Tokens of a step for each unit of width, at least: Muon's products are then a quarter of the model's. Fewer learn more from a token, but
less from a CPU second; found at widths 128 and 256."""

RATE_EXPONENT = -0.25
"""The best learning rate goes by this power of parameters: Bi et al. 2024 (arXiv 2401.02954) have compute ** -0.125, and compute grows
by the square of parameters where tokens keep pace. More tokens alone change nothing here: by Bi et al. they lower it, by Li et al.
they raise it."""

ALIKE = 0.01
"""Forecasts that differ by a smaller share are the same: runs differ by more that have nothing but another seed."""

FINEST, FINER = 60, 1.1
"""Amounts of text that are tried: all of it, and `FINEST` times a part that is smaller by `FINER`."""


@dataclass(frozen=True)
class Scratch:
    """A model to train from scratch, and on how many tokens."""

    shape: ModelShape
    tokens: float

    @classmethod
    def of_text(cls, shape: ModelShape, text_bytes: float) -> Scratch:
        """On as many tokens as `text_bytes` UTF-8 bytes make with its vocabulary."""
        return cls(shape, text_bytes / bytes_per_token(shape.vocab_size))

    @property
    def text_bytes(self) -> float:
        """UTF-8 bytes that so many tokens of its vocabulary are."""
        return self.tokens * bytes_per_token(self.shape.vocab_size)

    @property
    def batch_tokens(self) -> int:
        """Tokens of one optimizer step: the least that Muon bears, doubled as often as the rule does.

        >>> [Scratch(SCRATCH_SHAPES[0], tokens).batch_tokens for tokens in (655_360, 84e6)]
        [4096, 16384]
        """
        rule = BATCH_RULE * self.tokens**BATCH_EXPONENT
        least = math.ceil(WIDTHS_PER_STEP * self.shape.width / self.shape.context) * self.shape.context
        return least << max(0, math.floor(math.log2(max(rule, 1.0) / least)))

    def learning_rate(self, default: float) -> float:
        """`default`, which was found on the smallest shape, less for a larger one; two significant digits.

        >>> [Scratch(shape, 1e8).learning_rate(0.01) for shape in (SCRATCH_SHAPES[0], SCRATCH_SHAPES[-1])]
        [0.01, 0.0037]
        """
        factor = (self.shape.parameters / SCRATCH_SHAPES[0].parameters) ** RATE_EXPONENT
        return float(f"{default * factor:.2g}")

    def steps(self, name: str, precision: str, complete: Callable[[str, Any], Any]) -> dict[str, tuple[str, Any, Any]]:
        """The steps that train it on the corpus of step "curate", and ship it: (stage, role -> step, fields) by name."""
        sizes = self.shape.model_dump(include={"layers", "width", "heads", "kv_heads", "head_dim", "ff", "tied"})
        sizes["sequence"] = self.shape.context
        default = complete("pretrain", {**sizes, "steps": 1000})
        batch = self.batch_tokens
        rates = {rate: self.learning_rate(float(default[rate])) for rate in ("matrix_lr", "vector_lr")}
        amount = {"batch_tokens": batch, "steps": max(1, round(self.tokens / batch)), **rates}
        training = {**sizes, **amount, "precision": precision, "compile": True}
        return {
            "tokenizer": ("train_tokenizer", {"corpus": "curate"}, {"vocab_size": self.shape.vocab_size}),
            "tokens": ("tokenize", {"corpus": "curate", "tokenizer": "tokenizer"}, {}),
            "scratch": ("pretrain", {"tokens": "tokens", "tokenizer": "tokenizer"}, training),
            "ship_scratch": ("export", {"model": "scratch"}, {"name": f"{name}-scratch"}),
            "scratch_q8": ("compress", {"bundle": "ship_scratch"}, {"precision": "Q8_0"}),
        }


def choose(
    most: Iterable[Scratch],
    *,
    forecast: Callable[[Scratch], float],
    pays: Callable[[Scratch], bool],
    costs: Callable[[Scratch], float],
) -> Scratch:
    """The cheapest that comes within `ALIKE` of the best forecast that is paid for.

    Where answers count in `pays` and `costs`, that is a smaller model trained longer (Sardana et al. 2024, arXiv 2401.00448).

    Args:
        most: Shapes, each with the most tokens that there are for it; at least one must be paid for.
        forecast: Bits per byte; less for more tokens.
        pays: Whether the budget pays for it; for fewer tokens if for more.
        costs: What it costs to make, and to answer with it as often as it will be asked.
    """
    paid = [amounts for one in most if (amounts := _paid(one, pays))]
    enough = (1 + ALIKE) * min(forecast(amounts[-1]) for amounts in paid)
    reach = (next((one for one in amounts if forecast(one) <= enough), None) for amounts in paid)
    return min((one for one in reach if one), key=costs)


def _paid(most: Scratch, pays: Callable[[Scratch], bool]) -> list[Scratch]:
    """From the least to the most tokens of `most.shape` that are paid for; [] if nothing is."""
    amounts = [Scratch(most.shape, most.tokens / FINER ** (FINEST - part)) for part in range(FINEST + 1)]
    return amounts[: 1 + largest(lambda part: pays(amounts[part]), 0, FINEST)] if pays(amounts[0]) else []
