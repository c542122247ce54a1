"""How many rows of logits a softmax takes at one time: on a CPU as many as stay in its cores' caches between the passes over them, which
takes half the time of taking all of them. Knows no model."""

from __future__ import annotations

import torch
from torch import Tensor

CACHED_LOGITS = 400_000
"""In fp32 they fit a core's second cache."""


def row_blocks(logits_NV: Tensor) -> list[slice]:
    """Slices of rows, together all of them; on a GPU one."""
    most = CACHED_LOGITS * torch.get_num_threads() if logits_NV.device.type == "cpu" else logits_NV.numel()
    count = max(1, most // logits_NV.shape[1])
    return [slice(begin, begin + count) for begin in range(0, len(logits_NV), count)]
