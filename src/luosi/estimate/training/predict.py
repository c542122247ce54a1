"""One configuration's predicted step: the closed forms, corrected by what published runs taught, with an interval.

Made from data/fitted_training.json, which `luosi.estimate.fit` writes. It knows what a step takes when nothing fails; failures, starts
and checkpoints are `goodput`'s.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

import numpy as np

from luosi.cost import Interval as Interval
from luosi.estimate.architecture import Architecture
from luosi.estimate.chips import Chip
from luosi.estimate.tables import shipped
from luosi.estimate.training.constants import Constants
from luosi.estimate.training.correction import LABELS, Correction, Features, Hyper, Tail, features_of, joined
from luosi.estimate.training.memory import MemoryParts, bytes_per_device
from luosi.estimate.training.physics import Parts, Runs, step_time
from luosi.estimate.training.rows import Case
from luosi.estimate.training.terms import Floats

FITTED = "fitted_training.json"
GUESSED = ", guessed"
"""Ends the kind of a run whose parallelism nobody stated."""


@dataclass(frozen=True)
class Prediction:
    """Of one training step."""

    seconds: Interval
    parts: Parts
    """(1,) each; scaled so that their total is `seconds.p50`."""
    mfu: float
    """Share of the chip's peak at the run's precision that the model's own FLOP are: causal attention half, no recomputation."""
    memory: MemoryParts
    flop: float
    """Of one step, as `mfu` counts them."""


@dataclass(frozen=True)
class Fitted:
    """What the fit left: the forms' constants and the correction."""

    constants: Constants
    correction: Correction


def predict(arch: Architecture, chip: Chip, run: Runs, *, framework: str = "", year: float = 0.0) -> Prediction:
    """The step of the one configuration in `run`.

    Args:
        framework: As the tables name it ("Megatron-Bridge 26.02", "MaxText", "torchtitan", ..); empty for a usual one.
        year: Of the software; 0 for unknown.
    """
    model = fitted()
    parts = step_time(arch, chip, run, model.constants)
    features = features_of(arch, chip, run, parts, framework=framework, year=year)
    flop = flop_of(arch, run)
    least = flop / (float(run.devices) * chip.tflops(run.precision) * 1e12)
    low, middle, high = (max(float(one[0]), least) for one in seconds(parts.total, features, model))
    factor = middle / float(parts.total[0])
    return Prediction(
        seconds=Interval(p10=low, p50=middle, p90=high),
        parts=Parts(*(getattr(parts, one.name) * factor for one in fields(Parts))),
        mfu=least / middle,
        memory=bytes_per_device(arch, chip, run),
        flop=flop,
    )


def predict_cases(
    cases: Sequence[Case], *, without: Sequence[str] = (), model: Fitted | None = None
) -> tuple[Floats, Floats, Floats]:
    """The lower bound, the middle and the upper bound of the seconds of many cases, (n,) each.

    Args:
        without: For each case the group of published runs not to use; see `Correction.of`.
    """
    model = model or fitted()
    computed = [step_time(one.arch, one.chip, one.run, model.constants) for one in cases]
    features = joined([features_of_case(one, parts) for one, parts in zip(cases, computed, strict=True)])
    return seconds(np.array([float(parts.total[0]) for parts in computed]), features, model, without)


def features_of_case(case: Case, parts: Parts) -> Features:
    """Of a table's row."""
    kind = (case.kind or "dense") + ("" if case.stated else GUESSED)
    return features_of(case.arch, case.chip, case.run, parts, framework=case.framework or "unstated", kind=kind)


def seconds(
    computed: Floats, features: Features, model: Fitted, without: Sequence[str] = ()
) -> tuple[Floats, Floats, Floats]:
    """The lower bound, the middle and the upper bound of computed seconds once corrected, (n,) each."""
    mean, spread = model.correction.of(features, without)
    tails = [model.correction.tails[tail_of(label)] for label in features.labels]
    wide = np.sqrt(spread**2 + np.array([one.own for one in tails]) ** 2)
    low, high = np.array([[one.low, one.high] for one in tails]).T
    return computed * np.exp(mean + wide * low), computed * np.exp(mean), computed * np.exp(mean + wide * high)


def tail_of(labels: tuple[str, ...]) -> str:
    """The kind of run whose tails hold for one of these labels: dense, sparse (or hybrid), or of a guessed parallelism."""
    kind = labels[LABELS.index("kind")]
    return "guessed" if kind.endswith(GUESSED) else "dense" if kind == "dense" else "sparse"


def flop_of(arch: Architecture, run: Runs) -> float:
    """FLOP of one step that the model itself needs."""
    tokens = float(run.global_batch) * float(run.sequence)
    passes = 2.0 if run.lora else 3.0
    return tokens * passes * arch.forward_flop(float(run.sequence), causal=run.causal)


@cache
def fitted() -> Fitted:
    """What ships with the package."""
    return from_json(json.loads(shipped(FITTED).read_text(encoding="utf-8")))


def from_json(data: dict[str, Any]) -> Fitted:
    """What `to_json` made."""
    correction = Correction(
        hyper=Hyper(**data["hyper"]),
        centre=np.array(data["centre"]),
        spread=np.array(data["spread"]),
        seen=Features(np.array(data["numbers"]), tuple(tuple(one) for one in data["labels"])),
        target=np.array(data["target"]),
        noise=np.array(data["noise"]),
        groups=tuple(data["groups"]),
        tails={name: Tail(**tail) for name, tail in data["tails"].items()},
    )
    return Fitted(Constants(**data["constants"]), correction)


def to_json(model: Fitted) -> dict[str, Any]:
    """As plain lists and numbers, rounded to what matters."""
    one = model.correction
    return {
        "constants": {name: float(f"{value:.4g}") for name, value in vars(model.constants).items()},
        "hyper": vars(one.hyper),
        "tails": {
            name: {key: round(value, 4) for key, value in vars(tail).items()} for name, tail in one.tails.items()
        },
        "centre": np.round(one.centre, 4).tolist(),
        "spread": np.round(one.spread, 4).tolist(),
        "groups": list(one.groups),
        "target": np.round(one.target, 5).tolist(),
        "noise": [float(f"{value:.4g}") for value in one.noise],
        "labels": [list(label) for label in one.seen.labels],
        "numbers": np.round(one.seen.numbers, 4).tolist(),
    }
