"""Graph: named steps in an order in which they can run, with the key of each known before anything runs.

Made from typed steps (a recipe gives them); checks that every input exists, fits its role's types and closes no circle.
Knows no files.
"""

from __future__ import annotations

import graphlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from luosi.errors import RecipeError, nearest
from luosi.pipeline.key import artifact_key
from luosi.pipeline.stage import Stage, StageConfig, StageRuntime


@dataclass(frozen=True)
class Step:
    """One step of a recipe: a stage, its settings, and role -> names of the steps that feed it."""

    name: str
    stage: Stage[Any, Any]
    config: StageConfig
    runtime: StageRuntime
    inputs: Mapping[str, Sequence[str]]

    def upstream(self) -> list[str]:
        """Names of every step this one takes something from."""
        return [name for names in self.inputs.values() for name in names]


@dataclass(frozen=True)
class Graph:
    """Steps in running order and the key of each."""

    recipe: str
    steps: tuple[Step, ...]
    keys: Mapping[str, str]

    def step(self, name: str) -> Step:
        """The step called `name`."""
        return next(step for step in self.steps if step.name == name)

    def input_keys(self, step: Step) -> dict[str, list[str]]:
        """role -> keys of what feeds `step`."""
        return {role: [self.keys[name] for name in names] for role, names in step.inputs.items() if names}


def build_graph(recipe: str, steps: Iterable[Step]) -> Graph:
    """Order the steps, check their inputs and derive their keys.

    Raises:
        RecipeError: An input is unknown, missing, of a wrong type or in a circle; names the field.
    """
    by_name = {step.name: step for step in steps}
    for step in by_name.values():
        _check_inputs(step, by_name)
    try:
        order = list(graphlib.TopologicalSorter({s.name: s.upstream() for s in by_name.values()}).static_order())
    except graphlib.CycleError as error:
        circle = " -> ".join(reversed(error.args[1]))
        raise RecipeError(f"steps feed each other in a circle: {circle}", field="steps") from error
    position = {name: number for number, name in enumerate(by_name)}
    ordered = tuple(by_name[name] for name in _stable(order, by_name, position))
    keys: dict[str, str] = {}
    for step in ordered:
        inputs = {role: [keys[name] for name in names] for role, names in step.inputs.items()}
        keys[step.name] = artifact_key(step.stage.name, step.stage.version, step.config, inputs)
    return Graph(recipe, ordered, keys)


def _stable(order: list[str], by_name: Mapping[str, Step], position: Mapping[str, int]) -> list[str]:
    """The recipe's own order wherever the inputs allow it: what a reader expects to see run next."""
    done: list[str] = []
    left = sorted(order, key=position.__getitem__)
    while left:
        ready = next(name for name in left if all(up in done for up in by_name[name].upstream()))
        done.append(ready)
        left.remove(ready)
    return done


def _check_inputs(step: Step, by_name: Mapping[str, Step]) -> None:
    field = f"steps.{step.name}.inputs"
    for role in step.inputs:
        if role not in step.stage.inputs:
            raise RecipeError(
                f"stage {step.stage.name} has no input {role!r}; it takes {', '.join(step.stage.inputs) or 'none'}",
                field=field,
                hint=nearest(role, step.stage.inputs),
            )
    for role, spec in step.stage.inputs.items():
        names = step.inputs.get(role, [])
        if not names and not spec.optional:
            kinds = " or ".join(kind.__name__ for kind in spec.kinds)
            raise RecipeError(f"missing; it is a {kinds}", field=f"{field}.{role}", hint="name the step that makes it")
        if len(names) > 1 and not spec.many:
            raise RecipeError(f"takes one step, got {len(names)}: {', '.join(names)}", field=f"{field}.{role}")
        for name in names:
            _check_fits(f"{field}.{role}", name, spec.kinds, by_name)


def _check_fits(field: str, name: str, kinds: tuple[type, ...], by_name: Mapping[str, Step]) -> None:
    source = by_name.get(name)
    if source is None:
        raise RecipeError(f"there is no step {name!r}", field=field, hint=nearest(name, by_name))
    if not issubclass(source.stage.output, kinds):
        wanted = " or ".join(kind.__name__ for kind in kinds)
        raise RecipeError(f"step {name!r} makes a {source.stage.output.__name__}, expected a {wanted}", field=field)
