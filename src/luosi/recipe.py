"""Recipe: TOML in, typed steps out, with every error named by its field; and the words for what changed between two configs.

A recipe is complete and readable: `name`, `[budget]` (planning input, never in a key), and one `[steps.NAME]` table a step
with `stage`, `inputs`, the fields of that stage's Config, and `[steps.NAME.runtime]`. No templates, no defaults from
elsewhere. Knows the stages only as the registry it is handed.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from luosi.errors import RecipeError, nearest
from luosi.pipeline.graph import Graph, Step, build_graph
from luosi.pipeline.stage import Stage

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")


class Budget(BaseModel):
    """What may be spent; the plan says whether it fits. Several limits may stand together."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    kwh: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    flop: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    usd: float | None = Field(default=None, gt=0, allow_inf_nan=False)


class Recipe(BaseModel):
    """A recipe as read, overrides applied: its name, budget, steps and the folder its relative paths start from."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    name: str
    budget: Budget
    steps: dict[str, dict[str, Any]]
    base: Path


def read_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe file; `overrides` are `steps.NAME.field=value` with a TOML value.

    Raises:
        RecipeError: The file is missing or wrong; names the field or line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RecipeError(
            f"there is no recipe {str(path)!r}", hint="`luosi new FILES... --budget '10 min'` writes one"
        ) from None
    except IsADirectoryError:
        raise RecipeError(f"{str(path)!r} is a folder, expected a recipe (TOML)") from None
    except (UnicodeDecodeError, OSError) as error:
        raise RecipeError(f"{path} cannot be read: {error}") from None
    return parse_recipe(text, name=path.stem, base=path.resolve().parent, overrides=overrides)


def parse_recipe(text: str, *, name: str, base: Path, overrides: Sequence[str] = ()) -> Recipe:
    """A recipe from its text; `name` is used if the text gives none, relative paths start from `base`."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"not TOML: {error}", hint="strings stand in quotes, tables in [brackets]") from None
    for override in overrides:
        _override(data, override)
    for field in data:
        if field not in ("name", "budget", "steps"):
            raise RecipeError("unknown field", field=field, hint=nearest(field, ["name", "budget", "steps"]))
    title = data.get("name", name)
    if not isinstance(title, str) or not NAME.fullmatch(title):
        raise RecipeError(f"{title!r} is not a name", field="name", hint="letters, digits, dots, - and _, at most 64")
    steps = data.get("steps")
    if not isinstance(steps, dict) or not steps:
        raise RecipeError("there are no steps", field="steps", hint="a step is a table: [steps.curate]")
    budget = _validate(Budget, data.get("budget", {}), "budget", base)
    assert isinstance(budget, Budget)
    return Recipe(name=title, budget=budget, steps=steps, base=base)


def recipe_graph(recipe: Recipe, stages: Mapping[str, Stage[Any, Any]]) -> Graph:
    """The recipe's typed steps in running order, with their keys.

    Raises:
        RecipeError: Names the field, the value seen and what was expected.
    """
    return build_graph(recipe.name, [_step(name, table, stages, recipe.base) for name, table in recipe.steps.items()])


def _step(name: str, table: Any, stages: Mapping[str, Stage[Any, Any]], base: Path) -> Step:
    field = f"steps.{name}"
    if not NAME.fullmatch(name):
        raise RecipeError(
            f"{name!r} is not a step's name", field=field, hint="letters, digits, dots, - and _, at most 64"
        )
    if not isinstance(table, dict):
        raise RecipeError(f"is {table!r}, expected a table", field=field, hint=f"write [steps.{name}]")
    rest = dict(table)
    stage_name = rest.pop("stage", name)
    if not isinstance(stage_name, str) or stage_name not in stages:
        raise RecipeError(
            f"there is no stage {stage_name!r}", field=f"{field}.stage", hint=nearest(str(stage_name), stages)
        )
    stage = stages[stage_name]
    inputs = _inputs(rest.pop("inputs", {}), f"{field}.inputs")
    runtime = _validate(stage.Runtime, rest.pop("runtime", {}), f"{field}.runtime", base)
    config = _validate(stage.Config, rest, field, base)
    return Step(name, stage, config, runtime, inputs)  # type: ignore[arg-type]


def _inputs(value: Any, field: str) -> dict[str, list[str]]:
    if not isinstance(value, dict):
        raise RecipeError(f"is {value!r}, expected role = step", field=field, hint='inputs = { corpus = "curate" }')
    result = {}
    for role, names in value.items():
        listed = [names] if isinstance(names, str) else names
        if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
            raise RecipeError(f"is {names!r}, expected a step's name or a list of them", field=f"{field}.{role}")
        result[role] = listed
    return result


