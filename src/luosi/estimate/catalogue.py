"""Models by name: the sizes of public ones (data/models.csv, a source in every row), of a config.json, or of a count such as "70B".

A row's sizes are checked by adding them up: where their sum is off the published count (recurrent layers, embeddings per layer, parts
that the table has no column for), the published count stands. Light: no numpy. Knows neither what a model is worth nor who may use it.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import cache
from importlib.resources import files
from pathlib import Path

from luosi.errors import UsageError, nearest
from luosi.estimate.architecture import Architecture, of_parameters
from luosi.estimate.configuration import of_config

_OFF = 0.02
"""How far the sum of a row's sizes may be from the published count before that stands in its place."""
_OFF_ACTIVE = 0.1
"""The same of the parameters that a token meets, which some publish with the embedding's table and some without."""

_SIZE = re.compile(
    r"(?P<total>[0-9]*\.?[0-9]+)(?P<unit>[kmbt])(?:-?a(?P<active>[0-9]*\.?[0-9]+)(?P<active_unit>[kmbt]))?"
)
_UNITS = {"k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}
_DRESS = re.compile(
    r"instruct|chat|base|hf|it|fp8|fp4|nvfp4|mxfp4|awq|gptq|int4|int8|bf16|thinking|preview|v0\.[0-9]|[012][0-9]{3}"
)
"""Words at a name's end that say how a model was tuned, packed or dated, not how large it is."""


@dataclass(frozen=True)
class Model:
    """A row of the catalogue."""

    architecture: Architecture
    year: int
    parameters: float
    """As published."""
    active: float
    """As published; all of them in a dense model."""
    source: str
    names: tuple[str, ...]
    """That it goes by, the catalogue's own first."""


def architecture_named(text: str) -> Architecture:
    """The sizes of the model that a user names: by the catalogue, a config.json or its folder, or a size such as "70B" or "671B-A37B".

    Raises:
        UsageError: The catalogue has no such model (the hint names the nearest), the file is no model's config, or the size is out of range.

    >>> round(architecture_named("meta-llama/Llama-3.1-70B-Instruct").parameters / 1e9, 1)
    70.6
    """
    path = Path(text)
    if text and (path.suffix == ".json" or path.is_dir()):
        return of_config(path)
    found = _by_name().get(_plain(text))
    if found is not None:
        return found.architecture
    size = _SIZE.fullmatch(text.strip().lower())
    if size is not None:
        active = _count(size["active"], size["active_unit"]) if size["active"] else 0.0
        return of_parameters(_count(size["total"], size["unit"]), active=active, name=text.strip())
    names = [one.names[0] for one in models()]
    raise UsageError(
        f"there is no model {text!r} in the catalogue of {len(names)}",
        hint=f"{_near(text, names)}give its config.json, or its size as in 70B or 30B-A3B",
    )


def architecture_in(text: str) -> Architecture | None:
    """The model that a table's free text names, such as "Qwen/Qwen3-235B-A22B-FP8 (tokendrop)": the longest known name in it; None if none is."""
    plain = re.sub(r"[^a-z0-9.]", "", text.lower())
    names = _by_name()
    held = [
        name
        for name in names
        if len(name) >= 4 and name in plain and re.search(rf"(?<![0-9.]){re.escape(name)}(?!\.?[0-9])", plain)
    ]
    return names[max(held, key=len)].architecture if held else None


@cache
def models() -> tuple[Model, ...]:
    """All of them, in the file's order: by family."""
    text = files("luosi.estimate").joinpath("data/models.csv").read_text(encoding="utf-8")
    return tuple(_model(row) for row in csv.DictReader(text.splitlines()))


def _model(row: dict[str, str]) -> Model:
    sizes = {
        field.name: int(row[field.name] or 0)
        for field in fields(Architecture)
        if field.name in row and field.name != "name"
    }
    made = Architecture(name=row["name"], **sizes)  # type: ignore[arg-type]
    made = replace(made, gated=bool(made.gated), tied=bool(made.tied))
    total = float(row["parameters_b"]) * 1e9
    active = float(row["active_b"]) * 1e9 if row["active_b"] else total
    if abs(made.parameters / total - 1) > _OFF:
        made = replace(made, known_parameters=total, known_active=active)
    elif row["active_b"] and abs(made.active / active - 1) > _OFF_ACTIVE:
        made = replace(made, known_active=active)
    names = (row["name"], *filter(None, row["aliases"].split(";")))
    return Model(made, int(row["year"]), total, active, row["source"], names)


@cache
def _by_name() -> dict[str, Model]:
    found: dict[str, Model] = {}
    for one in models():
        for name in one.names:
            assert found.setdefault(_plain(name), one) is one, f"{name} names two models"
    return found


def _plain(name: str) -> str:
    """Small letters, digits and points of a name, without its owner and without what says how it was tuned, packed or dated."""
    words = re.split(r"[-_\s]+", name.strip().lower().rsplit("/", 1)[-1])
    while len(words) > 1 and _DRESS.fullmatch(words[-1]):
        words.pop()
    return re.sub(r"[^a-z0-9.]", "", "".join(words))


def _count(number: str, unit: str) -> float:
    return float(number) * _UNITS[unit]


def _near(text: str, names: list[str]) -> str:
    """A hint with the nearest name; else with the family's, for a list of all would be long."""
    family = re.match(r"[a-z]*", _plain(text))
    kin = [name for name in names if family and family[0] and name.startswith(family[0])]
    close = nearest(text, kin or names)
    if close.startswith("did") and _plain(text) != (family and family[0]):
        return f"{close} Else "
    return f"known: {', '.join(_shortened(kin))}; else " if kin else ""


def _shortened(names: list[str]) -> Iterator[str]:
    yield from names[:12]
    if len(names) > 12:
        yield f"and {len(names) - 12} more"
