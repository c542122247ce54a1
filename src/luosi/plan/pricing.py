"""Pricing a recipe that exists only as plain dicts: its steps' missing settings filled in, and what it would cost in all.

What `design` asks for, made from a registry of stages, without importing one. Knows no store: nothing counts as done.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from luosi.artifacts import Facts
from luosi.cost import Estimate, Machine
from luosi.pipeline.stage import Stage
from luosi.plan.chain import Complete, Table
from luosi.plan.design import Price
from luosi.recipe import Budget, Recipe, recipe_graph


def completer(stages: Mapping[str, Stage[Any, Any]]) -> Complete:
    """Fills in every setting of a stage by its defaults; see `chain.Complete`."""

    def complete(stage: str, fields: Table) -> Table:
        config = stages[stage].Config.model_validate(fields).model_dump(mode="json", exclude_none=True)
        return {**config, "runtime": stages[stage].Runtime().model_dump(mode="json", exclude_none=True)}

    return complete


def pricer(stages: Mapping[str, Stage[Any, Any]], machine: Machine) -> Price:
    """The sum of what the recipe's steps say they will cost on `machine`, each from what its inputs say they will be."""

    def price(table: Table) -> Estimate:
        budget = Budget.model_validate(table["budget"])
        recipe = Recipe(name=table["name"], budget=budget, steps=table["steps"], base=Path.cwd())
        facts: dict[str, Facts] = {}
        total = Estimate()
        for step in recipe_graph(recipe, stages).steps:
            known = {role: [facts[name] for name in names] for role, names in step.inputs.items()}
            facts[step.name] = step.stage.predict(step.config, known)
            total += step.stage.estimate(step.config, known, machine)
        return total

    return price
