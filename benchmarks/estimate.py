"""How well the estimator predicts published training runs it has not been fitted to, beside rules of thumb on the same rows.

    python benchmarks/estimate.py

Everything is fitted anew for every fold: ten folds of shape x chip, one for each chip, forty of about five sources each, one for each
family of frameworks. Rules beside it: 40 % of the peak always; the median share of the peak of the other groups' runs on that chip at that precision;
and the closed forms with efficiencies fixed beforehand and the same for all shapes, as Calculon's are. Writes benchmarks/results/estimate.json.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from luosi.cost import Interval
from luosi.estimate import check, fit, scoring
from luosi.estimate.energy import joules, server_watts
from luosi.estimate.tables import inputs, read, shipped
from luosi.estimate.training.constants import Constants
from luosi.estimate.training.correction import family_of
from luosi.estimate.training.predict import flop_of, predict_cases
from luosi.estimate.training.rows import case_of, group_of

FOLDS, SOURCE_FOLDS = 10, 40
SPLITS, HELD = 6, 0.29


def main() -> None:
    sample = fit.sample_of(read(shipped("training_runs.csv")).rows)
    dense = np.array([one.kind == "dense" and one.stated for one in sample.cases])
    result: dict[str, Any] = {"rows": len(sample.rows), "dense_stated": int(dense.sum())}
    began = time.process_time()
    kinds: dict[str, tuple[Callable[[int], str], int]] = {
        "shape x chip": (lambda i: sample.groups[i], FOLDS),
        "chip": (lambda i: sample.cases[i].chip.name, 0),
        "source": (lambda i: sample.rows[i]["source"], SOURCE_FOLDS),
        "family of frameworks": (lambda i: family_of(sample.cases[i].framework), 0),
    }
    for name, (key, count) in kinds.items():
        found = held_out(sample, key, count)
        result[name] = figures(found)
        show(f"held out: {name}", result[name])
        if name == "shape x chip":
            result["worst"] = worst(found)
    result["splits"] = splits(sample)
    print("29 % of shape x chip held out at random, median of all rows:", result["splits"]["all"])
    for name, errors in rules(sample).items():
        result[name] = {"all": shares(errors), "dense_stated": shares(errors[dense])}
        show(name, result[name])
    print("\nworst of shape x chip:")
    for one in result["worst"]:
        print(f"  {one['error']:+7.0%}  {one['row']}")
    result["energy"] = energy()
    print("\nenergy, predicted beside metered or reported:")
    for row in result["energy"]:
        print(f"  {row['row']}: {row['predicted']:.4g} {row['unit']}, {row['given']:.4g} given ({row['error']:+.0%})")
    result["cpu_s"] = round(time.process_time() - began, 1)
    Path("benchmarks/results/estimate.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def held_out(sample: fit.Sample, key: Callable[[int], str], count: int) -> list[check.Scored]:
    """All rows, each predicted by a fit that has not seen its fold."""
    found: list[check.Scored] = []
    for places, model in fit.folds(sample, key, count):
        found += check.scored_rows([sample.rows[i] for i in places], model, hold_out=False)[0]
    return found


def splits(sample: fit.Sample) -> dict[str, list[float]]:
    """Median errors of some random splits, to show how much the choice of rows alone moves them."""
    found: dict[str, list[float]] = {"all": [], "dense_stated": []}
    for seed in range(SPLITS):
        chosen = np.random.default_rng(seed).random(len(names := sorted(set(sample.groups)))) < HELD
        left = {name for name, out in zip(names, chosen, strict=True) if out}
        out = [i for i, group in enumerate(sample.groups) if group in left]
        model = fit.fit(sample.only([i for i, group in enumerate(sample.groups) if group not in left]))
        scored = check.scored_rows([sample.rows[i] for i in out], model, hold_out=False)[0]
        for name, rows in (("all", scored), ("dense_stated", check.stated(scored))):
            found[name].append(float(scoring.figures(rows)["median_ape"] or 0.0))
    return found


def energy() -> list[dict[str, Any]]:
    """Of the runs whose energy or power and whose tokens are given: what would have been said before them."""
    made = []
    for row in read(shipped("training_runs.csv")).rows:
        case = case_of(inputs(row))
        if row["avg_node_w"]:
            predicted, given, unit = server_watts(case.chip), float(row["avg_node_w"]), "W a node"
        elif row["energy_mwh"] and case.tokens:
            step = float(predict_cases([case], without=[group_of(inputs(row))])[1][0])
            steps = case.tokens / (float(case.run.global_batch) * float(case.run.sequence))
            seconds = Interval.exactly(step * steps * float(case.run.devices))
            predicted, given, unit = joules(case.chip, seconds).p50 / 3.6e9, float(row["energy_mwh"]), "MWh"
        else:
            continue
        made.append(
            {
                "row": f"{row['id']} {row['model']}",
                "predicted": predicted,
                "given": given,
                "unit": unit,
                "error": predicted / given - 1,
            }
        )
    return made


def figures(found: Sequence[check.Scored]) -> dict[str, Any]:
    return {"all": scoring.figures(found), "dense_stated": scoring.figures(check.stated(found))}


def worst(found: Sequence[check.Scored]) -> list[dict[str, Any]]:
    """The ten largest errors of rows of different groups."""
    ordered = sorted(found, key=lambda one: -abs(np.log(one.middle / one.observed)))
    kept: dict[str, check.Scored] = {}
    for one in ordered:
        kept.setdefault(one.group, one)
    names = ("id", "model", "hardware", "count", "precision", "framework")
    rows = list(kept.values())[:10]
    return [{"row": " ".join(one.row[name] for name in names), "error": round(one.error, 3)} for one in rows]


def rules(sample: fit.Sample) -> dict[str, np.ndarray]:
    """Signed errors of the rules of thumb, (n,) each."""
    flop = np.array([flop_of(one.arch, one.run) for one in sample.cases])
    peaks = [float(one.run.devices) * one.chip.tflops(one.run.precision) * 1e12 for one in sample.cases]
    ideal = flop / np.array(peaks)
    share = ideal / sample.observed
    groups, kinds = (
        np.array(sample.groups),
        np.array([f"{one.chip.name} {one.run.precision[:3]}" for one in sample.cases]),
    )
    usual = np.empty(len(share))
    for i in range(len(share)):
        others = share[(kinds == kinds[i]) & (groups != groups[i])]
        usual[i] = np.median(others) if len(others) else 0.4
    fixed = fit.Steps(sample.cases).parts(replace(Constants(), narrow=1e-9)).total
    return {
        "always 40 % of the peak": ideal / 0.4 / sample.observed - 1,
        "median share of chip and precision": ideal / usual / sample.observed - 1,
        "closed forms, fixed efficiencies": fixed / sample.observed - 1,
    }


def shares(errors: np.ndarray) -> dict[str, float]:
    size = np.abs(errors)
    return {
        "median_ape": round(float(np.median(size)), 4),
        "p90_ape": round(float(np.quantile(size, 0.9)), 4),
        "bias": round(float(np.median(errors)), 4),
    }


def show(name: str, found: dict[str, Any]) -> None:
    print(f"{name:38s}", end="")
    for rows in ("all", "dense_stated"):
        one = found[rows]
        covered = f", inside {one['coverage80']:.0%}" if "coverage80" in one else ""
        print(f"  {rows}: {one['median_ape']:.1%}, p90 {one['p90_ape']:.1%}, bias {one['bias']:+.1%}{covered}", end="")
    print(flush=True)


if __name__ == "__main__":
    main()
