"""A model as it is served: on which chips, how spread, under which load; and many of them as the arrays that the physics works on.

Made from an architecture, a chip and a load. Knows nothing of tables or files.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from luosi.estimate.architecture import Architecture
from luosi.estimate.chips import Chip

Floats = NDArray[np.float64]
Scenario = Literal["closed", "offline", "server", "interactive"]

_RELEASED = {
    "vllm": {"0.4": 2024.4, "0.5": 2024.6, "0.6": 2024.8, "0.8": 2025.2, "0.9": 2025.4, "0.10": 2025.6, "0.15": 2026.1, "0.19": 2026.3},
    "sglang": {"0.3": 2024.7, "0.4": 2025.0, "0.5": 2025.8},
    "trtllm": {"0.9": 2024.3, "0.16": 2024.9, "1.0": 2025.6, "1.1": 2025.8, "1.2": 2026.0, "1.3": 2026.2},
    "tensorrt": {"9.3": 2024.2, "10.2": 2024.5, "10.8": 2025.1, "10.11": 2025.5},
}  # fmt: skip
"""Years in which versions of the engines came out, from their release pages; those between are taken for the one before."""
_USUAL_YEAR = 2025.8
_NEWEST = 2026.2
_ENGINE = re.compile(r"(vllm|sglang|trtllm|tensorrt-llm|tensorrt)[ -]*v?(?:(\d+)\.(\d+))?")


@dataclass(frozen=True)
class Deployment:
    """One model on some devices under one load."""

    architecture: Architecture
    chip: Chip
    precision: str
    """Of the weights: bf16, fp8, fp4, int8 or int4."""
    prompt: float
    """Tokens of a request, on average."""
    answer: float
    devices: int = 1
    tensor: int = 1
    """Devices that each layer is cut over."""
    copies: int = 1
    """Of the attention (data parallelism); experts are spread over all devices."""
    concurrency: float = 1.0
    """Requests at once; not read unless the scenario is closed."""
    scenario: Scenario = "closed"
    """closed: so many users, each asking again when answered; else as many as the engine takes within limits, as MLPerf's scenarios are."""
    engine: str = ""
    """With its version, as "vllm 0.18.0"; another than vLLM, SGLang and TensorRT is taken for their mean."""
    beams: int = 1
    stated: bool = True
    """Whether the precision is known and not assumed."""

    @property
    def engine_name(self) -> str:
        """vllm, sglang, trtllm, tensorrt, or empty."""
        found = _ENGINE.search(self.engine.lower())
        return found[1].replace("tensorrt-llm", "trtllm") if found else ""

    @property
    def engine_year(self) -> float:
        """When its version came out; a usual year if it gives none."""
        found = _ENGINE.search(self.engine.lower())
        if not found or not found[2]:
            return _NEWEST if re.search("nightly|main|latest", self.engine.lower()) else _USUAL_YEAR
        asked = (int(found[2]), int(found[3]))
        dated = sorted(
            (tuple(map(int, version.split("."))), year) for version, year in _RELEASED[self.engine_name].items()
        )
        return next((year for version, year in reversed(dated) if version <= asked), dated[0][1])


@dataclass(frozen=True)
class Table:
    """Deployments as arrays, (n,) each. Bytes, FLOP, seconds; shares and flags are from 0 to 1."""

    layers: Floats
    width: Floats
    dense: Floats
    """Parameters that every token meets."""
    expert: Floats
    """Parameters of all routed experts."""
    experts: Floats
    chosen: Floats
    """Experts of a token."""
    sparse: Floats
    """Whether it has experts."""
    kv_numbers: Floats
    """Kept of a token, all layers."""
    kv_shares: Floats
    """Devices over which a token's keys and values can be cut; 1 for latent attention."""
    score_flop: Floats
    """Of one token's attention to one other, all layers."""
    dense_bytes: Floats
    """Of one parameter of `dense`."""
    expert_bytes: Floats
    kv_bytes: Floats
    """Of one number kept."""
    dense_rate: Floats
    """Peak FLOP/s of one device."""
    expert_rate: Floats
    bandwidth: Floats
    memory: Floats
    link: Floats
    power: Floats
    """Watts of power for its FLOP, against an H100's, as a logarithm: what is below 0 throttles; 0 where there is power enough."""
    newer: Floats
    """Whether of Blackwell's and MI350's generation."""
    amd: Floats
    processor: Floats
    edge: Floats
    four_bit: Floats
    integer: Floats
    unstated: Floats
    """Whether the precision is not known."""
    devices: Floats
    tensor: Floats
    copies: Floats
    prompt: Floats
    answer: Floats
    concurrency: Floats
    beams: Floats
    vllm: Floats
    sglang: Floats
    trtllm: Floats
    year: Floats
    closed: Floats
    server: Floats
    interactive: Floats

    def __len__(self) -> int:
        return len(self.layers)

    def where(self, keep: NDArray[np.bool_]) -> Table:
        """The rows that are kept."""
        return Table(**{one.name: getattr(self, one.name)[keep] for one in fields(self)})

    def over(self, **columns: Floats) -> Table:
        """The same with other columns."""
        return replace(self, **columns)


