"""`luosi bill`: the price after."""

from __future__ import annotations

from luosi.api import Workspace
from luosi.cli.common import (
    DEFAULT_WORKSPACE,
    JsonOption,
    LatestRecipeArgument,
    WorkspaceOption,
    energy,
    flop,
    latest,
    money,
    percent,
    print_json,
    print_table,
    say,
    seconds,
)
from luosi.ledger.learning import MOST_RUNS, Learned
from luosi.ledger.report import Bill, BillLine


def bill(
    recipe: LatestRecipeArgument = "",
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    json: JsonOption = False,
) -> None:
    """Planned beside spent, per step and in total; killed attempts are on it."""
    place = Workspace(workspace)
    result = place.bill(latest(place, recipe))
    if json:
        print_json(result)
    else:
        print_bill(result)


def print_bill(result: Bill) -> None:
    """The bill as a table."""
    columns = [
        "step",
        "state",
        "planned",
        "spent",
        "error",
        "CPU",
        "work",
        "energy",
        "money planned",
        "money spent",
        "attempts",
    ]
    print_table(f"Bill of {result.recipe}", columns, [_row(line) for line in [*result.steps, result.total]], left=2)
    if result.total.killed:
        say(f"{result.total.killed} killed attempt(s) are counted in")
    if result.total.spent.joules_by == "modelled":
        say("energy is modelled from CPU seconds: this machine has no counter that can be read")
    if result.total.loaded:
        say("other programs were busy during some attempts: their times are longer for it and teach the plan nothing")
    if result.learned:
        told = [f"{one.error:.0%} {_taught(one)}" for one in result.learned[:MOST_RUNS]]
        say(f"the plans' median error on this machine, all recipes: {', '.join(told)}")
    if result.variation is not None:
        say(
            f"the same step's seconds are {result.variation:.0%} (median) from their middle here: no plan can be nearer"
        )


def _taught(one: Learned) -> str:
    steps = f"{one.builds} step{'s' if one.builds != 1 else ''}"
    return (
        f"after {one.runs} run{'s' if one.runs != 1 else ''} of the step ({steps})"
        if one.runs
        else f"before any run ({steps})"
    )


def _row(line: BillLine) -> list[str]:
    spent = line.spent
    planned = line.planned
    attempts = f"{line.attempts} ({line.killed} killed)" if line.killed else str(line.attempts)
    return [
        line.step, line.state, seconds(planned.seconds.p50) if planned else "-", seconds(spent.seconds), percent(line.error),
        seconds(spent.cpu_seconds), flop(spent.flop), energy(spent.joules), money(planned.money) if planned else "-",
        money(spent.money), attempts,
    ]  # fmt: skip
