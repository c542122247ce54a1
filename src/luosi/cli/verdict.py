"""`luosi verdict`: the routes side by side, and which to take at which volume."""

from __future__ import annotations

from typing import Annotated

import typer

from luosi.api import Workspace
from luosi.cli.common import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption, latest, money, print_json, print_table
from luosi.stages.verdict.money import RouteMoney, VerdictReport


def verdict(
    recipe: Annotated[
        str, typer.Argument(help="A recipe's path or name; the one run last if left out.", metavar="[RECIPE]")
    ] = "",
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    json: JsonOption = False,
) -> None:
    """The routes side by side: quality with its error, cost to make, cost of answers, break-even; and what to do."""
    place = Workspace(workspace)
    result = place.verdict(latest(place, recipe))
    if json:
        print_json(result)
    else:
        print_verdict(result)
