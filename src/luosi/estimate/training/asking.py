"""A training run as a user asks for it, in words and numbers, made into what the search takes; what is left out is filled in and named.

Everything that cannot be is refused here in one line. Light: no numpy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from luosi.estimate.architecture import Architecture
from luosi.estimate.catalogue import architecture_named
from luosi.estimate.chips import Chip
from luosi.estimate.quantities import amount, count, machines, one_of, whole
from luosi.estimate.training.layouts import Asked, divisors

PRECISIONS = ("bf16", "fp16", "fp8", "mxfp8", "fp4", "nvfp4", "mxfp4", "int8")
RECOMPUTE = ("none", "selective", "full")
TOKENS_PER_PARAMETER = 20.0
"""The compute-optimal number of Hoffmann et al. 2022 (arXiv 2203.15556)."""
BATCH_FACTOR, BATCH_POWER = 0.2920, 0.3271
"""Tokens of a good batch by the FLOP of the run: DeepSeek LLM (arXiv 2401.02954)."""
LEAST_BATCH, MOST_BATCH = 2.0**17, 2.0**24
"""Tokens: what the batches of public runs lie between."""

MOST_SEQUENCE, MOST_SEQUENCES = 1e9, 1e8


@dataclass(frozen=True)
class Wanted:
    """A run, complete."""

    architecture: Architecture
    chip: Chip
    asked: Asked
    tokens: float
    assumed: tuple[str, ...]
    """What was not given, in words."""


def wanted(
    *,
    model: str,
    on: str | tuple[Chip, int],
    tokens: str = "",
    precision: str = "bf16",
    sequence: str = "4096",
    batch: str = "",
    recompute: str = "",
    lora: bool = False,
    pins: Mapping[str, int | None] | None = None,
) -> Wanted:
    """Read what is asked for.

    Args:
        model: A name of the catalogue, a config.json, or a size.
        on: A chip and how many, as in "h100:1024", or as found already.
        batch: Sequences.
        recompute: One of RECOMPUTE, or "" for open.
        pins: Fields of `Asked` that are given.

    Raises:
        UsageError: Something is unknown or no number; says what, and the nearest that would do.
    """
    architecture = architecture_named(model)
    chip, devices = machines(on) if isinstance(on, str) else on
    length = whole(sequence, "the sequence", most=MOST_SEQUENCE)
    level = RECOMPUTE.index(one_of(recompute, RECOMPUTE, "recompute")) if recompute else None
    rate = one_of(precision, PRECISIONS, "precision")
    assumed = []
    if tokens:
        total = amount(tokens, "tokens")
    else:
        total = TOKENS_PER_PARAMETER * architecture.active
        assumed.append(f"{count(total)} tokens, 20 for each active parameter (arXiv 2203.15556)")
    if batch:
        sequences = whole(batch, "the batch", most=MOST_SEQUENCES)
    else:
        sequences = usual_batch(architecture, total, length, devices)
        assumed.append(f"a batch of {sequences} sequences, by the run's FLOP (arXiv 2401.02954)")
    if rate not in ("bf16", "fp16") and chip.tflops(rate) <= chip.bf16_tflops:
        assumed.append(f"{chip.name} computes {rate} no faster than bf16")
    given: dict[str, Any] = dict(pins or {})
    asked = Asked(devices, rate, length, sequences, recompute=level, lora=lora, **given)
    return Wanted(architecture, chip, asked, total, tuple(assumed))


def usual_batch(arch: Architecture, tokens: float, sequence: int, devices: int) -> int:
    """Sequences of a good batch for a run of so many tokens, as a number that many layouts can cut."""
    flop = 3 * arch.forward_flop(sequence) * tokens
    sequences = max(1.0, min(max(BATCH_FACTOR * flop**BATCH_POWER, LEAST_BATCH), MOST_BATCH) / sequence)
    unit = max(one for one in divisors(devices) if one <= sequences)
    return unit << max(0, round(math.log2(sequences / unit)))