def _validate(model: type[BaseModel], data: Any, field: str, base: Path) -> BaseModel:
    """Strictly: "3" is not 3, but 1 is 1.0 and a TOML array is a tuple; relative paths start from `base`."""
    try:
        text = json.dumps(data)
    except TypeError as error:
        raise RecipeError(f"{error}; dates and times have no meaning here", field=field) from None
    try:
        checked = model.model_validate_json(text, strict=True)
    except ValidationError as error:
        raise _as_recipe_error(error, model, field) from None
    absolute = _absolute(checked, base)
    assert isinstance(absolute, BaseModel)
    return absolute


def _as_recipe_error(error: ValidationError, model: type[BaseModel], field: str) -> RecipeError:
    first, *others = error.errors()
    path = ".".join([field, *(str(part) for part in first["loc"])])
    more = f" (and {len(others)} more)" if others else ""
    if first["type"] == "extra_forbidden":
        owner = _model_at(model, first["loc"][:-1])
        return RecipeError(
            f"unknown field{more}", field=path, hint=nearest(str(first["loc"][-1]), owner.model_fields if owner else [])
        )
    if first["type"] == "missing":
        return RecipeError(f"missing{more}", field=path)
    seen = "" if isinstance(first["input"], dict) else f", got {first['input']!r}"
    message = first["msg"].removeprefix("Value error, ")
    return RecipeError(f"{message[0].lower()}{message[1:]}{seen}{more}", field=path)


def _model_at(model: type[BaseModel], path: Sequence[int | str]) -> type[BaseModel] | None:
    """The model that the fields of `path` lead to, through tuples, lists and options."""
    for part in path:
        if isinstance(part, int):
            continue
        found = _model_in(model.model_fields[part].annotation) if part in model.model_fields else None
        if found is None:
            return None
        model = found
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)


def _absolute(value: Any, base: Path) -> Any:
    """`value` with every relative path in its `LOCATION` fields starting from `base`."""
    if isinstance(value, tuple):
        return tuple(_absolute(item, base) for item in value)
    if not isinstance(value, BaseModel):
        return value
    changed = {}
    for name, field in type(value).model_fields.items():
        extra = field.json_schema_extra
        located = isinstance(extra, dict) and extra.get("location")
        changed[name] = _located(getattr(value, name), base) if located else _absolute(getattr(value, name), base)
    return value.model_copy(update=changed)


def _located(value: str | tuple[str, ...], base: Path) -> str | tuple[str, ...]:
    if isinstance(value, tuple):
        return tuple(str(base / path) for path in value)
    return str(base / value) if value else value


def _override(data: dict[str, Any], text: str) -> None:
    """Apply `a.b.c=value` to the parsed TOML."""
    path, equals, value = text.partition("=")
    if not equals:
        raise RecipeError(f"{text!r} is not path=value", field="--set", hint="--set steps.adapt.tokens=20000")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value.strip()  # a bare word is a string: --set steps.q.precision=Q8_0
    *parents, last = path.strip().split(".")
    table = data
    for part in parents:
        if not isinstance(table.get(part), dict):
            raise RecipeError(
                f"there is no table {part!r} in the recipe", field=f"--set {path.strip()}", hint=nearest(part, table)
            )
        table = table[part]
    table[last] = parsed


def without_step(recipe: Recipe, name: str) -> Recipe:
    """The recipe without one step and all that cannot be made without it; a role that takes a list just loses the name."""
    gone = {name}
    steps = dict(recipe.steps)
    while True:
        needy = [n for n, table in steps.items() if n not in gone and gone & set(_only_inputs(table))]
        if not needy:
            break
        gone |= set(needy)
    left = {n: _without_inputs(table, gone) for n, table in steps.items() if n not in gone}
    return recipe.model_copy(update={"steps": left})


def _only_inputs(table: Mapping[str, Any]) -> list[str]:
    return [value for value in table.get("inputs", {}).values() if isinstance(value, str)]


def _without_inputs(table: dict[str, Any], gone: set[str]) -> dict[str, Any]:
    inputs = table.get("inputs", {})
    listed = {
        role: [n for n in value if n not in gone] if isinstance(value, list) else value
        for role, value in inputs.items()
    }
    return {**table, "inputs": listed} if inputs else table


def config_changes(old: object, new: object, path: str) -> list[str]:
    """What differs between two canonical configs, as `path old -> new`, one entry a field.

    >>> config_changes({"lr": 0.003}, {"lr": 0.001}, "pretrain")
    ['pretrain.lr 0.003 -> 0.001']
    """
    if isinstance(old, dict) and isinstance(new, dict):
        changes = []
        for name in sorted({*old, *new}):
            changes += config_changes(old.get(name, "(absent)"), new.get(name, "(absent)"), f"{path}.{name}")
        return changes
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [c for i, (a, b) in enumerate(zip(old, new, strict=True)) for c in config_changes(a, b, f"{path}[{i}]")]
    return [] if old == new else [f"{path} {_short(old)} -> {_short(new)}"]


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else text[:37] + "..."
