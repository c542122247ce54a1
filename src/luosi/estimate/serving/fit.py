"""Fits the serving estimator to data/inference_runs.csv and writes data/fitted_serving.json; the same table gives the same bytes.

First the constants of the physics, by damped Gauss-Newton on a robust loss around what is thought of them; the same without each shape
and chip in turn, which gives errors at runs that were held out and so the intervals' tails. Run it as
`python -m luosi.estimate.serving.fit`.
"""

from __future__ import annotations

import json

import numpy as np
from numpy.typing import NDArray

from luosi.estimate.serving.constants import NAMES, PRIORS, Constants
from luosi.estimate.serving.deployment import Floats
from luosi.estimate.serving.known import Runs, published
from luosi.estimate.serving.predict import Fitted, computed, corrections_of, to_json
from luosi.estimate.serving.solve import most_likely
from luosi.estimate.tables import shipped

USUAL = np.array([0.12, 0.25, 0.10])
"""Size of an error, as a factor's logarithm, beyond which a run is taken to be odd: by known.FIGURES."""
_OUTSIDE = 0.085
"""Share of held-out runs on either side of an interval: a little below a tenth, for one fold leaves out one shape and chip, and a new table
brings many that are new at once (a third of them left out together: 0.78 inside with a tenth, 0.81 with this)."""


def fit_constants(runs: Runs, start: Constants | None = None) -> dict[str, float]:
    """Those most likely by the runs."""
    present = ~np.isnan(runs.observed)

    def errors(point: Floats) -> Floats:
        return np.asarray(
            ((computed(runs.table, dict(zip(NAMES, point, strict=True))) - runs.observed) / USUAL[:, None])[present]
        )

    mean = np.array([prior.mean for prior in PRIORS.values()])
    spread = np.array([prior.spread for prior in PRIORS.values()])
    first = None if start is None else np.array([start[name] for name in NAMES])
    return dict(zip(NAMES, map(float, most_likely(errors, mean, spread, start=first)), strict=True))


def held_out(runs: Runs, labels: NDArray[np.str_], start: Constants) -> tuple[dict[str, Constants], Floats]:
    """Constants fitted without each label's runs, by label, and what they and the others' errors predict of those: logarithms, (3, n)."""
    by_label: dict[str, Constants] = {}
    predicted = np.full(runs.observed.shape, np.nan)
    for label in np.unique(labels):
        out = labels == label
        by_label[str(label)], predicted[:, out] = predicted_without(runs, out, start)
    return by_label, predicted


def predicted_without(runs: Runs, out: NDArray[np.bool_], start: Constants) -> tuple[Constants, Floats]:
    """Constants fitted to the other runs, and what they and the others' errors predict of those left out: logarithms, (3, those)."""
    rest, asked = runs.where(~out), runs.where(out)
    constants = fit_constants(rest, start)
    corrections = corrections_of(rest, constants)
    return constants, computed(asked.table, constants) + np.array(
        [one.at(asked.traits) for one in corrections.values()]
    )


def tails(runs: Runs, predicted: Floats) -> dict[str, tuple[float, float]]:
    """Between which eight in ten of the held-out runs' errors are, every shape and chip counted once."""
    errors = {name: runs.observed[i] - predicted[i] for i, name in enumerate(("token", "first", "rate"))}
    errors["served"] = _served(runs, runs.observed) - _served(runs, predicted)
    return {name: _tails(values, runs.groups) for name, values in errors.items()}


def fit(runs: Runs) -> tuple[Fitted, Floats]:
    """The estimator, and what it predicts of each run without that run's shape and chip: logarithms, (3, n)."""
    constants = fit_constants(runs)
    by_group, predicted = held_out(runs, runs.groups, constants)
    return Fitted(constants, by_group, corrections_of(runs, constants), tails(runs, predicted)), predicted


def main() -> None:
    """Fits and writes."""
    fitted, _ = fit(published())
    shipped("fitted_serving.json").write_text(
        json.dumps(to_json(fitted), separators=(",", ":")) + "\n", encoding="utf-8"
    )


def _served(runs: Runs, logs: Floats) -> Floats:
    t = runs.table
    return np.asarray(np.log(t.concurrency * t.answer) - np.log(np.exp(logs[1]) + (t.answer - 1) * np.exp(logs[0])))


def _tails(errors: Floats, groups: NDArray[np.str_]) -> tuple[float, float]:
    known = ~np.isnan(errors)
    values, names = errors[known], groups[known]
    sizes = dict(zip(*np.unique(names, return_counts=True), strict=True))
    weights = np.array([1 / sizes[name] for name in names])
    order = np.argsort(values)
    reached = (np.cumsum(weights[order]) - weights[order] / 2) / weights.sum()
    low, high = np.interp([_OUTSIDE, 1 - _OUTSIDE], reached, values[order])
    return float(low), float(high)


if __name__ == "__main__":
    main()
