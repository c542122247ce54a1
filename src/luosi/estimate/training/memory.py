"""The memory of a device in training, by part, of many configurations at once.

Made from an architecture, a chip and arrays of configurations. Weights are held at two bytes, gradients at four, Adam's states and its own
copy of the weights at twelve (Rajbhandari et al. 2020); activations follow Korthikanti et al. 2022 with attention that keeps no scores, at
two bytes a number. It knows no framework's own buffers beyond a flat share.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from luosi.estimate.architecture import Architecture
from luosi.estimate.chips import Chip
from luosi.estimate.training.physics import Runs
from luosi.estimate.training.terms import Floats, Sizes, array, sizes_of

RUNTIME_BYTES = 2e9
"""The driver's and the collectives' own."""
FRAGMENTED = 0.06
"""Of everything else, lost between blocks."""
LOGIT_BYTES = 10.0
"""Of one number of the head's output: itself, a wider copy for the loss, and its gradient."""
SELECTED = 0.5
"""Of a layer's activations, kept where the cheap half is recomputed; as torchtitan's selective mode measures."""


@dataclass(frozen=True)
class MemoryParts:
    """Bytes of one device at the peak, (n,) each."""

    weights: Floats
    gradients: Floats
    optimizer: Floats
    activations: Floats
    logits: Floats
    workspace: Floats
    """Gathered layers of sharded weights and sequences, fragmentation, the runtime itself."""

    @property
    def total(self) -> Floats:
        """Bytes, (n,)."""
        return np.sum([getattr(self, one.name) for one in fields(self)], axis=0)  # type: ignore[no-any-return]


def bytes_per_device(arch: Architecture, chip: Chip, run: Runs) -> MemoryParts:
    """The bytes that the fullest device holds at once, whether it has them or not.

    Args:
        run: Configurations (n,).
    """
    del chip  # all keep the same numbers
    s = sizes_of(arch)
    tp, pp, dp, cp, ep = map(array, (run.tp, run.pp, run.dp, run.cp, run.ep))
    zero, group = array(run.zero), dp * cp
    wide = np.maximum(group * tp / ep, 1.0)
    plain, experts = (s.parameters - s.expert_parameters) / (tp * pp), s.expert_parameters / (ep * pp)

    def held(shared: Any) -> Any:
        return plain / np.where(shared, group, 1.0) + experts / np.where(shared, wide, 1.0)

    trained = 0.01 if run.lora else 1.0
    weights, gradients, states = (
        2.0 * held(zero >= 3),
        4.0 * trained * held(zero >= 2),
        12.0 * trained * held(zero >= 1),
    )
    tokens = array(run.micro_batch) * array(run.sequence) / cp / tp
    activations = _activations(s, run, tokens, pp)
    logits = LOGIT_BYTES * tokens * s.head / s.width
    layer = (s.parameters - s.expert_parameters) / s.layers / tp + s.expert_parameters / max(s.routed, 1) / ep
    gathered = np.where(zero >= 3, 4.0 * layer, 0.0) + np.where(tp > 1, 8.0 * tokens * tp * s.width, 0.0)
    used = weights + gradients + states + activations + logits + gathered
    made = (weights, gradients, states, activations, logits, gathered + FRAGMENTED * used + RUNTIME_BYTES)
    return MemoryParts(*(np.broadcast_to(array(one), (len(run),)) for one in made))


def _activations(s: Sizes, run: Runs, tokens: Any, pp: Any) -> Any:
    """Of the first stage, which holds those of as many micro-batches as there are stages."""
    routed = s.routed / s.layers
    layer = 4 * s.width + s.attention / s.width + s.dense / s.width + (1 - routed) * s.inner
    layer = layer + routed * (s.expert / s.width + s.chosen * (s.expert_inner + 2 * s.width))
    whole = 2.0 * layer * tokens
    again = array(run.recompute)
    kept = np.where(again >= 2, 2.0 * s.width * tokens, whole * np.where(again >= 1, SELECTED, 1.0))
    virtual = array(run.virtual_stages)
    micros = np.maximum(1.0, array(run.global_batch) / (array(run.dp) * array(run.micro_batch)))
    flying = np.minimum(micros, np.where(pp > 1, pp * (1 + (pp - 1) / (pp * virtual)), 1.0))
    return kept * s.layers / pp * flying + np.where(again >= 2, whole, 0.0)
