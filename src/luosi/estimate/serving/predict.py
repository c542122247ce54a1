"""What a deployment does: seconds to the first token and between tokens, tokens a second, each as an interval, and what the times are made of.

Made from the physics with fitted constants, the correction by published runs, and the spread of its errors at runs that were held out
(data/fitted_serving.json). It does not know the queue of users who come as they please: `fleet` adds that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from luosi.cost import Interval
from luosi.estimate.serving import physics
from luosi.estimate.serving.constants import NAMES, Constants
from luosi.estimate.serving.correction import FIRST, TOKEN, TUNED, Correction, learn, traits, traits_from
from luosi.estimate.serving.deployment import Deployment, Floats, Table, table
from luosi.estimate.serving.known import FIGURES, Runs, published

_LIKENESS = dict(zip(FIGURES, (TOKEN, FIRST, TUNED), strict=True))
_BOUNDS = ("token", "first", "rate", "served")
TINY = 1e-12
"""Seconds: what a state that cannot be reached is taken for."""


@dataclass(frozen=True)
class Fitted:
    """What the fit made."""

    constants: Constants
    held_out: Mapping[str, Constants]
    """Constants fitted without one shape and chip, by its name."""
    learned: Mapping[str, Correction]
    """By known.FIGURES."""
    tails: Mapping[str, tuple[float, float]]
    """Logarithms of observed / predicted below and above which one in ten held-out runs is; `served` is of closed runs' tokens a second."""


@dataclass(frozen=True)
class Logs:
    """Logarithms of what is predicted, (n,) each; a figure that a scenario does not have is NaN."""

    token: Floats
    """Seconds between tokens."""
    first: Floats
    """Seconds to the first token."""
    rate: Floats
    """Answers' tokens a second of all devices."""
    closed: Floats


@dataclass(frozen=True)
class Prediction:
    """Of one deployment under its load."""

    first: Interval | None
    """Seconds to the first token, the wait included; None in a saturated service."""
    token: Interval
    """Seconds between tokens."""
    tokens_per_second: Interval
    """Answers' tokens, of all devices."""
    step: dict[str, float]
    """Where the time between tokens goes, seconds: weights, cache, compute, reduce, fixed, and others' prefills."""
    prefill: float
    """Seconds of one prompt."""
    batch: float
    """Requests decoded at once."""
    places: float
    """Requests whose keys and values fit in memory."""
    weights_gb: float
    """On all devices."""
    cache_gb: float
    """Of the requests in the batch."""
    fits: bool
    """Whether the weights fit at all."""


def predict(run: Deployment) -> Prediction:
    """One deployment."""
    logs = logs_of([run])
    t, c = table([run]), fitted().constants
    state = physics.closed(t, c)
    step = {name: float(getattr(state.step, name)[0]) for name in ("weights", "cache", "compute", "reduce", "fixed")}
    step["prefills"] = float((state.token - state.step.total)[0])
    weights = weight_bytes(run)
    return Prediction(
        first=interval("first", float(logs.first[0])) if t.closed[0] else None,
        token=interval("token", float(logs.token[0])),
        tokens_per_second=interval("served" if t.closed[0] else "rate", float(logs.rate[0])),
        step=step,
        prefill=float(state.prefill[0]),
        batch=float(state.batch[0]),
        places=float(physics.places(t, c)[0]),
        weights_gb=weights / 1e9,
        cache_gb=float((t.kv_numbers * t.kv_bytes * (t.prompt + t.answer / 2) * state.batch)[0]) / 1e9,
        fits=weights < 0.97 * run.chip.memory_gb * 1e9 * run.devices,
    )


def weight_bytes(run: Deployment) -> float:
    """Of the weights on all its devices, those held more than once included."""
    t = table([run])
    return float((t.expert * t.expert_bytes + t.dense * t.dense_bytes * t.devices / t.tensor)[0])


