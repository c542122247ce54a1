"""Probe: how fast this machine multiplies matrices, printed as one line of JSON; `python -m luosi.models.probe --seconds 3`.

A program of its own, so that whoever asks need not load torch. Knows nothing of plans or prices.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import torch

from luosi.models.precision import best_precision

CPU_SIZE = 1024
CUDA_SIZE = 8192
QUIET = 0.85
"""Share of the cores' time that must have been ours for a measurement by the wall clock to count."""


def bursts(product: Callable[[], None], flop: float, seconds: float, clock: Callable[[], float]) -> list[float]:
    """FLOP per second of `clock` of `product()` again and again for `seconds` of wall time; at least three times."""
    rates: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(rates) < 3:
        start = clock()
        product()
        rates.append(flop / max(clock() - start, 1e-9))
    return rates


def sustained(rates: list[float]) -> float:
    """The upper quartile: other programs' load slows some bursts, and nothing makes one faster than the machine is."""
    return sorted(rates)[(3 * len(rates)) // 4]


def cpu_speed(product: Callable[[], None], flop: float, seconds: float, threads: int) -> float:
    """Sustained FLOP/s of all threads together. Where other programs take some of the cores away, that of one thread by its
    own CPU time, times the threads: what the machine does when it is left alone."""
    torch.set_num_threads(threads)
    wall, cpu = time.perf_counter(), time.process_time()
    together = sustained(bursts(product, flop, seconds / 2, time.perf_counter))
    had = (time.process_time() - cpu) / (time.perf_counter() - wall) / threads
    if had >= QUIET:
        return together
    torch.set_num_threads(1)
    return max(together, threads * sustained(bursts(product, flop, seconds / 2, time.thread_time)))


def measure(seconds: float, threads: int) -> dict[str, Any]:
    """{"device", "device_name", "memory_bytes" (of an accelerator, else 0), "fp32_flops", "bf16_flops"}.

    Args:
        seconds: Wall time for the whole measurement, loading torch not counted.
        threads: CPU threads to use.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    size = CUDA_SIZE if device.type == "cuda" else CPU_SIZE
    speeds = {"fp32": 0.0}
    for name, dtype in {"fp32": torch.float32, "bf16": torch.bfloat16}.items():
        if name == "bf16" and best_precision(device) != "bf16":
            continue  # emulated: slow, and never used
        generator = torch.Generator(device).manual_seed(0)
        left_MM, right_MM = (torch.randn(size, size, device=device, generator=generator).to(dtype) for _ in range(2))

        def product(a: torch.Tensor = left_MM, b: torch.Tensor = right_MM) -> None:
            torch.mm(a, b)
            if a.is_cuda:
                torch.cuda.synchronize()

        product()
        if device.type == "cuda":
            speeds[name] = sustained(bursts(product, 2.0 * size**3, seconds / 2, time.perf_counter))
        else:
            speeds[name] = cpu_speed(product, 2.0 * size**3, seconds / 2, threads)
    properties = torch.cuda.get_device_properties(device) if device.type == "cuda" else None
    return {
        "device": device.type,
        "device_name": properties.name if properties else "",
        "memory_bytes": int(properties.total_memory) if properties else 0,
        "fp32_flops": speeds["fp32"],
        "bf16_flops": max(speeds.values()),
    }


def main() -> int:
    """Print the measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    json.dump(measure(arguments.seconds, arguments.threads), sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
