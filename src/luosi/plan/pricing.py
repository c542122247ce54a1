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
from luosi.plan.scaling import MAX_EPOCHS, SCRATCH_SHAPES, scratch_tokens, text_tokens
from luosi.plan.scratch import Scratch
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
            total += step.stage.estimate(step.config, known, machine.for_step(step.stage.name, step.name))
        return total

    return price


def scratch_estimate(text_bytes: int, machine: Machine, stages: Mapping[str, Stage[Any, Any]]) -> Estimate:
    """What training from scratch on so much text would cost: the largest of the models that it can feed, else the smallest."""
    available = MAX_EPOCHS * text_tokens(text_bytes)
    shape = [SCRATCH_SHAPES[0], *(one for one in SCRATCH_SHAPES if scratch_tokens(one) <= available)][-1]
    scratch = Scratch(shape, scratch_tokens(shape))
    precision = "bf16" if machine.bf16_flops > machine.fp32_flops else "fp32"
    facts, total = {"curate": Facts(text_bytes=text_bytes)}, Estimate()
    for name, (stage, inputs, fields) in scratch.steps("", precision, completer(stages)).items():
        known = {role: [facts[step]] for role, step in inputs.items()}
        config = stages[stage].Config.model_validate(fields)
        facts[name] = stages[stage].predict(config, known)
        total += stages[stage].estimate(config, known, machine.for_step(stage, name))
    return total