def table(deployments: Sequence[Deployment]) -> Table:
    """Their arrays."""
    rows = [_numbers(one) for one in deployments]
    return Table(**{one.name: np.array([row[one.name] for row in rows], dtype=float) for one in fields(Table)})


def _numbers(one: Deployment) -> dict[str, float]:
    engine = one.engine_name
    return (
        _of_model(one.architecture)
        | _of_precision(one)
        | _of_chip(one.chip)
        | {
            "devices": max(1, one.devices),
            "tensor": max(1, one.tensor),
            "copies": max(1, one.copies),
            "prompt": max(1.0, one.prompt),
            "answer": max(1.0, one.answer),
            "concurrency": max(1.0, one.concurrency),
            "beams": one.beams,
            "vllm": engine == "vllm",
            "sglang": engine == "sglang",
            "trtllm": engine == "trtllm",
            "year": one.engine_year,
            "closed": one.scenario == "closed",
            "server": one.scenario == "server",
            "interactive": one.scenario == "interactive",
        }
    )


def _of_model(model: Architecture) -> dict[str, float]:
    routed = min(model.expert_parameters, 0.98 * model.parameters)
    table_only = 0 if model.tied else model.vocab * model.width
    share = 0.5 if model.window else 1.0
    return {
        "layers": model.layers,
        "width": model.width,
        "dense": max(model.parameters - routed - table_only, 0.01 * model.parameters),
        "expert": routed,
        "experts": max(1, model.experts),
        "chosen": max(1, model.active_experts),
        "sparse": model.experts > 0,
        "kv_numbers": model.kv_bytes(1.0) * share,
        "kv_shares": 1 if model.kv_latent else model.kv_heads,
        "score_flop": replace(model, window=0).attention_flop(1.0, causal=False) * share,
    }


def _of_precision(one: Deployment) -> dict[str, float]:
    """Four-bit weights beside unquantised attention where there are experts; computed in bf16 on chips without that rate."""
    name, chip, sparse = one.precision.lower(), one.chip, one.architecture.experts > 0
    four, integer = "fp4" in name, "int4" in name
    weight = 0.5625 if four or integer else 1.0 if "8" in name.replace("bf16", "") else 2.0
    native = not integer and not (four and not chip.fp4_tflops)
    rate = chip.tflops(name) if native else chip.bf16_tflops
    dense_rate = chip.tflops("fp8") if four and sparse and native else rate
    return {
        "dense_bytes": 1.0 if weight < 1 and sparse else weight,
        "expert_bytes": weight,
        "kv_bytes": 1.0 if weight <= 1 and not integer else 2.0,
        "dense_rate": dense_rate * 1e12,
        "expert_rate": rate * 1e12,
        "four_bit": four,
        "integer": integer,
        "unstated": not one.stated,
    }


def _of_chip(chip: Chip) -> dict[str, float]:
    return {
        "bandwidth": chip.memory_gbs * 1e9,
        "memory": chip.memory_gb * 1e9,
        "link": max(16.0, chip.scaleup_gbs) * 1e9,
        "power": min(0.0, math.log(chip.tdp_w / chip.bf16_tflops / 0.708)),
        "newer": chip.year >= 2024 and chip.bf16_tflops > 1500,
        "amd": chip.vendor == "AMD",
        "processor": is_processor(chip),
        "edge": chip.tdp_w < 130,
    }


def is_processor(chip: Chip) -> bool:
    """Whether it is a CPU, by its name."""
    return bool(re.match(r"xeon|epyc|cpu", chip.name.lower()))
