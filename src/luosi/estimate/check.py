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

from luosi.errors import InputError
from luosi.estimate import scoring
from luosi.estimate.scoring import figures, split
from luosi.estimate.tables import Row, inputs, read
from luosi.estimate.training.predict import Fitted, predict_cases
from luosi.estimate.training.rows import Case, case_of, group_of, observed_seconds

REFUSED = "refused: counted as an error of 100 %"


@dataclass(frozen=True)
class Scored(scoring.Scored):
    """In seconds of one step."""

    stated: bool
    """Whether it is of a dense model whose parallelism is given."""


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
        "by": {name: split(found, key) for name, key in SPLITS.items()},
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
        Scored(row, group, float(low[i]), float(middle[i]), float(high[i]), seen, case.stated and case.kind == "dense")
        for i, ((row, case, seen), group) in enumerate(zip(spoken, groups, strict=True))
    ]
    return found, refused, len(known) - len(spoken)


def stated(found: Sequence[Scored]) -> list[Scored]:
    """Those of dense models whose parallelism is given."""
    return [one for one in found if one.stated]


def _shown(one: Scored) -> dict[str, Any]:
    names = ("id", "model", "hardware", "count", "precision", "framework", "source")
    return {
        **{name: one.row.get(name, "") for name in names},
        "predicted": float(f"{one.middle:.4g}"),
        "observed": float(f"{one.observed:.4g}"),
        "error": round(one.error, 4),
    }
