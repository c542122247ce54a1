"""Times of prefill and decoding and what follows from them under a load: closed forms over arrays of deployments, no loop over rows.

A decoding step reads the weights it touches and the cache, computes, reduces over devices, and has fixed times; a prefill computes. Under
a fixed number of users decoding shares its time with the prefills of others, and a prompt waits for some of them, and for a place if the
cache is full. What these forms leave open are `Constants`. They know no engine's or chip's habits beyond those.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from luosi.estimate.serving.constants import Constants
from luosi.estimate.serving.deployment import Floats, Table

_ENGINES = ("vllm", "sglang", "trtllm")


@dataclass(frozen=True)
class Step:
    """Seconds of one decoding step by part, (n,) each."""

    weights: Floats
    """Reading them."""
    cache: Floats
    """Reading keys and values."""
    compute: Floats
    reduce: Floats
    """Between devices."""
    fixed: Floats
    """Launches, scheduling, sampling."""

    @property
    def total(self) -> Floats:
        """Reading and computing overlap for the most part."""
        read = self.weights + self.cache
        return np.maximum(read, self.compute) + 0.3 * np.minimum(read, self.compute) + self.reduce + self.fixed


@dataclass(frozen=True)
class Closed:
    """A service with a fixed number of users, (n,) each; seconds."""

    first: Floats
    """To the first token, its wait included."""
    token: Floats
    """Between tokens."""
    batch: Floats
    """Requests decoded at once."""
    step: Step
    prefill: Floats
    """Of one prompt by all devices."""
    wait: Floats
    """For a place in the batch; part of `first`."""


def device_rate(t: Table, c: Constants) -> Floats:
    """What a chip's kind takes from its peak rate: power, vendor, form. Chat leaves a chip half as near its limit of power as a benchmark."""
    power = c["power"] * t.power * np.where(t.closed > 0, 0.5, 1.0)
    return np.asarray(np.exp(power + c["amd"] * t.amd + c["processor"] * t.processor + c["edge"] * t.edge))


def decoding(t: Table, c: Constants, batch: Floats, context: Floats) -> Step:
    """One step of a batch of sequences with so many tokens behind them.

    Args:
        batch: Sequences on all devices, (n,).
        context: Tokens, (n,).
    """
    each = batch / t.copies
    touched = 1 - (1 - t.chosen / t.experts) ** np.maximum(batch, 1.0)
    bandwidth = t.bandwidth * np.exp(c["bandwidth"] + c["bandwidth_newer"] * t.newer)
    experts = t.expert * t.expert_bytes * touched / t.devices
    experts = experts * np.exp(
        -c["bandwidth_expert"] + c["integer"] * t.integer + c["integer_newer"] * t.integer * t.newer
    )
    rate = np.exp(c["decode"] + c["decode_newer"] * t.newer) * device_rate(t, c)
    own = each * (2 * t.dense + context * t.score_flop) / t.tensor / t.dense_rate
    routed = batch * 2 * t.expert * t.chosen / t.experts / t.devices / t.expert_rate
    fixed = t.layers * (np.exp(c["layer"]) + t.sparse * np.exp(c["layer_expert"])) + np.exp(c["step"])
    habit = np.exp(c["fixed_newer"] * t.newer + c["fixed_year"] * (t.year - 2026) + _by_engine(t, c, "fixed"))
    return Step(
        weights=(t.dense * t.dense_bytes / t.tensor + experts) / bandwidth,
        cache=each * context * t.kv_numbers * t.kv_bytes / np.minimum(t.tensor, t.kv_shares) / bandwidth,
        compute=(own + routed) / rate,
        reduce=_spread(t)
        * t.layers
        * 2
        * (np.exp(c["reduce"]) + each * t.width * 4 * (1 - 1 / t.devices) / (t.link * np.exp(c["link"]))),
        fixed=fixed * habit + each * np.exp(c["sequence"]),
    )


def prefill(t: Table, c: Constants) -> Floats:
    """Seconds that all devices together need for one prompt, (n,)."""
    share = (
        c["prefill"]
        + t.sparse * (c["prefill_expert"] + c["prefill_four_expert"] * t.four_bit + c["prefill_expert_newer"] * t.newer)
        + c["prefill_four"] * t.four_bit
        + c["prefill_newer"] * t.newer
        + c["prefill_integer"] * t.integer
        + c["prefill_year"] * (t.year - 2026) * t.closed
        + _by_engine(t, c, "prefill")
    )
    active = 2 * t.dense / t.dense_rate + 2 * t.expert * t.chosen / t.experts / t.expert_rate
    scores = t.score_flop * t.prompt * 0.5 / t.dense_rate
    moved = t.layers * 8 * t.width * (t.tensor - 1) / t.tensor / (t.link * np.exp(c["link"]))
    return np.asarray(t.prompt * ((active + scores) / t.devices / np.exp(share) / device_rate(t, c) + moved))


def places(t: Table, c: Constants) -> Floats:
    """Requests whose keys and values fit in the memory that the weights leave, (n,); at least one."""
    weights = t.expert * t.expert_bytes + t.dense * t.dense_bytes * t.devices / t.tensor
    room = t.memory * t.devices
    free = np.maximum(room * np.exp(c["held"]) - weights, 0.02 * room)
    each = t.kv_numbers * t.kv_bytes * t.tensor / np.minimum(t.tensor, t.kv_shares)
    return np.asarray(np.maximum(1.0, free / (each * (t.prompt + t.answer * np.exp(c["grown"])))))


