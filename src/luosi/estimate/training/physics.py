"""The time of a training step, by part, of many configurations at once: closed forms over arrays, no loop over configurations.

Made from an architecture, a chip and arrays of configurations. The forms are the published ones (Narayanan et al. 2021 for pipelines,
Korthikanti et al. 2022 for sequence parallelism and recomputation, Rajbhandari et al. 2020 for sharded states, alpha-beta collectives);
the few numbers they leave open are `Constants`. It does not know a framework's or a chip's habits: `correction` adds what published
runs taught.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from luosi.estimate.architecture import Architecture
from luosi.estimate.chips import Chip
from luosi.estimate.training.constants import DEFAULT as DEFAULT
from luosi.estimate.training.constants import Constants as Constants
from luosi.estimate.training.terms import (
    A100_WATTS,
    H100_WATTS,
    Floats,
    Numbers,
    Rates,
    Sizes,
    array,
    rates_of,
    sizes_of,
)

A100_BALANCE = 312e12 / 2.039e12
"""FLOP at 16 bits per byte of memory."""


@dataclass(frozen=True)
class Runs:
    """Configurations of one length n; a number stands for n equal ones. Sequences, not tokens, are what a batch counts."""

    devices: Numbers
    precision: str
    """Of the matrix products: bf16, fp16, fp8, nvfp4, int8, .."""
    sequence: Numbers
    """Tokens."""
    global_batch: Numbers
    """Sequences of one optimizer step."""
    micro_batch: Numbers = 1
    tp: Numbers = 1
    pp: Numbers = 1
    dp: Numbers = 1
    """Copies of the model (sharded or not): devices / (tp * pp * cp)."""
    cp: Numbers = 1
    ep: Numbers = 1
    """Devices that one layer's experts are spread over, out of the tp * cp * dp ones of a stage."""
    virtual_stages: Numbers = 1
    zero: Numbers = 1
    """What the dp copies share out: 0 nothing, 1 the optimizer's states, 2 the gradients too, 3 the weights too (FSDP)."""
    recompute: Numbers = 0
    """0 nothing, 1 attention and cheap operations, 2 whole layers; between 1 and 2 a part of each layer."""
    causal: bool = True
    lora: bool = False

    def __len__(self) -> int:
        return max(np.size(getattr(self, one.name)) for one in fields(self) if one.name != "precision")


@dataclass(frozen=True)
class Parts:
    """Seconds of one step, (n,) each, as they add up: what is hidden behind computation is left out."""

    compute: Floats
    """Matrix products of the layers and the head, recomputation included."""
    attention: Floats
    """Scores and mixtures."""
    memory_bound: Floats
    """Norms, activations, casts, routing, and what starting kernels and a step's ends cost."""
    tensor_comm: Floats
    """Of tensor and context parallelism."""
    expert_comm: Floats
    data_comm: Floats
    pipeline_bubble: Floats
    pipeline_comm: Floats
    optimizer: Floats

    @property
    def total(self) -> Floats:
        """Seconds, (n,)."""
        return np.sum([getattr(self, one.name) for one in fields(self)], axis=0)  # type: ignore[no-any-return]


def step_time(arch: Architecture, chip: Chip, run: Runs, constants: Constants = DEFAULT) -> Parts:
    """The time of one optimizer step, in seconds by part.

    Args:
        run: Configurations (n,); `memory.bytes_per_device` says whether they fit, nothing here does.
    """
    return parts(sizes_of(arch), rates_of(chip, run.precision), run, constants, lora=run.lora)


def parts(sizes: Sizes, rates: Rates, run: Runs, constants: Constants, *, lora: Numbers) -> Parts:
    """The same of sizes and rates that may be arrays too, for as many configurations."""
    n = max(len(run), np.size(sizes.layers))
    device = _Device(sizes, rates, run, constants, lora)
    linear, attention, bound = device.linear(), device.attention(), device.memory_bound()
    tensor, expert = device.tensor_comm(), device.expert_comm()
    work = linear + attention + bound + tensor + expert  # of one micro-batch on one stage
    full = work * device.micros
    made = (
        linear * device.micros,
        attention * device.micros,
        bound * device.micros + constants.fixed,
        tensor * device.micros,
        expert * device.micros,
        device.data_comm(full),
        work * (device.pp - 1) / device.virtual,
        device.pipeline_comm(),
        device.optimizer(),
    )
    return Parts(*(np.broadcast_to(array(one), (n,)) for one in made))


