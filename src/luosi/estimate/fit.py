"""Fits the training estimator to data/training_runs.csv and writes data/fitted_training.json; the same table gives the same bytes.

First the few constants of the closed forms, by damped Gauss-Newton on a robust loss (Huber) around physically sensible values, with an
offset for each family of frameworks so that habits do not bend the constants; then the correction's noise, by repeated leave-group-out
residuals; then the intervals' tails. `folds` refits everything without some rows, which is how the figures in benchmarks are made. Run it
as `python -m luosi.estimate.fit`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from luosi.estimate.tables import Row, inputs, read, shipped
from luosi.estimate.training.constants import Constants
from luosi.estimate.training.correction import Correction, Features, Hyper, Tail, family_of, joined, kernel
from luosi.estimate.training.physics import Parts, Runs, parts
from luosi.estimate.training.predict import FITTED, Fitted, features_of_case, tail_of, to_json
from luosi.estimate.training.rows import Case, case_of, group_of, observed_seconds
from luosi.estimate.training.terms import Floats, Rates, Sizes, rates_of, sizes_of

PRIOR = 0.35
"""How far a constant's logarithm usually is from its sensible value."""
BOUNDED = {"memory": 0.1, "scaleup": 0.1, "scaleout": 0.1}
"""The same of shares of a bandwidth, which are known better and cannot pass one."""
OFFSET = 0.15
"""How far a family of frameworks is from the others."""
HUBER = 0.12
"""Residual from which on the loss grows linearly."""
FREEDOM = 3.0
"""Degrees of freedom of the runs' noise (Student's t): small, for some rows are wrong or odd."""
TAILS = ("dense", "sparse", "guessed")
OWN = (0.0, 0.02, 0.03, 0.045, 0.07, 0.1, 0.15, 0.2)
"""Of the logarithm: what `Tail.own` may be."""
HELD_SETS = 4
"""Sets of groups that are left out together to see the tails, for new rows lack their neighbours too."""


@dataclass(frozen=True)
class Sample:
    """The rows to fit, and what they observed."""

    rows: tuple[Row, ...]
    cases: tuple[Case, ...]
    observed: Floats
    """Seconds, (n,)."""
    groups: tuple[str, ...]

    def only(self, keep: Sequence[int]) -> Sample:
        """Some of them, by place."""
        chosen = list(keep)
        return Sample(
            tuple(self.rows[i] for i in chosen),
            tuple(self.cases[i] for i in chosen),
            self.observed[chosen],
            tuple(self.groups[i] for i in chosen),
        )


def sample_of(rows: Sequence[Row]) -> Sample:
    """Those of the rows that observed something."""
    cases = [case_of(inputs(row)) for row in rows]
    observed = [observed_seconds(row, case) for row, case in zip(rows, cases, strict=True)]
    kept = [i for i, one in enumerate(observed) if one]
    return Sample(
        tuple(rows[i] for i in kept),
        tuple(cases[i] for i in kept),
        np.array([observed[i] for i in kept], dtype=np.float64),
        tuple(group_of(inputs(rows[i])) for i in kept),
    )


def fit(sample: Sample, hyper: Hyper | None = None) -> Fitted:
    """Constants, correction and tails of a sample."""
    hyper = hyper or Hyper()
    steps = Steps(sample.cases)
    constants = fit_constants(steps, sample)
    made = steps.parts(constants)
    features = joined([features_of_case(case, _at(made, i)) for i, case in enumerate(sample.cases)])
    target = np.log(sample.observed / made.total)
    spread = features.numbers.std(axis=0)
    spread = np.where(spread > 1e-6, spread, 1.0)
    centre = features.numbers.mean(axis=0)
    matrix = kernel(features, features, hyper, centre, spread)
    noise = _noise(matrix, target, sample.groups, hyper)
    order = {name: place for place, name in enumerate(sorted(set(sample.groups)))}
    sets = [str(order[name] % HELD_SETS) for name in sample.groups]
    mean, variance = leave_out(matrix, noise, target, sets)
    tails = _tails(target - mean, variance - noise + hyper.noise**2, features, sample.groups)
    return Fitted(constants, Correction(hyper, centre, spread, features, target, noise, sample.groups, tails))


class Steps:
    """The closed forms of many cases of different models and chips at once."""

    def __init__(self, cases: Sequence[Case]) -> None:
        sizes = [sizes_of(case.arch) for case in cases]
        rates = [rates_of(case.chip, case.run.precision) for case in cases]
        self._sizes = Sizes(
            **{one.name: np.array([getattr(s, one.name) for s in sizes], dtype=np.float64) for one in fields(Sizes)}
        )
        self._rates = Rates(
            **{one.name: np.array([getattr(r, one.name) for r in rates], dtype=np.float64) for one in fields(Rates)}
        )
        plain = [one.name for one in fields(Runs) if one.name not in ("precision", "causal", "lora")]
        runs: dict[str, Any] = {name: np.array([float(getattr(case.run, name)) for case in cases]) for name in plain}
        self._runs = Runs(precision="", **runs)
        self._lora = np.array([float(case.run.lora) for case in cases])
        bits = self._rates.bits.astype(int)
        names = [f"{family_of(case.framework)} {bit}" for case, bit in zip(cases, bits, strict=True)]
        self.families = (np.array(names)[:, None] == np.array(sorted(set(names)))[None]).astype(np.float64)
        """(n, families) one where a case is of a family of frameworks at a width of numbers."""

    def parts(self, constants: Constants) -> Parts:
        """Of all of them, (n,) each."""
        return parts(self._sizes, self._rates, self._runs, constants, lora=self._lora)


