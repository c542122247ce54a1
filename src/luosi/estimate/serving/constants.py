"""The numbers that the physics of serving leaves open: what each means, what it is thought to be before any row is read, and how surely.

The fit moves them from here as far as published runs ask for it. It does not know the runs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

Constants = Mapping[str, float]
"""By name, as exponents: a time or an efficiency is exp(value), an adjustment is added inside that exp."""


@dataclass(frozen=True)
class Prior:
    """What is thought of one number before the fit: normal, as an exponent."""

    mean: float
    spread: float
    meaning: str


def _about(value: float, spread: float, meaning: str) -> Prior:
    return Prior(math.log(value), spread, meaning)


def _change(spread: float, meaning: str, mean: float = 0.0) -> Prior:
    return Prior(mean, spread, meaning)


PRIORS: dict[str, Prior] = {
    "bandwidth": _about(0.75, 0.2, "share of the memory's bandwidth that decoding reaches"),
    "bandwidth_expert": _about(0.7, 0.3, "the same of experts' weights, against other weights"),
    "bandwidth_newer": _change(0.1, "on chips of Blackwell's generation"),
    "decode": _about(0.4, 0.3, "share of the peak rate in decoding's matrix products"),
    "prefill": _about(0.5, 0.3, "share of the peak rate in prefill"),
    "prefill_expert": _about(0.6, 0.3, "models with experts"),
    "prefill_newer": _change(0.2, "chips of Blackwell's generation"),
    "prefill_expert_newer": _change(0.3, "models with experts on chips of Blackwell's generation"),
    "first_size": _change(0.2, "seconds before the first token by each e-fold of the parameters", 0.1),
    "prefill_four": _change(0.3, "four-bit weights", -0.3),
    "prefill_four_expert": _change(0.3, "four-bit weights of experts, which chips without that rate compute in bf16", 0.3),
    "prefill_integer": _change(0.3, "int4 weights"),
    "decode_newer": _change(0.3, "chips of Blackwell's generation"),
    "integer": _change(0.3, "time of reading int4 experts' weights"),
    "integer_newer": _change(0.3, "the same on chips of Blackwell's generation, which its kernels were not made for", 0.2),
    "fixed_year": _change(0.2, "fixed times by a year of the engine's age", -0.1),
    "prefill_year": _change(0.2, "share of the peak rate by a year of the engine's age", 0.1),
    "first_year": _change(0.3, "seconds before the first token by a year of the engine's age"),
    "layer": _about(30e-6, 0.5, "seconds of a layer whatever the batch: launches, norms, attention"),
    "layer_expert": _about(50e-6, 0.5, "the same of a layer's router and experts"),
    "reduce": _about(12e-6, 0.5, "seconds of one all-reduce whatever its size"),
    "link": _about(0.5, 0.5, "share of the link's bandwidth"),
    "step": _about(1e-3, 0.7, "seconds of a step whatever the model: scheduling, sampling"),
    "sequence": _about(20e-6, 0.8, "seconds of a step for each sequence in it"),
    "fixed_newer": _change(0.2, "fixed times on chips of Blackwell's generation"),
    "mixing": _change(0.3, "time that others' prefills take from decoding"),
    "split": _about(0.3, 0.3, "share of the devices that read prompts where prompts and answers have devices of their own"),
    "first": _about(0.05, 0.7, "seconds before the first token whatever the prompt"),
    "burst": _about(0.15, 0.7, "prefills of others that a prompt waits for, as a share of the users"),
    "held": _about(0.88, 0.05, "share of the memory that weights and cache may take"),
    "grown": _about(0.6, 0.3, "share of the answer that a request holds on average when it is let in"),
    "power": _change(0.2, "rate by the power that the chip has for its FLOP", 0.35),
    "amd": _change(0.4, "rate on AMD's accelerators", -0.5),
    "processor": _change(0.6, "rate on processors", -0.9),
    "edge": _change(0.3, "rate on boards of less than 130 W", -0.3),
    "tuned": _about(0.45, 0.3, "share of the peak rate in a benchmark's submission"),
    "tuned_bandwidth": _about(0.8, 0.1, "share of the memory's bandwidth in a benchmark's submission"),
    "tuned_expert": _change(0.3, "models with experts", -0.35),
    "tuned_beam": _change(0.3, "beam search, which reorders the cache at each step", -0.3),
    "tuned_newer": _change(0.2, "chips of Blackwell's generation"),
    "tuned_four": _change(0.2, "four-bit weights"),
    "tuned_integer": _change(0.3, "int4 weights"),
    "tuned_vllm": _change(0.2, "vLLM against TensorRT", -0.2),
    "tuned_year": _change(0.1, "a year of the engine's age", 0.1),
    "tuned_step": _about(3e-3, 0.5, "seconds of a submission's step whatever the batch, of 80 layers"),
    "tuned_sequence": _about(15e-6, 0.7, "seconds of a submission's step for each sequence"),
    "tuned_batch": _about(1024, 0.4, "sequences that an engine takes at once"),
    "unstated": _change(0.3, "rows that do not give the precision"),
    "server": _change(0.1, "MLPerf's server against offline", -0.05),
    "server_prompt": _change(0.1, "the same for each e-fold of the prompt", -0.1),
    "server_processor": _change(0.3, "the same on processors, which the time limits press more", -0.3),
    "interactive": _change(0.3, "MLPerf's interactive against offline", -0.5),
    "interactive_prompt": _change(0.1, "the same for each e-fold of the prompt", -0.1),
    "interactive_size": _change(0.2, "the same for each e-fold of the parameters"),
} | {
    f"{part}_{engine}": _change(spread, f"{engine} against the engines' mean: {part}")
    for part, spread in (("prefill", 0.2), ("fixed", 0.2), ("first", 0.5), ("size", 0.15))
    for engine in ("vllm", "sglang", "trtllm")
}  # fmt: skip
NAMES = tuple(PRIORS)
