"""Which precision a device computes fast and safely, and the context manager that switches it on.

Weights stay in fp32; bf16 means autocast around the matrix products. fp16 is never used: on CPUs it is slow, and its small
range needs loss scaling. Knows nothing of models.
"""

from __future__ import annotations

from typing import Literal

import torch

Precision = Literal["bf16", "fp32"]


def best_precision(device: torch.device | str) -> Precision:
    """ "bf16" where the hardware multiplies it natively (CPU: AVX512-BF16 or AMX; CUDA: sm80 and later), else "fp32"."""
    kind = torch.device(device).type
    if kind == "cpu":
        can: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()  # newer than torch 2.11
        return "bf16" if can.get("avx512_bf16") or can.get("amx_bf16") else "fp32"
    if kind == "cuda":
        return "bf16" if torch.cuda.get_device_capability(device) >= (8, 0) else "fp32"
    return "fp32"


def round_linear_weights(model: torch.nn.Module) -> None:
    """Keep the weights of linear layers in bf16 from now on: what autocast makes of them at every call, to the same bits, once."""
    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            module.weight.data = module.weight.data.to(torch.bfloat16)


def autocast(precision: Precision, device_type: str) -> torch.autocast:
    """A context manager: matrix products in bf16 for "bf16"; for "fp32" everything in fp32, also inside an outer autocast."""
    return torch.autocast(device_type, dtype=torch.bfloat16, enabled=precision == "bf16")


def computed_in(x: torch.Tensor) -> torch.dtype:
    """What matrix products of `x` come in: autocast's dtype inside one, else its own."""
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
