"""`luosi plan`: the price before."""

from __future__ import annotations

from collections.abc import Iterable

from luosi.api import Workspace
from luosi.cli.common import (
    DEFAULT_WORKSPACE,
    JsonOption,
    RecipeArgument,
    SetOption,
    WorkspaceOption,
    energy,
    flop,
    interval,
    money,
    print_json,
    print_table,
    say,
    seconds,
    size,
)
from luosi.plan.steps import Plan, StepPlan


def plan(
    recipe: RecipeArgument,
    set_: SetOption = [],
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    json: JsonOption = False,
) -> None:
    """Each step: hit, resume or build, why, and what it will cost, with an interval. Spends nothing."""
    result = Workspace(workspace).plan(recipe, set_)
    if json:
        print_json(result)
    else:
        print_plan(result)


def print_plan(result: Plan) -> None:
    """The plan as a table, its budget and warnings below."""
    columns = ["step", "state", "time (80 % interval)", "work", "energy", "money", "memory", "why"]
    rows = [_row(line) for line in result.steps]
    total = result.total
    memory = size(result.memory_bytes)
    rows.append(
        [
            "total",
            "",
            interval(total.seconds),
            flop(total.flop),
            energy(total.joules.p50),
            money(total.money),
            memory,
            "",
        ]
    )
    print_table(f"Plan of {result.recipe} on {result.machine} ({result.machine_source})", columns, rows, left=2)
    for check in result.budget:
        say(f"budget {check.limit:g} {check.what}: {check.verdict} (expected {check.expected:.3g})")
    if result.spent_s:
        killed = f", {result.killed} killed attempts" if result.killed else ""
        say(f"spent so far on this recipe: {seconds(result.spent_s)}{killed}")
    say_warnings(result.steps)
    for warning in result.warnings:
        say(f"warning: {warning}")


def say_warnings(lines: Iterable[StepPlan]) -> None:
    """Of some of a plan's steps."""
    for line in lines:
        for warning in line.warnings:
            say(f"warning: {line.step}: {warning}")


def _row(line: StepPlan) -> list[str]:
    state = f"RESUME {line.done:.0%}" if line.state == "resume" else line.state.upper()
    if line.state == "hit":
        return [line.step, state, "0 s", "-", "-", "-", "-", line.key]
    estimate = line.estimate
    return [
        line.step, state, interval(estimate.seconds), flop(estimate.flop), energy(estimate.joules.p50),
        money(line.planned.money), size(estimate.memory_bytes), line.why,
    ]  # fmt: skip
