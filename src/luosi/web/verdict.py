"""The verdict: the routes side by side as a table, as a picture of quality against cost, and the advice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup
from nicegui import ui

from luosi.web import charts
from luosi.web.figures import NONE, measured, money
from luosi.web.frame import View, choose_recipe, say, trouble
from luosi.web.source import Unreadable, ask
from luosi.web.tables import table, two_lines
from luosi.web.words import Words


async def show(view: View) -> None:
    """Fill the page."""
    recipe = await choose_recipe(view)
    if not recipe:
        return
    words = view.words
    try:
        verdict = await ask(view.site.workspace.verdict, recipe)
    except Unreadable as error:
        trouble(view, error)
        return
    with ui.element("section").classes("card advice"):
        say("h2", words("advice"))
        with ui.element("ul"):
            for line in verdict["advice"]:
                say("li", line)
    with ui.element("section").classes("card"):
        _picture(verdict["routes"], words)
    with ui.element("section").classes("card"):
        say("h2", words("routes"))
        ui.html(routes_table(verdict["routes"], words)).classes("scroll")


def _picture(rows: Sequence[Mapping[str, Any]], words: Words) -> None:
    fields = {"bpb": words("bpb"), "accuracy": words("accuracy")}
    costs = {"cost_per_1000": words("per_1000"), "cost_to_make": words("to_make")}
    titles = {**fields, **costs, "level": words("level", name="{name}")}
    with ui.element("div").classes("heading"):
        say("h2", words("picture"))
        quality = ui.toggle(fields, value="bpb").props("no-caps unelevated")
        cost = ui.toggle(costs, value="cost_per_1000").props("no-caps unelevated")
    chart = ui.element("div")
    missing = ui.label().classes("hint")

    def draw() -> None:
        options, absent = charts.routes(rows, quality.value, cost.value, titles)
        chart.clear()
        with chart:
            ui.echart(options).classes("chart tall").props(f'role=img aria-label="{words("picture")}"')
        missing.text = words("not_drawn", names=", ".join(absent)) if absent else ""

    draw()
    quality.on_value_change(draw)
    cost.on_value_change(draw)
    ui.label(words("picture_hint")).classes("hint")


def routes_table(rows: Sequence[Mapping[str, Any]], words: Words) -> Markup:
    """One row a route; a score stands with its standard error or not at all."""
    heads = [words(key) for key in ("model", "bpb", "accuracy", "difference", "to_make", "per_1000", "break_even")]
    return table(words("routes"), heads, [_row(row, words) for row in rows])


def _row(row: Mapping[str, Any], words: Words) -> Sequence[str]:
    low, high = row.get("difference_low"), row.get("difference_high")
    interval = "" if low is None or high is None else f"{low:+.3f} … {high:+.3f}".replace("-", "−")
    difference = NONE if row.get("difference") is None else f"{row['difference']:+.3f}".replace("-", "−")
    answers = row.get("break_even_answers")
    return [
        two_lines(row["model"], f"{row['route']}: {row['note']}" if row.get("note") else row["route"]),
        words("not_measured") if row["bpb"] is None else measured(row["bpb"], row["bpb_se"]),
        words("not_measured")
        if row["accuracy"] is None
        else measured(row["accuracy"], row["accuracy_se"], percent=True),
        two_lines(difference, interval),
        money(row["cost_to_make"]),
        money(row["cost_per_1000"]),
        NONE if answers is None else words("answers", count=f"{answers:,.0f}"),
    ]
