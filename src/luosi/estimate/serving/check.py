"""Scores the serving estimator on a table of published runs: time per token, time to the first token, tokens a second.

Made from the rows as text. A row is predicted from `rows.INPUTS` alone; what it observed is read only to compare. Rows whose shape and
chip the estimator was fitted to are predicted by the fit that left them out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from luosi.cost import Interval
from luosi.errors import InputError, UsageError
from luosi.estimate import scoring
from luosi.estimate.serving.deployment import Deployment
from luosi.estimate.serving.known import group_of, seen
from luosi.estimate.serving.predict import Fitted, Logs, interval, logs_of
from luosi.estimate.serving.rows import deployment_of, half_of
from luosi.estimate.tables import Row, number

FIGURES = {"tpot": "tpot_ms", "ttft": "ttft_ms", "throughput": "tokens_s_total"}
"""Figures and the columns that observe them."""
REFUSED = "refused: counted as an error of 100 %"


@dataclass(frozen=True)
class Scored(scoring.Scored):
    """One figure of one row; seconds, or tokens a second."""

    figure: str
    kind: str


def score(rows: Sequence[Row], model: Fitted | None = None) -> dict[str, Any]:
    """The estimator's errors on a table's rows.

    Args:
        model: Another fit than the one that ships.

    Returns:
        `rows`, `scored` (with a prediction and something to compare it with), `left_out` (why the others are not, with counts); then
        `tpot`, `ttft` and `throughput`, each with `rows` (that observe it), `scored`, `median_ape`, `p90_ape`, `bias` (median signed
        error), `coverage80` (every shape and chip counted once) and the same `by` chip, kind, precision and source; and the same keys
        over each row's first figure of these three. All are fractions. `worst` has the ten rows farthest off.
    """
    found, refused, silent = scored_rows(rows, model)
    first = _first_of_each(found)
    left_out = {"nothing observed to compare with": silent} if silent else {}
    if refused:
        left_out[REFUSED] = len(refused)
    return {
        "rows": len(rows),
        "scored": len(rows) - silent - len(refused),
        "left_out": left_out,
        **scoring.figures(first),
        **{name: _figure(found, name) for name in FIGURES},
        "worst": [_shown(one) for one in sorted(first, key=lambda one: -abs(one.error))[:10]],
        "refused": refused[:10],
    }


def scored_rows(
    rows: Sequence[Row], model: Fitted | None = None, *, hold_out: bool = True
) -> tuple[list[Scored], list[str], int]:
    """Every figure that a row observes beside its prediction; why rows were refused; how many observe nothing.

    Args:
        hold_out: Whether each row is predicted without the published runs of its own shape and chip.
    """
    taken, refused, silent = [], [], 0
    found: list[Scored] = []
    for row in rows:
        observed = _observed(row)
        if not observed:
            silent += 1
            continue
        try:
            taken.append((row, deployment_of(row), observed))
        except UsageError as error:
            refused.append(f"{row.get('id', 'a row')}: {error.message}")
            found += [
                Scored(row, "refused", 0.0, 0.0, 0.0, value, name, _kind(row)) for name, value in observed.items()
            ]
    if taken:
        runs = [run for _, run, _ in taken]
        groups = [group_of(run) for run in runs]
        logs = logs_of(runs, without=groups if hold_out else (), model=model)
        for i, (row, run, observed) in enumerate(taken):
            for name, value in observed.items():
                told = _told(name, i, logs, _counted(row, run), model)
                found.append(Scored(row, groups[i], told.p10, told.p50, told.p90, value, name, _kind(row)))
    return found, refused, silent


SPLITS: Mapping[str, Callable[[Scored], str]] = {
    "chip": lambda one: one.row.get("hardware") or "not given",
    "kind": lambda one: one.kind,
    "precision": lambda one: one.row.get("precision") or "not given",
    "source": lambda one: " ".join((one.row.get("source") or "not given").split()[:2]),
}


def _figure(found: Sequence[Scored], name: str) -> dict[str, Any]:
    those = [one for one in found if one.figure == name]
    scored = sum(one.group != "refused" for one in those)
    by = {split: scoring.split(those, key) for split, key in SPLITS.items()}
    return {"rows": len(those), "scored": scored, **scoring.figures(those), "by": by}


def _first_of_each(found: Sequence[Scored]) -> list[Scored]:
    first: dict[int, Scored] = {}
    for one in found:
        first.setdefault(id(one.row), one)
    return list(first.values())


def _observed(row: Row) -> dict[str, float]:
    """Seconds, or tokens a second; cells that are no numbers observe nothing."""
    values: dict[str, float] = {}
    for name, column in FIGURES.items():
        try:
            value = seen(row, column)
        except InputError:
            continue
        if value > 0:
            values[name] = value if name == "throughput" else value / 1e3
    return values


def _kind(row: Row) -> str:
    return (row.get("scenario") or "not given").strip().lower()


def _told(name: str, i: int, logs: Logs, counted: float, model: Fitted | None) -> Interval:
    if name == "tpot":
        return interval("token", float(logs.token[i]), model)
    if name == "ttft":
        return interval("first", float(logs.first[i]), model)
    return interval("served" if logs.closed[i] else "rate", float(logs.rate[i]), model).times(counted)


def _counted(row: Row, run: Deployment) -> float:
    """What a row's tokens a second are of the deployment's: half of a split service is given for a node, and prefill in prompts' tokens."""
    half = half_of(row)
    share = max(1.0, number(row, "count")) / run.devices if half else 1.0
    return share * (run.prompt / run.answer if half == "prefill" else 1.0)


def _shown(one: Scored) -> dict[str, Any]:
    names = (
        "id",
        "model",
        "hardware",
        "count",
        "precision",
        "engine",
        "scenario",
        "concurrency",
        "isl",
        "osl",
        "source",
    )
    return {
        **{name: one.row.get(name, "") for name in names},
        "figure": one.figure,
        "predicted": float(f"{one.middle:.4g}"),
        "observed": float(f"{one.observed:.4g}"),
        "error": round(one.error, 4),
    }