def _at(made: Parts, place: int) -> Parts:
    return Parts(*(getattr(made, one.name)[place : place + 1] for one in fields(Parts)))


def fit_constants(steps: Steps, sample: Sample, rounds: int = 8) -> Constants:
    """The closed forms' constants, as logarithms around their defaults."""
    names = [one.name for one in fields(Constants)]
    start = np.log([getattr(Constants(), name) for name in names])

    def residual(x: Floats) -> Floats:
        constants = Constants(**dict(zip(names, np.exp(x).tolist(), strict=True)))
        return np.log(sample.observed / steps.parts(constants).total)

    known, families = len(names), steps.families
    at = np.concatenate([start, np.zeros(families.shape[1])])
    pull = (
        HUBER
        / np.concatenate([np.array([BOUNDED.get(name, PRIOR) for name in names]), np.full(families.shape[1], OFFSET)])
    ) ** 2
    home = at.copy()
    for _ in range(rounds):
        base = residual(at[:known])
        slope = np.array([(residual(at[:known] + step) - base) / 1e-3 for step in 1e-3 * np.eye(known)]).T
        rest = base - families @ at[known:]
        weight = np.minimum(1.0, HUBER / np.maximum(np.abs(rest), 1e-9))
        design = np.hstack([slope, -families])
        curve = design.T @ (weight[:, None] * design) + np.diag(pull)
        step = np.linalg.solve(curve, -(design.T @ (weight * rest) + pull * (at - home)))
        at = at + step * min(1.0, 0.5 / float(np.max(np.abs(step))))
    return Constants(
        **{name: float(f"{value:.4g}") for name, value in zip(names, np.exp(at[:known]).tolist(), strict=True)}
    )


def leave_out(matrix: Floats, noise: Floats, target: Floats, groups: Sequence[str]) -> tuple[Floats, Floats]:
    """What the process says of each run without its whole group, and its variance with noise, (n,) each: exact, from one inverse."""
    inverse = np.linalg.inv(matrix + np.diag(noise))
    weights = inverse @ target
    mean, variance = np.empty(len(target)), np.empty(len(target))
    names = np.array(groups)
    for name in sorted(set(groups)):
        rows = np.flatnonzero(names == name)
        block = np.linalg.inv(inverse[np.ix_(rows, rows)])
        mean[rows] = target[rows] - block @ weights[rows]
        variance[rows] = np.diag(block)
    return mean, variance


def _noise(matrix: Floats, target: Floats, groups: Sequence[str], hyper: Hyper, rounds: int = 3) -> Floats:
    """Each run's variance under a Student's t noise, by its leave-group-out residual."""
    least = hyper.noise**2
    noise = np.full(len(target), least)
    for _ in range(rounds):
        mean, variance = leave_out(matrix, noise, target, groups)
        surprise = (target - mean) ** 2 / np.maximum(variance, least)
        noise = least * np.maximum(1.0, (FREEDOM + surprise) / (FREEDOM + 1.0))
    return noise


def _tails(missed: Floats, variance: Floats, features: Features, groups: Sequence[str]) -> dict[str, Tail]:
    """The tails of each kind of run, every group counted once; `own` is what makes the residuals likeliest (Student's t)."""
    kinds = np.array([tail_of(label) for label in features.labels])
    names = np.array(groups)
    weight = np.array([1.0 / np.sum(names == name) for name in groups])
    found = {}
    for kind in TAILS:
        mine = kinds == kind

        def doubt(own: float, mine: Floats = mine) -> float:
            wide = np.sqrt(variance[mine] + own**2)
            surprise = np.log1p((missed[mine] / wide) ** 2 / FREEDOM)
            return float(np.sum(weight[mine] * (np.log(wide) + (FREEDOM + 1) / 2 * surprise)))

        own = min(OWN, key=doubt)
        scores = missed[mine] / np.sqrt(variance[mine] + own**2)
        found[kind] = Tail(own, _quantile(scores, weight[mine], 0.1), _quantile(scores, weight[mine], 0.9))
    return found


def _quantile(values: Floats, weight: Floats, share: float) -> float:
    if not len(values):
        return -1.2816 if share < 0.5 else 1.2816
    order = np.argsort(values)
    reached = (np.cumsum(weight[order]) - 0.5 * weight[order]) / np.sum(weight)
    return float(np.interp(share, reached, values[order]))


def folds(sample: Sample, key: Callable[[int], str], count: int = 0) -> list[tuple[list[int], Fitted]]:
    """Everything fitted anew without some rows: for each value of `key` (or for `count` sets of values) the places left out and the fit."""
    names = sorted({key(i) for i in range(len(sample.rows))})
    sets = [set(names[start::count]) for start in range(count)] if count else [{name} for name in names]
    made = []
    for left in sets:
        out = [i for i in range(len(sample.rows)) if key(i) in left]
        made.append((out, fit(sample.only([i for i in range(len(sample.rows)) if key(i) not in left]))))
    return made


def main() -> None:
    """Writes data/fitted_training.json."""
    table = read(shipped("training_runs.csv"))
    text = json.dumps(to_json(fit(sample_of(table.rows))), separators=(",", ":"))
    shipped(FITTED).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
