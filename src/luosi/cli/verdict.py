"""`luosi verdict`: the routes side by side, and which to take at which volume."""

from __future__ import annotations

from luosi.api import Workspace
from luosi.cli.common import (
    DEFAULT_WORKSPACE,
    JsonOption,
    LatestRecipeArgument,
    WorkspaceOption,
    latest,
    money,
    print_json,
    print_table,
)
from luosi.stages.verdict.money import RouteMoney, VerdictReport


def verdict(
    recipe: LatestRecipeArgument = "",
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


def print_verdict(result: VerdictReport) -> None:
    """The routes as a table, the advice below."""
    columns = [
        "route",
        "model",
        "bits per byte",
        "difference (95 %)",
        "exam accuracy",
        "cost to make",
        "per 1,000 answers",
        "break-even",
        "note",
    ]
    print_table("Verdict", columns, [_row(route) for route in result.routes], left=2)
    for sentence in result.advice:
        print(f"- {sentence}")


def _row(route: RouteMoney) -> list[str]:
    even = "-" if route.break_even_answers is None else f"{route.break_even_answers:,} answers"
    return [
        route.route, route.model, _score(route.bpb, route.bpb_se), _difference(route), _score(route.accuracy, route.accuracy_se),
        money(route.cost_to_make) if route.cost_to_make else "-", money(route.cost_per_1000) if route.cost_per_1000 else "-",
        even, route.note,
    ]  # fmt: skip


def _score(mean: float | None, error: float | None) -> str:
    if mean is None:
        return "not measured"
    return f"{mean:.3f} +- {error:.3f}" if error is not None else f"{mean:.3f}"


def _difference(route: RouteMoney) -> str:
    if route.difference is None:
        return "-"
    return f"{route.difference:+.3f} ({route.difference_low:+.3f} .. {route.difference_high:+.3f})"