def closed(t: Table, c: Constants) -> Closed:
    """What each of `concurrency` users sees who ask again as soon as they are answered.

    With attention in more copies than a node has devices, prompts and answers are taken to have devices of their own.
    """
    split = (t.copies > 8).astype(float)
    share = np.where(split > 0, np.exp(c["split"]), 1.0)
    decoders = t.over(devices=t.devices * (1 - split * share), copies=t.copies * (1 - split * share))
    batch = (t.concurrency**-6 + places(t, c) ** -6) ** (-1 / 6)
    step = decoding(decoders, c, batch, t.prompt + t.answer / 2)
    one = prefill(t, c) / share
    token = step.total + (1 - split) * np.exp(c["mixing"]) * (batch - 1) / t.answer * one
    together = np.where(split > 0, np.maximum(1.0, t.devices * share / 8), t.copies)
    own = one * together + step.total + _before_first(t, c)
    wait = np.maximum(0.0, t.concurrency / batch - 1) * (own + t.answer * token)
    wait = wait + split * np.maximum(0.0, t.concurrency * one - t.answer * token - own)
    return Closed(own + np.exp(c["burst"]) * (batch - 1) * one + wait, token, batch, step, one, wait)


def _before_first(t: Table, c: Constants) -> Floats:
    """Seconds before the first token that no prompt's length explains."""
    size = np.log((t.dense + t.expert) / 1e11) * (c["first_size"] + _by_engine(t, c, "size"))
    return np.exp(c["first"] + c["first_year"] * (t.year - 2026) + _by_engine(t, c, "first") + size)


def saturated(t: Table, c: Constants) -> tuple[Floats, Floats]:
    """A tuned service with more requests than it can take: answers' tokens per second of one device, and seconds between tokens, (n,) each."""
    full = [_full(t, c, width) for width in (1, 2, 4, 8, 32)]
    rates = np.array([rate for rate, _ in full])
    best = rates.argmax(axis=0)
    size = np.log((t.dense + t.expert) / 7e10)
    prompt = np.log(t.prompt / 500)
    limits = t.server * (
        c["server"] + c["server_prompt"] * prompt + c["server_processor"] * t.processor
    ) + t.interactive * (c["interactive"] + c["interactive_prompt"] * prompt - c["interactive_size"] * size)
    pick = np.arange(len(t))
    token = np.array([token for _, token in full])[best, pick]
    return rates[best, pick] * np.exp(limits + t.unstated * c["unstated"]), token


def _full(t: Table, c: Constants, width: int) -> tuple[Floats, Floats]:
    """The same with the model cut over `width` devices and as many sequences as their memory takes."""
    weights = t.dense * t.dense_bytes + t.expert * t.expert_bytes
    held = t.kv_numbers * t.kv_bytes * (t.prompt + 0.6 * t.answer * t.beams)
    fits = np.maximum(0.9 * t.memory * width - weights, 1e-3 * held) / held
    most = np.exp(c["tuned_batch"])
    batch = fits * most / (fits + most)
    lines = batch * t.beams
    rate = np.exp(_tuned(t, c)) * device_rate(t, c)
    touched = 1 - (1 - t.chosen / t.experts) ** np.maximum(lines, 1.0)
    read = t.dense * t.dense_bytes + t.expert * t.expert_bytes * touched
    read = read + (batch * t.prompt + lines * t.answer / 2) * t.kv_numbers * t.kv_bytes
    memory = read / width / (t.bandwidth * np.exp(c["tuned_bandwidth"] + 0.3 * c["processor"] * t.processor))
    flop = 2 * t.dense / t.dense_rate + 2 * t.expert * t.chosen / t.experts / t.expert_rate
    compute = lines * flop / width / rate
    prompts = batch / t.answer * t.prompt
    first = prompts * (flop + t.score_flop * t.prompt * 0.5 / t.dense_rate) / width / rate
    moved = (lines + prompts) * t.layers * 8 * t.width * (width - 1) / width / (t.link * np.exp(c["link"]))
    step = np.maximum(memory, compute) + 0.3 * np.minimum(memory, compute) + first + moved
    step = step + np.exp(c["tuned_step"]) * t.layers / 80 + lines * np.exp(c["tuned_sequence"])
    needless = (width > 8) & (weights < 6 * t.memory)
    return np.where((width > t.devices) & (width > 1) | needless, 1e-9, batch / step / width), step


def _tuned(t: Table, c: Constants) -> Floats:
    """Share of the peak rate that a submission's products reach, as a logarithm."""
    return np.asarray(
        c["tuned"]
        + c["tuned_expert"] * t.sparse
        + c["tuned_newer"] * t.newer
        + c["tuned_beam"] * (t.beams > 1)
        + c["tuned_four"] * t.four_bit
        + c["tuned_integer"] * t.integer
        + c["tuned_vllm"] * t.vllm
        + c["tuned_year"] * (t.year - 2025)
    )


def _spread(t: Table) -> Floats:
    """Whether a layer's work is put together from several devices."""
    return ((t.tensor > 1) | (t.devices > t.tensor) & (t.sparse > 0)).astype(float)


def _by_engine(t: Table, c: Constants, part: str) -> Floats:
    return c[f"{part}_vllm"] * t.vllm + c[f"{part}_sglang"] * t.sglang + c[f"{part}_trtllm"] * t.trtllm
