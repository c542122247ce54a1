"""What the closed forms need of an architecture and of a chip: plain numbers, or arrays of them where many are computed at once.

Made from an `Architecture` and a `Chip`; published counts of parameters scale what the sizes give, where both are known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from luosi.estimate.architecture import Architecture
from luosi.estimate.chips import Chip

Floats = NDArray[np.float64]
Numbers = Any
"""A number, or an array of one for each configuration."""
H100_WATTS, A100_WATTS = 700 / 989, 400 / 312
"""Of a TFLOP a second at 16 bits."""


@dataclass(frozen=True)
class Sizes:
    """What the forms need of an architecture: numbers of one layer, or arrays of them."""

    layers: Numbers
    routed: Numbers
    """Layers with experts."""
    width: Numbers
    attention: Numbers
    """Parameters of a layer's attention, scaled as `scale` says, and so are those below."""
    dense: Numbers
    """Parameters of all layers' feed-forward nets that every token meets, per layer."""
    expert: Numbers
    """Parameters of the experts one token meets, per layer with experts."""
    inner: Numbers
    """Width inside a dense feed-forward net."""
    expert_inner: Numbers
    experts: Numbers
    chosen: Numbers
    head: Numbers
    """Parameters of the head."""
    kv: Numbers
    """Numbers of a token's keys and values in a layer."""
    scores: Numbers
    """FLOP of one token over one other in a layer, forward, causal."""
    window: Numbers
    """Tokens a layer looks back at; infinite for all."""
    parameters: Numbers
    expert_parameters: Numbers


def sizes_of(arch: Architecture) -> Sizes:
    """What the forms need of it; published counts scale what the sizes give, where both are known."""
    routed = arch.layers - arch.dense_layers if arch.experts else 0
    head = float(arch.vocab * arch.width)
    expert = float(arch.matrices * arch.width * arch.active_experts * arch.expert_ff) if routed else 0.0
    shared = float(arch.matrices * arch.width * arch.shared_ff + arch.width * arch.experts) if routed else 0.0
    dense = ((arch.layers - routed) * arch.matrices * arch.width * arch.ff + routed * shared) / arch.layers
    counted = arch.layers * (arch.attention + dense) + routed * expert
    met = max(arch.active - head, 0.3 * arch.active)
    scale = met / counted
    return Sizes(
        layers=arch.layers,
        routed=routed,
        width=arch.width,
        attention=arch.attention * scale,
        dense=dense * scale,
        expert=expert * scale,
        inner=max(arch.ff, arch.shared_ff, 1),
        expert_inner=max(arch.expert_ff, 1),
        experts=max(arch.experts, 1),
        chosen=arch.active_experts,
        head=head,
        kv=arch.kv_latent + arch.rope_dim if arch.kv_latent else 2 * arch.kv_heads * arch.head_dim,
        scores=arch.attention_flop(1.0) / arch.layers,
        window=arch.window or np.inf,
        parameters=arch.parameters,
        expert_parameters=min(arch.expert_parameters, 0.97 * arch.parameters),
    )


@dataclass(frozen=True)
class Rates:
    """What the forms need of a chip at a precision; bytes and FLOP a second."""

    peak: Numbers
    peak16: Numbers
    bits: Numbers
    """Of the products' operands: 16, 8 or 4."""
    memory: Numbers
    scaleup: Numbers
    domain: Numbers
    scaleout: Numbers
    watts: Numbers
    """Of a chip, per 16-bit TFLOP a second."""


def rates_of(chip: Chip, precision: str) -> Rates:
    """What the forms need of it. A chip without links of its own exchanges over its bus, at 25 GB/s; one whose network is not known has 3."""
    peak = chip.tflops(precision) * 1e12
    peak16 = chip.bf16_tflops * 1e12
    name = precision.lower()
    bits = 16 if peak <= peak16 * 1.01 else 4 if "fp4" in name and chip.fp4_tflops else 8
    return Rates(
        peak=peak,
        peak16=peak16,
        bits=bits,
        memory=chip.memory_gbs * 1e9,
        scaleup=(chip.scaleup_gbs or 25.0) * 1e9,
        domain=max(chip.scaleup_devices, chip.server_devices, 1),
        scaleout=(chip.scaleout_gbs or 3.0) * 1e9,
        watts=(chip.tdp_w or H100_WATTS * chip.bf16_tflops) / chip.bf16_tflops,
    )


def array(one: Numbers) -> Floats:
    """A number or an array as an array."""
    return np.asarray(one, dtype=np.float64)