def logs_of(runs: Sequence[Deployment], *, without: Sequence[str] = (), model: Fitted | None = None) -> Logs:
    """Many at once.

    Args:
        without: For each run the shape and chip that nothing may have been learned from; those that the fit does not know are of no account.
        model: Another fit than the one that ships.
    """
    fit = model or fitted()
    t = table(runs)
    groups = np.array([name if name in fit.held_out else "" for name in without] or [""] * len(runs))
    logs = np.full((len(FIGURES), len(runs)), np.nan)
    for group in np.unique(groups):
        asked = groups == group
        constants = fit.held_out[group] if group else fit.constants
        corrections = (
            corrections_of(published().where(published().groups != group), constants) if group else fit.learned
        )
        some = [one for one, here in zip(runs, asked, strict=True) if here]
        logs[:, asked] = computed(t.where(asked), constants) + _learned(some, corrections)
    return Logs(logs[0], logs[1], _rates(t, logs), t.closed)


def computed(t: Table, constants: Constants) -> Floats:
    """Logarithms of the physics' figures, (3, n) by FIGURES: before any correction."""
    state = physics.closed(t, constants)
    rate, token = physics.saturated(t, constants)
    closed = t.closed > 0
    return np.array(
        [
            np.where(closed, np.log(np.maximum(state.token, TINY)), np.log(token)),
            np.where(closed, np.log(np.maximum(state.first, TINY)), np.nan),
            np.where(closed, np.nan, np.log(rate)),
        ]
    )


def interval(figure: str, log: float, model: Fitted | None = None) -> Interval:
    """Eight in ten of such figures lie in it."""
    low, high = (model or fitted()).tails[figure]
    p10, p50, p90 = np.exp([log + low, log, log + high])
    return Interval(p10=float(p10), p50=float(p50), p90=float(p90))


@cache
def fitted() -> Fitted:
    """The fit that ships."""
    return from_json(
        json.loads(files("luosi.estimate").joinpath("data/fitted_serving.json").read_text(encoding="utf-8"))
    )


def from_json(data: Mapping[str, Any]) -> Fitted:
    """What `to_json` wrote."""
    return Fitted(
        constants=data["constants"],
        held_out={group: dict(zip(NAMES, values, strict=True)) for group, values in data["held_out"].items()},
        learned={
            figure: Correction(_LIKENESS[figure], traits_from(of["traits"]), np.array(of["weights"]))
            for figure, of in data["learned"].items()
        },
        tails={name: (low, high) for name, (low, high) in data["tails"].items()},
    )


def to_json(fit: Fitted) -> dict[str, Any]:
    """As it is kept: five digits."""
    return {
        "constants": {name: _short(fit.constants[name]) for name in NAMES},
        "tails": {name: [_short(value) for value in fit.tails[name]] for name in _BOUNDS},
        "learned": {
            figure: {
                "traits": {name: _shortened(column) for name, column in vars(one.known).items()},
                "weights": _shortened(one.weights),
            }
            for figure, one in fit.learned.items()
        },
        "held_out": {group: [_short(values[name]) for name in NAMES] for group, values in sorted(fit.held_out.items())},
    }


def _shortened(column: NDArray[Any]) -> Any:
    return (
        column.tolist()
        if column.dtype.kind == "i"
        else [_shortened(row) if row.ndim else _short(row) for row in column]
    )


def _short(value: float) -> float:
    return float(f"{value:.5g}")


def _rates(t: Table, logs: Floats) -> Floats:
    """Of a closed service what so many users get; else what the correction made of the devices' rate."""
    token, first, rate = logs
    closed = np.log(t.concurrency * t.answer) - np.log(np.exp(first) + (t.answer - 1) * np.exp(token))
    return np.asarray(np.where(t.closed > 0, closed, rate + np.log(t.devices)))


def _learned(runs: Sequence[Deployment], corrections: Mapping[str, Correction]) -> Floats:
    """What to add to the physics' logarithms, (3, n); a saturated service's times are left as they are."""
    asked = traits(runs)
    added = np.array([corrections[figure].at(asked) for figure in FIGURES])
    added[:2, [one.scenario != "closed" for one in runs]] = 0.0
    return added


def corrections_of(known: Runs, constants: Constants) -> dict[str, Correction]:
    """What the errors of known runs teach of each figure."""
    errors = known.observed - computed(known.table, constants)
    present = ~np.isnan(errors)
    return {
        figure: learn(_LIKENESS[figure], known.traits.where(present[i]), errors[i, present[i]])
        for i, figure in enumerate(FIGURES)
    }