class _Device:
    """One device's share of a micro-batch, for arrays of configurations; every time is in seconds."""

    def __init__(self, sizes: Sizes, rates: Rates, run: Runs, constants: Constants, lora: Numbers) -> None:
        self.sizes, self.rates, self.c = sizes, rates, constants
        self.tp, self.pp, self.dp, self.cp, self.ep = map(array, (run.tp, run.pp, run.dp, run.cp, run.ep))
        self.virtual = array(run.virtual_stages)
        self.zero, self.recompute = array(run.zero), array(run.recompute)
        micro = array(run.micro_batch)
        self.sequence = array(run.sequence)
        self.micros = np.maximum(1.0, array(run.global_batch) / (self.dp * micro))
        self.tokens = micro * self.sequence / self.cp
        self.causal = 1.0 if run.causal else 2.0
        self.share = 1.0 / self.pp
        """Of the layers that are on one device."""
        self.lora = array(lora)
        self.passes = 3.0 - self.lora + np.clip(self.recompute - 1.0, 0.0, 1.0)
        """Of the layers, in units of one forward."""

    def _collective(self, volume: Any, group: Any, inner: Any) -> Any:
        """Of `volume` bytes that each of `group` devices ends up with; `inner` neighbours of a domain are of other groups."""
        near = np.clip(self.rates.domain / inner, 1.0, group)  # of the group, in one domain
        inside = volume * (near - 1) / near / (self.rates.scaleup * self.c.scaleup)
        outside = volume * (1 - near / group) / near / (self.rates.scaleout * self.c.scaleout)
        return np.maximum(inside, outside)

    def linear(self) -> Any:
        """Products of one micro-batch."""
        s, r, c = self.sizes, self.rates, self.c
        reach = np.where(array(r.bits) == 16, c.linear16, np.where(array(r.bits) == 8, c.linear8, c.linear4))
        powered = (np.minimum(r.watts, A100_WATTS) / H100_WATTS) ** c.power
        reach = reach * powered
        balance = c.narrow * r.peak * reach / (r.memory * c.memory)  # sides at which traffic takes as long as computing
        per_flop = 1.0 / (r.peak * reach)

        def seconds(flop: Any, rows: Any, one: Any, other: Any) -> Any:
            return flop * per_flop * (1 + balance * (1 / rows + 1 / one + 1 / other))

        layers = s.layers * self.share
        two = 2.0 * self.passes * self.tokens / self.tp
        time = seconds(two * s.attention * layers, self.tokens, s.width, s.width / self.tp)
        time = time + seconds(two * s.dense * layers, self.tokens, s.width, s.inner / self.tp)
        rows = np.maximum(self.tokens / self.tp * self.ep * s.chosen / s.experts, 1.0)
        time = time + seconds(two * s.expert * s.routed * self.share, rows, s.width, s.expert_inner) / c.expert
        plain = c.narrow * r.peak16 * c.linear16 * powered / (r.memory * c.memory)
        head = 2.0 * (3.0 - self.lora) * self.tokens * s.head / self.tp / (r.peak16 * c.linear16 * powered)
        head = head * (1 + plain * (1 / self.tokens + 1 / array(s.width)))
        return time + head * np.where(self.pp > 1, c.head, 1.0)

    def attention(self) -> Any:
        """Scores and mixtures of one micro-batch."""
        s = self.sizes
        seen = np.minimum(self.sequence, 2 * array(s.window))
        back = 3.5 + (self.recompute >= 1)
        flop = back * self.tokens / self.tp * s.layers * self.share * s.scores * self.causal * seen
        balance = self.rates.peak16 / self.rates.memory / A100_BALANCE
        return flop / (self.rates.peak16 * self.c.attention) * balance**self.c.attention_fall

    def memory_bound(self) -> Any:
        """Passes over activations of one micro-batch, and its kernels' starts."""
        s, c = self.sizes, self.c
        again = self.passes / 3.0
        each = c.layer_bytes * (array(s.width) + 0.25 * array(s.inner)) * s.layers
        each = each + c.route_bytes * array(s.chosen) * s.width * s.routed
        logits = 12.0 * array(s.head) / s.width * np.where(self.pp > 1, c.head, 1.0) / self.share
        traffic = (each + logits) * self.tokens / self.tp * self.share * again
        return traffic / (self.rates.memory * c.memory) + c.launch * (s.layers + array(s.routed)) * self.share * again

    def tensor_comm(self) -> Any:
        """Exchange of activations across tp, and of keys and values across cp, of one micro-batch."""
        s, c = self.sizes, self.c
        layers = s.layers * self.share
        times = 4.0 * self.passes / 3.0 * 2.0  # a gather and a scatter each, twice a layer, forward and back
        volume = times * layers * self.tokens * s.width * 2.0 * (self.tp > 1)
        tensor = c.tensor_shown * self._collective(volume, self.tp, 1.0)
        keys = 3.0 * layers * self.tokens * self.cp * s.kv * 2.0 / self.tp * (self.cp > 1)
        context = self._collective(keys, self.cp, self.tp)
        attention = self.attention()
        return tensor + context * context / (context + attention + 1e-12)

    def expert_comm(self) -> Any:
        """Tokens sent to their experts and back, of one micro-batch."""
        s, c, r = self.sizes, self.c, self.rates
        volume = 4.0 * s.routed * self.share * self.tokens / self.tp * s.chosen * s.width * 2.0
        near = np.clip(array(r.domain), 1.0, self.ep)
        inside = volume * (near - 1) / self.ep / (r.scaleup * c.scaleup)
        outside = (
            volume * np.minimum(1.0, 8.0 / np.maximum(s.chosen, 1.0)) * (1 - near / self.ep) / (r.scaleout * c.scaleout)
        )
        return c.expert_shown * (inside + outside)

    def data_comm(self, work: Any) -> Any:
        """Gathering weights and reducing gradients, as far as `work` seconds of computing do not hide it."""
        s, c = self.sizes, self.c
        shard = self.tp * self.pp
        experts = array(s.expert_parameters) / (self.ep * self.pp)
        plain = (array(s.parameters) - s.expert_parameters) / shard
        trained = np.where(self.lora > 0, 0.01, 1.0)
        sharded = self.zero >= 3
        volume = np.where(sharded, 4.0 * self.micros + 2.0 * trained * self.micros, 4.0 * trained)
        group = self.dp * self.cp
        wide = np.maximum(group * self.tp / self.ep, 1.0)
        time = self._collective(volume * plain, group, self.tp) + self._collective(volume * experts, wide, self.ep)
        cover = c.hidden * np.where(sharded, work, work / self.micros)
        return time * time / (time + cover + 1e-12)

    def pipeline_comm(self) -> Any:
        """Activations handed from stage to stage."""
        volume = 2.0 * self.micros * self.virtual * self.tokens * self.sizes.width * 2.0 / self.tp * (self.pp > 1)
        near = self.tp * self.cp * self.pp <= array(self.rates.domain)
        speed = np.where(near, self.rates.scaleup * self.c.scaleup, self.rates.scaleout * self.c.scaleout)
        return self.c.pipeline_shown * volume / speed

    def optimizer(self) -> Any:
        """Reading and writing weights, gradients and states."""
        s = self.sizes
        experts = array(s.expert_parameters) / (self.ep * self.pp)
        plain = (array(s.parameters) - s.expert_parameters) / (self.tp * self.pp)
        group = self.dp * self.cp
        wide = np.maximum(group * self.tp / self.ep, 1.0)
        shared = self.zero >= 1
        held = plain / np.where(shared, group, 1.0) + experts / np.where(shared, wide, 1.0)
        trained = np.where(self.lora > 0, 0.01, 1.0)
        return 30.0 * held * trained / (self.rates.memory * self.c.memory)
