"""Probe: how fast this machine multiplies matrices, printed as one line of JSON; `python -m luosi.models.probe --seconds 3`.

A program of its own, so that whoever asks need not load torch. Knows nothing of plans or prices.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from typing import Any

CPU_SIZE = 1024
CUDA_SIZE = 8192
SLOW = 0.5
"""A precision whose first product is under this share of fp32's speed is emulated, and not worth timing further."""


def bursts(product: Any, flop: float, seconds: float) -> list[float]:
    """FLOP/s of `product()` again and again for `seconds`; at least three times."""
    rates: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(rates) < 3:
        start = time.perf_counter()
        product()
        rates.append(flop / (time.perf_counter() - start))
    return rates


def sustained(rates: list[float]) -> float:
    """The upper quartile: other programs' load slows some bursts, and nothing makes one faster than the machine is."""
    return sorted(rates)[(3 * len(rates)) // 4]


def measure(seconds: float, threads: int) -> dict[str, Any]:
    """{"device", "device_name", "memory_bytes" (of an accelerator, else 0), "fp32_flops", "bf16_flops"}.

    Args:
        seconds: Wall time for the whole measurement, loading torch not counted.
        threads: CPU threads to use.
    """
    import torch

    torch.set_num_threads(threads)
    cuda = torch.cuda.is_available()
    device = torch.device("cuda" if cuda else "cpu")
    size = CUDA_SIZE if cuda else CPU_SIZE
    flop = 2.0 * size**3
    speeds: dict[str, float] = {}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        generator = torch.Generator(device).manual_seed(0)
        left_MM, right_MM = (
            torch.randn(size, size, device=device, generator=generator).to(dtype) for _ in range(2)
        )

        def product(a: Any = left_MM, b: Any = right_MM) -> None:
            torch.mm(a, b)
            if cuda:
                torch.cuda.synchronize()

        product()
        first = bursts(product, flop, 0.0)
        slow = max(first) < SLOW * speeds.get("fp32", 0.0)
        speeds[name] = sustained(first if slow else bursts(product, flop, seconds / 2))
    properties = torch.cuda.get_device_properties(device) if cuda else None
    return {
        "device": device.type,
        "device_name": properties.name if properties else "",
        "memory_bytes": int(properties.total_memory) if properties else 0,
        "fp32_flops": speeds["fp32"],
        "bf16_flops": max(speeds.values()),
    }


def main() -> int:
    """Print the measurement; exit 3 if torch is not installed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    try:
        found = measure(arguments.seconds, arguments.threads)
    except ImportError:
        return 3
    json.dump(found, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
