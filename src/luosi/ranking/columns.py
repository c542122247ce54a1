"""Columns of votes: what they may be called, and how words and numbers in them are understood. Knows no file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import numpy as np

from luosi.errors import InputError, nearest
from luosi.ranking.coding import Floats
from luosi.ranking.votes import Votes

ALIASES: dict[str, tuple[str, ...]] = {
    "left": ("left", "model_a", "model_left", "left_model", "model_1", "model1"),
    "right": ("right", "model_b", "model_right", "right_model", "model_2", "model2"),
    "winner": ("winner", "outcome", "result", "vote", "choice", "preference"),
    "voter": (
        "voter",
        "worker",
        "judge",
        "judge_hash",
        "user",
        "annotator",
        "voter_id",
        "worker_id",
        "user_id",
        "evaluator",
        "evaluation_session_id",
    ),
    "prompt": ("prompt", "prompt_id", "question", "question_id", "item", "query"),
    "time": ("time", "tstamp", "timestamp", "created_at", "date"),
    "source": ("source",),
    "weight": ("weight",),
    "propensity": ("propensity",),
    "anonymous": ("anonymous", "anony"),
}
"""What each column may be called, in the order of preference; the case of letters does not matter."""
NUMBERS = ("weight", "propensity")
PAIRED = (("_a", "_b"), ("_left", "_right"), ("_1", "_2"))


def recognised(names: Sequence[str], columns: Mapping[str, str], features: Sequence[str]) -> dict[str, Any]:
    """Which column is what: by the keys of ALIASES, and "features": name to one column or two. Raises InputError."""
    lower: dict[str, str] = {}
    for name in names:
        lower.setdefault(name.strip().lower(), name)
    found: dict[str, Any] = {}
    for key, aliases in ALIASES.items():
        if asked := columns.get(key):
            if asked not in names:
                raise InputError(f"there is no column {asked!r}", hint=nearest(asked, names))
            found[key] = asked
        elif known := next((lower[alias] for alias in aliases if alias in lower), None):
            found[key] = known
    for key in ("left", "right", "winner"):
        if key not in found:
            shown = ", ".join(repr(name[:40]) for name in islice(names, 20)) or "none"
            raise InputError(f"no column is known for {key}: there are {shown}", hint=f"name it: --{key} COLUMN")
    found["features"] = {name: _feature(name, names) for name in features}
    return found


def _feature(name: str, names: Sequence[str]) -> tuple[str, ...]:
    if name in names:
        return (name,)
    for ends in PAIRED:
        both = tuple(name + end for end in ends)
        if all(column in names for column in both):
            return both
    raise InputError(f"there is no column {name!r}, nor {name}_a and {name}_b", hint=nearest(name, names))


def votes_of(
    names: Sequence[str],
    column: Callable[[str], Any],
    columns: Mapping[str, str],
    features: Sequence[str],
    refused: Mapping[str, int] | None = None,
) -> Votes:
    """Votes of columns that `column` gives by name."""
    roles = recognised(names, columns, features)
    style = {}
    for feature, parts in roles.pop("features").items():
        values = [numbers(column(part)) for part in parts]
        style[feature] = values[0] if len(values) == 1 else relative(*values)
    given: dict[str, Any] = {key: numbers(column(roles[key])) for key in NUMBERS if key in roles}
    if "time" in roles:
        given["time"] = times(column(roles["time"]))
    given |= {key: column(name) for key, name in roles.items() if key not in (*NUMBERS, "time")}
    return Votes.of(**given, features=style or None, refused=refused)


def numbers(values: Any) -> Floats:
    """Numbers, NaN for what is none."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "fiu":
        return values.astype(np.float64)
    try:
        return np.array(values, np.float64)
    except (ValueError, TypeError):
        return np.array([_number(value) for value in values])


def _number(value: Any) -> float:
    try:
        return float(value)
    except (ValueError, TypeError):
        return float("nan")


def relative(left: Floats, right: Floats) -> Floats:
    """(left - right) / (left + right), as arenas compare lengths; 0 where both are 0."""
    whole = left + right
    found: Floats = (left - right) / np.where(whole == 0, 1.0, whole)
    return found


def times(values: Any) -> Floats:
    """Seconds since 1970 of numbers or ISO 8601 times, NaN for anything else."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "fiu":
        return values.astype(np.float64)
    return np.array([_time(value) for value in values])


def _time(value: Any) -> float:
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    number = _number(value)
    if number == number or not isinstance(value, str):
        return number
    try:
        return _time(datetime.fromisoformat(value.strip()))
    except ValueError:
        return float("nan")
