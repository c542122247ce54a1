"""Tables of published runs: which kind a CSV is, and its rows by an allow-list of input columns, so that no answer is read as a question.

Made from a CSV with the columns of data/training_runs.csv or data/inference_runs.csv. What a column means is in `training.rows` and in
`serving`. It does not judge the figures.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from luosi.errors import InputError

TRAINING_INPUTS = (
    "model", "kind", "params_total_b", "params_active_b", "layers", "hidden", "heads", "kv_heads", "ffn", "vocab", "experts", "topk",
    "seq_len", "gbs_seqs", "gbs_tokens", "tokens_b", "hardware", "count", "precision", "tp", "pp", "dp", "cp", "ep", "vp", "mbs",
    "zero_fsdp", "recompute", "framework",
)  # fmt: skip
"""What a prediction of training may read."""
TRAINING_OUTPUTS = ("step_s", "tokens_s_dev", "tflops_dev", "days", "dev_hours")
"""What it is compared with, the first that is given."""
INFERENCE_MARKS = ("tpot_ms", "ttft_ms", "isl", "osl")
"""Columns of which one at least is in a table of inference runs."""

Row = Mapping[str, str]


@dataclass(frozen=True)
class Table:
    """A table as read."""

    path: Path
    kind: str
    """training or inference."""
    rows: tuple[Row, ...]


def read(path: Path) -> Table:
    """The rows of a CSV.

    Raises:
        InputError: It cannot be read, has no rows, or its header is of neither kind; names the columns that lack.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            header = tuple(reader.fieldnames or ())
            rows = tuple({key: (value or "").strip() for key, value in row.items() if key} for row in reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as a table: {error}", hint="give a CSV file in UTF-8") from None
    kind = _kind(path, header)
    if not rows:
        raise InputError(f"{path} has a header and no rows", hint="give one run a line")
    return Table(path, kind, rows)


def _kind(path: Path, header: tuple[str, ...]) -> str:
    if len([name for name in INFERENCE_MARKS if name in header]) >= 2:
        return "inference"
    lacking = [name for name in ("model", "seq_len", "hardware", "count", "precision") if name not in header]
    if lacking or not any(name in header for name in TRAINING_OUTPUTS):
        wanted = lacking or [" or ".join(TRAINING_OUTPUTS)]
        raise InputError(
            f"{path} is no table of runs: it lacks {', '.join(wanted)}",
            hint="name the columns as luosi/estimate/data/training_runs.csv or inference_runs.csv does",
        )
    return "training"


def inputs(row: Row) -> dict[str, str]:
    """The row's columns that a prediction of training may read; others are left out."""
    return {name: row.get(name, "") or "" for name in TRAINING_INPUTS}


MOST = 1e15
"""Of any cell."""


def number(row: Row, column: str) -> float:
    """A cell as a positive number; 0.0 if it is empty or says it is not known.

    Raises:
        InputError: It is something else; names the column and the value.
    """
    text = (row.get(column) or "").strip()
    if text.lower() in ("", "n/a", "na", "-", "none", "unknown", "unstated"):
        return 0.0
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= MOST:
        raise InputError(
            f"{row.get('id', 'a row')}: {column} is {text!r}",
            hint=f"give a number from 0 to {MOST:g}, or leave the cell empty",
        )
    return value


def shipped(name: str) -> Path:
    """The path of a table that comes with the package."""
    return Path(str(files("luosi.estimate").joinpath("data", name)))
