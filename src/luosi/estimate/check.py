"""Scores the estimator on a table of published runs, of training or of inference, whichever its header says.

Made from a CSV; `score` gives a plain dict, every share a fraction. Rows whose shape and chip are among those the estimator was fitted to
are predicted without that group, so a table it has seen is not scored by memory. It reads inputs by an allow-list (`tables`); what is
observed is read only to compare.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from luosi.errors import InputError
from luosi.estimate.tables import Row, inputs, read
from luosi.estimate.training.predict import Fitted, predict_cases
from luosi.estimate.training.rows import Case, case_of, group_of, observed_seconds

REFUSED = "refused: counted as an error of 100 %"


@dataclass(frozen=True)
class Scored:
    """One row's prediction beside what it observed; seconds of one step."""

    row: Row
    group: str
    stated: bool
    low: float
    middle: float
    high: float
    observed: float

    @property
    def error(self) -> float:
        """Signed, relative to the observed."""
        return self.middle / self.observed - 1.0

    @property
    def inside(self) -> bool:
        """Whether the interval holds it."""
        return self.low <= self.observed <= self.high


def score(path: Path) -> dict[str, Any]:
    """The estimator's errors on a table.

    Returns:
        `rows`, `scored`, `left_out` (why the others are not scored, with counts), then for training `median_ape`, `p90_ape`, `bias`
        (median signed error), `coverage80` (by shape and chip), the same `by` chip, kind, precision and source, and the `worst` ten; for
        inference what `serving.check.score` gives: `tpot`, `ttft` and `throughput` with those keys.

    Raises:
        InputError: It is no table of runs.
    """
    table = read(path)
    if table.kind == "inference":
        from luosi.estimate.serving import check as serving

        return {"kind": "inference", **serving.score(table.rows)}
    return {"kind": "training", **score_training(table.rows)}


def score_training(rows: Sequence[Row], model: Fitted | None = None) -> dict[str, Any]:
    """The same of a training table's rows."""
    found, refused, silent = scored_rows(rows, model)
    left_out = {"nothing observed to compare with": silent} if silent else {}
    if refused:
        left_out[REFUSED] = len(refused)
    return {
        "rows": len(rows),
        "scored": len(found),
        "left_out": left_out,
        **figures(found, len(refused)),
        "dense_stated": {"rows": len(stated(found)), **figures(stated(found))},
        "by": {name: _split(found, key) for name, key in SPLITS.items()},
        "worst": [_shown(one) for one in sorted(found, key=lambda one: -abs(one.error))[:10]],
        "refused": refused[:10],
    }


SPLITS: dict[str, Callable[[Scored], str]] = {
    "chip": lambda one: one.row["hardware"],
    "kind": lambda one: one.row.get("kind") or "not given",
    "precision": lambda one: one.row["precision"] or "not given",
    "source": lambda one: one.row.get("source") or "not given",
}


def scored_rows(
    rows: Sequence[Row], model: Fitted | None = None, *, hold_out: bool = True
) -> tuple[list[Scored], list[str], int]:
    """The rows with a prediction and an observation; those refused, each with its reason; how many observe nothing.

    Args:
        model: Another fit than the one that ships.
        hold_out: Whether each row is predicted without the published runs of its own shape and chip.
    """
    known: list[tuple[Row, Case, float]] = []
    refused: list[str] = []
    for row in rows:
        try:
            case = case_of(inputs(row))
            known.append((row, case, observed_seconds(row, case) or 0.0))
        except InputError as error:
            refused.append(error.message)
    spoken = [one for one in known if one[2]]
    if not spoken:
        return [], refused, len(known)
    groups = [group_of(inputs(row)) for row, _, _ in spoken]
    cases = [case for _, case, _ in spoken]
    low, middle, high = predict_cases(cases, without=groups if hold_out else (), model=model)
    found = [
        Scored(row, group, case.stated and case.kind == "dense", float(low[i]), float(middle[i]), float(high[i]), seen)
        for i, ((row, case, seen), group) in enumerate(zip(spoken, groups, strict=True))
    ]
    return found, refused, len(known) - len(spoken)


def stated(found: Sequence[Scored]) -> list[Scored]:
    """Those of dense models whose parallelism is given."""
    return [one for one in found if one.stated]


def figures(found: Sequence[Scored], refused: int = 0) -> dict[str, float | None]:
    """Errors of some rows, fractions; None where there are none."""
    if not found and not refused:
        return {"median_ape": None, "p90_ape": None, "bias": None, "coverage80": None}
    errors = np.array([one.error for one in found] + [-1.0] * refused)
    return {
        "median_ape": round(float(np.median(np.abs(errors))), 4),
        "p90_ape": round(float(np.quantile(np.abs(errors), 0.9)), 4),
        "bias": round(float(np.median(errors)), 4),
        "coverage80": round(coverage(found), 4) if found else 0.0,
    }


def coverage(found: Sequence[Scored]) -> float:
    """The share of rows inside their interval, every shape and chip counted once."""
    by_group: dict[str, list[bool]] = {}
    for one in found:
        by_group.setdefault(one.group, []).append(one.inside)
    return float(np.mean([np.mean(inside) for inside in by_group.values()]))


def _split(found: Sequence[Scored], key: Callable[[Scored], str]) -> dict[str, dict[str, float | None]]:
    """Figures of the rows of each value, those with most rows first."""
    parts: dict[str, list[Scored]] = {}
    for one in found:
        parts.setdefault(key(one), []).append(one)
    ordered = sorted(parts.items(), key=lambda item: (-len(item[1]), item[0]))
    return {name: {"scored": float(len(rows)), **figures(rows)} for name, rows in ordered}


def _shown(one: Scored) -> dict[str, Any]:
    names = ("id", "model", "hardware", "count", "precision", "framework", "source")
    return {
        **{name: one.row.get(name, "") for name in names},
        "predicted": float(f"{one.middle:.4g}"),
        "observed": float(f"{one.observed:.4g}"),
        "error": round(one.error, 4),
    }
