"""What published runs taught beyond the closed forms: a Gaussian process over the logarithm of observed / computed seconds.

Made by `fit` from a table of runs; kept in data/fitted_training.json. Its kernel adds what runs share: a chip, a framework, a precision, a
likeness of sizes, of parallelism and of where the time goes; so an unknown chip or framework falls back on the rest, with a wider
interval. It does not know what no column says (library versions, cooling, a bad network).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from luosi.estimate.architecture import Architecture
from luosi.estimate.chips import Chip
from luosi.estimate.training.physics import Parts, Runs
from luosi.estimate.training.terms import Floats

NUMBERS = (
    "width", "layers", "active", "tokens", "micros", "tp", "pp", "cp", "ep", "devices", "sequence", "bits", "recompute", "sharded",
    "experts", "year", "attention", "memory_bound", "tensor_comm", "expert_comm", "data_comm", "bubble",
    "peak", "balance", "links", "memory", "power",
)  # fmt: skip
"""Of a run, in powers of two where they are sizes, as shares of the computed step where they are parts."""
LABELS = ("chip", "vendor", "family", "framework", "precision", "kind", "family_chip", "lora")


@dataclass(frozen=True)
class Features:
    """Of n runs."""

    numbers: Floats
    """(n, len(NUMBERS))"""
    labels: tuple[tuple[str, ...], ...]
    """n times one for each of LABELS."""


def family_of(framework: str) -> str:
    """The framework without its version or submitter."""
    name = framework.lower()
    for family, words in _FAMILIES:
        if any(word in name for word in words):
            return family
    return name.split(" ")[0]


_FAMILIES = (
    ("mlperf", ("mlperf",)),
    ("megatron-bridge", ("bridge", "nemo")),
    ("deepspeed", ("deepspeed",)),
    ("megatron", ("megatron",)),
)


def year_of(framework: str, chip: Chip, year: float = 0.0) -> float:
    """When the software is from: as its version says, else two years after the chip."""
    if year:
        return year
    if found := re.search(r"\b(2[0-9])\.(\d\d)\b", framework):
        return 2000 + int(found[1]) + int(found[2]) / 12
    if found := re.search(r"\b(20[12]\d)\b", framework):
        return float(found[1])
    if found := re.search(r"MLPerf v(\d)\.(\d)", framework):
        return 2020.45 + int(found[1]) - 0.0 + int(found[2]) * 0.4
    return min(chip.year + 2.0, 2026.0)


def features_of(
    arch: Architecture, chip: Chip, run: Runs, parts: Parts, *, framework: str = "", kind: str = "", year: float = 0.0
) -> Features:
    """Of one run, whose computed parts are given."""
    total = float(parts.total[0])
    micros = max(1.0, float(run.global_batch) / float(run.dp) / float(run.micro_batch))
    sizes = (
        arch.width, arch.layers, arch.active / 1e9, float(run.micro_batch) * float(run.sequence) / float(run.cp), micros,
        run.tp, run.pp, run.cp, run.ep, run.devices, run.sequence,
    )  # fmt: skip
    peak = chip.tflops(run.precision)
    shares = (
        parts.attention,
        parts.memory_bound,
        parts.tensor_comm,
        parts.expert_comm,
        parts.data_comm,
        parts.pipeline_bubble,
    )
    numbers = [
        *(np.log2(max(float(one), 1e-3)) for one in sizes),
        np.log2(peak / chip.bf16_tflops),
        float(run.recompute),
        float(float(run.zero) >= 2),
        np.log2(max(arch.experts, 1)),
        year_of(framework, chip, year) - 2020,
        *(float(one[0]) / total for one in shares),
        np.log2(chip.bf16_tflops),
        np.log2(chip.bf16_tflops / chip.memory_gbs * 1e3),
        np.log2((chip.scaleup_gbs or 25.0) / chip.bf16_tflops * 1e3),
        np.log2(chip.memory_gb),
        np.log2((chip.tdp_w or chip.bf16_tflops) / chip.bf16_tflops),
    ]
    family = family_of(framework)
    kind = kind or ("moe" if arch.experts else "dense")
    labels = (
        chip.name, chip.vendor, family, framework, run.precision, kind, f"{family} {chip.name}", "lora" if run.lora else "",
    )  # fmt: skip
    return Features(np.array([numbers], dtype=np.float64), (labels,))


def joined(parts: Sequence[Features]) -> Features:
    """Of all the runs, in order."""
    return Features(np.vstack([one.numbers for one in parts]), tuple(label for one in parts for label in one.labels))


@dataclass(frozen=True)
class Hyper:
    """Sizes of what is shared, as standard deviations of the logarithm of seconds, and how far a likeness reaches."""

    common: float = 0.405
    linear: float = 0.014
    chip: float = 0.02
    vendor: float = 0.15
    family: float = 0.161
    framework: float = 0.03
    precision: float = 0.016
    kind: float = 0.033
    family_chip: float = 0.097
    lora: float = 0.1
    like: float = 0.066
    """Of runs alike in sizes, parallelism and shares."""
    like_chip: float = 0.03
    """The same on one chip,"""
    like_family: float = 0.08
    """with one family of frameworks,"""
    like_chips: float = 0.051
    """and on chips alike."""
    chips: float = 0.016
    """Of chips alike, whatever runs."""
    reach: float = 1.02
    """In standard deviations of each number."""
    chip_reach: float = 0.375
    noise: float = 0.02
    """Of one run repeated."""


@dataclass(frozen=True)
class Tail:
    """How far held-out runs of a kind were from what was said of them."""

    own: float
    """Standard deviation of the logarithm that the process does not know of: what no column says."""
    low: float
    """Standard score, with `own` in it, below which a tenth of them were."""
    high: float
    """Above which a tenth were."""


@dataclass(frozen=True)
class Correction:
    """The process after the published runs."""

    hyper: Hyper
    centre: Floats
    spread: Floats
    """Of each number of the runs it learned from."""
    seen: Features
    target: Floats
    """(n,) logarithms of observed / computed seconds."""
    noise: Floats
    """(n,) variances: larger where a run disagrees with all like it."""
    groups: tuple[str, ...]
    """Shape and chip of each run."""
    tails: dict[str, Tail]
    """By kind of run."""

    @cached_property
    def _inverse(self) -> Floats:
        matrix = kernel(self.seen, self.seen, self.hyper, self.centre, self.spread)
        return np.asarray(np.linalg.inv(matrix + np.diag(self.noise)), dtype=np.float64)

    @cached_property
    def _weights(self) -> Floats:
        return self._inverse @ self.target

    def of(self, runs: Features, without: Sequence[str] = ()) -> tuple[Floats, Floats]:
        """The logarithm to add to the computed seconds, and its standard deviation, (m,) each.

        Args:
            without: For each run the group that it must not be told about; "" for none. Empty: all are told.
        """
        cross = kernel(runs, self.seen, self.hyper, self.centre, self.spread)
        alone = variance(runs, self.hyper, self.centre, self.spread)
        left = np.array(list(without) or [""] * len(alone))
        groups = np.array(self.groups)
        mean, spread = np.empty(len(alone)), np.empty(len(alone))
        for name in sorted(set(left)):
            rows, out = np.flatnonzero(left == name), np.flatnonzero(groups == name)
            told = cross[rows]
            seen = told @ self._inverse
            mean[rows], spread[rows] = told @ self._weights, alone[rows] - np.sum(seen * told, axis=1)
            if len(out):
                block = np.linalg.inv(self._inverse[np.ix_(out, out)])
                told = told.copy()
                told[:, out] = 0.0
                seen = told @ self._inverse
                mean[rows] = told @ self._weights - seen[:, out] @ block @ self._weights[out]
                explained = np.sum(seen * told, axis=1) - np.sum((seen[:, out] @ block) * seen[:, out], axis=1)
                spread[rows] = alone[rows] - explained
        return mean, np.sqrt(np.maximum(spread, 0.0) + self.hyper.noise**2)


def kernel(one: Features, other: Features, hyper: Hyper, centre: Floats, spread: Floats) -> Floats:
    """How much the runs of one share with those of the other, (n, m)."""
    a, b = (one.numbers - centre) / spread, (other.numbers - centre) / spread
    alike = _near(a[:, :_OF_CHIP], b[:, :_OF_CHIP], hyper.reach)
    chips = _near(a[:, _OF_CHIP:], b[:, _OF_CHIP:], hyper.chip_reach)
    same = {name: _same(one, other, place) for place, name in enumerate(LABELS)}
    total = hyper.common**2 + hyper.linear**2 / a.shape[1] * (a @ b.T) + hyper.chips**2 * chips
    for name in LABELS:
        total = total + getattr(hyper, name) ** 2 * same[name]
    shared = hyper.like**2 + hyper.like_chip**2 * same["chip"] + hyper.like_family**2 * same["family"]
    return total + alike * (shared + hyper.like_chips**2 * chips)  # type: ignore[no-any-return]


def variance(runs: Features, hyper: Hyper, centre: Floats, spread: Floats) -> Floats:
    """What each run shares with itself, (n,)."""
    scaled = (runs.numbers - centre) / spread
    flat = hyper.common**2 + hyper.chips**2 + sum(getattr(hyper, name) ** 2 for name in LABELS)
    flat += hyper.like**2 + hyper.like_chip**2 + hyper.like_family**2 + hyper.like_chips**2
    return flat + hyper.linear**2 / scaled.shape[1] * np.sum(scaled**2, axis=1)  # type: ignore[no-any-return]


_OF_CHIP = NUMBERS.index("peak")
"""From here the numbers are of the chip alone."""


def _near(a: Floats, b: Floats, reach: float) -> Floats:
    """Matern's kernel of order 3/2 over the mean squared difference."""
    squared = np.sum(a * a, axis=1)[:, None] + np.sum(b * b, axis=1)[None] - 2.0 * a @ b.T
    far = np.sqrt(3.0 * np.maximum(squared, 0.0) / a.shape[1]) / reach
    return (1.0 + far) * np.exp(-far)  # type: ignore[no-any-return]


def _same(one: Features, other: Features, place: int) -> Floats:
    """1.0 where the labels are the same. Compared as numbers, which is many times faster than as strings."""
    codes: dict[str, int] = {}
    a, b = (np.array([codes.setdefault(label[place], len(codes)) for label in runs.labels]) for runs in (one, other))
    return np.asarray(a[:, None] == b[None], dtype=np.float64)
