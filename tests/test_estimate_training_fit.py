"""The fit behind the training estimator: the same table gives the same bytes, leaving out is what refitting would give, and the goals."""

from __future__ import annotations

import json

import numpy as np
import pytest

from luosi.estimate import check, fit, scoring
from luosi.estimate.tables import read, shipped
from luosi.estimate.training.constants import DEFAULT
from luosi.estimate.training.correction import Correction, kernel
from luosi.estimate.training.predict import FITTED, Fitted, to_json


@pytest.fixture(scope="module")
def sample() -> fit.Sample:
    return fit.sample_of(read(shipped("training_runs.csv")).rows)


@pytest.fixture(scope="module")
def model(sample: fit.Sample) -> Fitted:
    return fit.fit(sample)


def test_the_shipped_fit_is_that_of_the_shipped_table(model: Fitted) -> None:
    kept = json.loads(shipped(FITTED).read_text(encoding="utf-8"))
    made = json.loads(json.dumps(to_json(model)))
    assert made["groups"] == kept["groups"] and made["labels"] == kept["labels"]
    assert made["constants"] == pytest.approx(kept["constants"], rel=1e-2)
    assert vars(DEFAULT) == pytest.approx(kept["constants"], rel=0.1), "copy the fitted constants"
    assert made["target"] == pytest.approx(kept["target"], abs=2e-3)


def test_constants_are_physical(model: Fitted) -> None:
    made = vars(model.constants)
    shares = (
        "linear16",
        "linear8",
        "linear4",
        "attention",
        "memory",
        "scaleup",
        "scaleout",
        "tensor_shown",
        "expert_shown",
        "head",
    )
    assert all(0.05 < made[name] < 1.0 for name in shares), made


def test_leaving_out_is_exactly_a_process_without_the_group(model: Fitted) -> None:
    one = model.correction
    group = max(set(one.groups), key=one.groups.count)
    out = np.array([name == group for name in one.groups])
    matrix = kernel(one.seen, one.seen, one.hyper, one.centre, one.spread)
    without = np.linalg.solve(matrix[np.ix_(~out, ~out)] + np.diag(one.noise[~out]), one.target[~out])
    expected = matrix[np.ix_(out, ~out)] @ without
    assert fit.leave_out(matrix, one.noise, one.target, one.groups)[0][out] == pytest.approx(expected, abs=1e-8)
    runs = _some(one, out)
    mean, spread = one.of(runs, [group] * int(out.sum()))
    assert mean == pytest.approx(expected, abs=1e-8)
    told, sure = one.of(runs)
    assert np.abs(told - one.target[out]).mean() < np.abs(mean - one.target[out]).mean()
    assert (sure < spread).all()


def _some(one: Correction, chosen: np.ndarray) -> fit.Features:
    labels = tuple(label for label, kept in zip(one.seen.labels, chosen, strict=True) if kept)
    return fit.Features(one.seen.numbers[chosen], labels)


def test_rows_that_were_left_out_are_predicted_as_well_as_promised(sample: fit.Sample) -> None:
    found: list[check.Scored] = []
    for places, held in fit.folds(sample, lambda i: sample.groups[i], 4):
        found += check.scored_rows([sample.rows[i] for i in places], held, hold_out=False)[0]
    assert len(found) == len(sample.rows)
    everything, dense = scoring.figures(found), scoring.figures(check.stated(found))
    assert everything["median_ape"] <= 0.12 and everything["p90_ape"] <= 0.35  # type: ignore[operator]
    assert dense["median_ape"] <= 0.08 and dense["p90_ape"] <= 0.22  # type: ignore[operator]
    assert 0.7 <= everything["coverage80"] <= 0.9  # type: ignore[operator]


def test_a_chip_that_was_left_out_is_predicted_as_well_as_promised(sample: fit.Sample) -> None:
    found: list[check.Scored] = []
    for places, held in fit.folds(sample, lambda i: sample.cases[i].chip.name, 4):
        found += check.scored_rows([sample.rows[i] for i in places], held, hold_out=False)[0]
    assert scoring.figures(found)["median_ape"] <= 0.16  # type: ignore[operator]


def test_one_wild_row_changes_little(sample: fit.Sample) -> None:
    bent = fit.Sample(sample.rows, sample.cases, sample.observed.copy(), sample.groups)
    bent.observed[100] *= 20
    steps = fit.Steps(sample.cases)
    before, after = fit.fit_constants(steps, sample), fit.fit_constants(steps, bent)
    assert vars(after) == pytest.approx(vars(before), rel=0.05)
