"""`luosi verdict`: the routes side by side, which to take, and every question with its answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

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
from luosi.report.content import Asked, asked_rows, short_table
from luosi.report.names import named
from luosi.report.words import Language, Words
from luosi.stages.verdict.costs import RouteMoney
from luosi.stages.verdict.money import VerdictReport

LanguageOption = Annotated[Language, typer.Option("--lang", help="en or zh.")]
ONE_LINE = 160
"""Characters of an answer that are printed."""


def verdict(
    recipe: LatestRecipeArgument = "",
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    questions: Annotated[
        bool, typer.Option("--questions", help="Every question too, with each route's answer and mark.")
    ] = False,
    lang: LanguageOption = "en",
    json: JsonOption = False,
) -> None:
    """The routes side by side: quality with its error, cost to make, cost of answers, break-even; and what to do."""
    place = Workspace(workspace)
    name = latest(place, recipe)
    result = place.verdict(name)
    rows = place.verdicts(name).answer_rows() if questions else []
    if json:
        print_json({**result.model_dump(mode="json"), **({"answered": rows} if questions else {})})
        return
    print_verdict(result, lang)
    print_questions(asked_rows(result, rows, lang))


def print_verdict(result: VerdictReport, language: Language = "en") -> None:
    """The routes as a table, the advice below."""
    if result.questions:
        words = Words(language)
        table = short_table(named(result.routes, words), words)
        print_table(words("routes"), table.heads, table.rows, left=len(table.heads))
    else:
        print_table("Verdict", COLUMNS, [_row(route) for route in result.routes], left=2)
    for sentence in result.advice:
        print(f"- {getattr(sentence, language)}")


def print_questions(asked: Iterable[Asked]) -> None:
    """Every question, a line for each answer."""
    for one in asked:
        print(f"\n{one.number}. {one.prompt}")
        for fact in one.facts:
            print(f"   {fact}")
        for said in one.answers:
            text = " ".join(said.text.split())
            shown = text if len(text) <= ONE_LINE else f"{text[:ONE_LINE]}…"
            print(f"   {said.who}: {said.mark}: {shown}{f'  [{said.note}]' if said.note else ''}")


COLUMNS = (
    "route", "model", "bits per byte", "difference (95 %)", "exam accuracy", "cost to make", "per 1,000 answers", "break-even", "note",
)  # fmt: skip


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
