"""The published runs of serving that the estimator learns from: what each describes, and what it observed.

Made from data/inference_runs.csv, or from any table with those columns.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from luosi.errors import InputError
from luosi.estimate.serving.correction import Traits, traits
from luosi.estimate.serving.deployment import Deployment, Floats, Table, table
from luosi.estimate.serving.rows import deployment_of
from luosi.estimate.tables import Row, number

FIGURES = ("token", "first", "rate")
"""Seconds between tokens; seconds to the first; answers' tokens a second of one device, of a saturated service."""


@dataclass(frozen=True)
class Runs:
    """Runs as the physics takes them, with the logarithms of what they observed: (3, n) by FIGURES, NaN where nothing was."""

    deployments: tuple[Deployment, ...]
    table: Table
    observed: Floats
    groups: NDArray[np.str_]
    """Shape and chip of each."""
    traits: Traits

    def where(self, keep: NDArray[np.bool_]) -> Runs:
        """The runs that are kept."""
        return Runs(
            tuple(one for one, kept in zip(self.deployments, keep, strict=True) if kept),
            self.table.where(keep),
            self.observed[:, keep],
            self.groups[keep],
            self.traits.where(keep),
        )


def group_of(run: Deployment) -> str:
    """Its shape and chip: what never is both in what is fitted and in what is tested."""
    return f"{run.architecture.name} on {run.chip.name}"


def runs_of(rows: Sequence[Row]) -> Runs:
    """The rows of a table, all of which must be readable.

    Raises:
        InputError: A row is not.
    """
    deployments = tuple(deployment_of(row) for row in rows)
    observed = np.array([_observed(row, one) for row, one in zip(rows, deployments, strict=True)], dtype=float).T
    return Runs(
        deployments, table(deployments), observed, np.array([group_of(one) for one in deployments]), traits(deployments)
    )


@cache
def published() -> Runs:
    """Those that come with the package; rows of one half of a split service, whose load is not known, are left out."""
    return runs_of([row for row in published_rows() if "production" not in row["scenario"]])


def published_rows() -> list[dict[str, str]]:
    """The table as it is."""
    text = files("luosi.estimate").joinpath("data/inference_runs.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def seen(row: Row, column: str) -> float:
    """What a row observed, or NaN.

    Raises:
        InputError: The cell is neither empty nor a number.
    """
    return number(row, column) or float("nan")


def _observed(row: Row, run: Deployment) -> tuple[float, float, float]:
    closed = run.scenario == "closed"
    if not closed and not number(row, "tokens_s_total"):
        raise InputError("a saturated run gives no tokens_s_total")
    rate = float("nan") if closed else seen(row, "tokens_s_total") / run.devices
    values = (seen(row, "tpot_ms") / 1e3, seen(row, "ttft_ms") / 1e3, rate) if closed else (float("nan"),) * 2 + (rate,)
    return tuple(np.log(values))
