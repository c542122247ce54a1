"""What published runs teach beyond the physics: the mean of the physics' errors at runs that are like the one asked for.

A Gaussian process over logarithms of observed / predicted: runs are alike by model, chip, engine and its version, and load. How much each
likeness counts is fixed here, small, chosen once by leaving out one shape and chip at a time. It knows the errors it is given, no more.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from luosi.estimate.serving.deployment import Deployment, Floats

Names = NDArray[np.int64]
_BOUND = 0.5
"""Errors beyond this factor's logarithm count as it: they are of another cause (speculation, a fault) than likeness tells."""


@dataclass(frozen=True)
class Likeness:
    """Spread, as a factor's logarithm, of what runs have in common who are alike in ..."""

    model: float = 0.0
    chip: float = 0.0
    load: float = 0.0
    engine_model: float = 0.0
    engine_load: float = 0.0
    version_model: float = 0.0
    noise: float = 0.12
    """What no two runs have in common."""


TOKEN = Likeness(chip=0.08, load=0.12, engine_load=0.1)
FIRST = Likeness(model=0.15, chip=0.05, load=0.15, engine_load=0.15, version_model=0.15, noise=0.25)
TUNED = Likeness(model=0.1, chip=0.05, engine_model=0.12)


@dataclass(frozen=True)
class Traits:
    """What runs are compared by; names as numbers, (n,), for they are only ever the same or not."""

    model: Names
    chip: Names
    engine: Names
    version: Names
    size: Floats
    """(n, 4): logarithms of parameters, layers, and whether there are experts."""
    load: Floats
    """(n, 4): logarithms of requests, prompt, answer and devices."""

    def where(self, keep: NDArray[np.bool_]) -> Traits:
        """The runs that are kept."""
        return Traits(**{name: column[keep] for name, column in vars(self).items()})


def traits(runs: Sequence[Deployment]) -> Traits:
    """Theirs."""
    return Traits(
        model=_numbered(one.architecture.name for one in runs),
        chip=_numbered(one.chip.name for one in runs),
        engine=_numbered(one.engine_name for one in runs),
        version=_numbered(one.engine.strip().lower() for one in runs),
        size=np.array([_size(one) for one in runs], dtype=float).reshape(-1, 4),
        load=np.array([_load(one) for one in runs], dtype=float).reshape(-1, 4),
    )


def traits_from(columns: Mapping[str, Sequence[Any]]) -> Traits:
    """Those whose columns were kept."""
    return Traits(**{name: np.array(column) for name, column in columns.items()})


def _numbered(names: Iterable[str]) -> Names:
    return np.array([zlib.crc32(name.encode()) for name in names], dtype=np.int64)


def _size(run: Deployment) -> tuple[float, ...]:
    model = run.architecture
    dense = max(1.0, model.parameters - model.expert_parameters)
    return (
        np.log(dense / 1e10),
        np.log(model.parameters / 1e11) / 1.5,
        np.log(model.layers / 60) / 0.4,
        model.experts > 0,
    )


def _load(run: Deployment) -> tuple[float, ...]:
    logs = np.log([max(1.0, run.concurrency), max(1.0, run.prompt), max(1.0, run.answer), max(1, run.devices)])
    return tuple(logs / (1.5, 1.5, 1.5, 1.0))


def alike(one: Traits, other: Traits, by: Likeness) -> Floats:
    """Covariance of what two sets of runs have in common, (n, m)."""
    model = _near(one.size, other.size)
    load = _near(one.load, other.load)
    engine = _same(one.engine, other.engine)
    return np.asarray(
        by.model**2 * model
        + by.chip**2 * _same(one.chip, other.chip)
        + by.load**2 * load
        + by.engine_model**2 * engine * _same(one.model, other.model)
        + by.engine_load**2 * engine * load
        + by.version_model**2 * _same(one.version, other.version) * _same(one.model, other.model)
    )


def _near(one: Floats, other: Floats) -> Floats:
    apart = (one**2).sum(1)[:, None] + (other**2).sum(1)[None] - 2 * one @ other.T
    return np.asarray(np.exp(-0.5 * np.maximum(apart, 0.0)))


def _same(one: Names, other: Names) -> Floats:
    return np.asarray(one[:, None] == other[None], dtype=float)


@dataclass(frozen=True)
class Correction:
    """Of one figure, from runs where it is known."""

    by: Likeness
    known: Traits
    weights: Floats

    def at(self, asked: Traits) -> Floats:
        """What to add to the physics' logarithm, (n,)."""
        return np.asarray(alike(asked, self.known, self.by) @ self.weights)


def learn(by: Likeness, known: Traits, errors: Floats) -> Correction:
    """From errors, (n,), logarithms of observed / predicted."""
    bound = np.clip(errors, -_BOUND, _BOUND)
    covariance = alike(known, known, by) + by.noise**2 * np.eye(len(bound))
    return Correction(by, known, np.asarray(np.linalg.solve(covariance, bound), dtype=np.float64))
