"""The verdict: the advice, the routes as a picture of quality against cost, what they cost at a volume, and side by side in a table;
below them every question of the race with its answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote, urlencode

from markupsafe import Markup
from nicegui import ui

from luosi.web import charts
from luosi.web.asked import show_questions
from luosi.web.figures import NONE, between, duration, large, measured, money, percent, points
from luosi.web.frame import View, choose_recipe, say, trouble
from luosi.web.routes import Named, named, recommended
from luosi.web.slider import show_slider
from luosi.web.source import Unreadable, ask_json
from luosi.web.tables import table, two_lines
from luosi.web.words import Words

FIRST = 4
"""Sentences of advice after the lead that are shown at once."""


async def show(view: View) -> None:
    """Fill the page."""
    recipe = await choose_recipe(view)
    if not recipe:
        return
    words = view.words
    try:
        verdict = await ask_json(view.site.workspace.verdict, recipe)
    except Unreadable as error:
        trouble(view, error)
        return
    routes = named(verdict["routes"], words)
    _advice(verdict["advice"], view, recipe)
    with ui.element("section").classes("card"):
        _picture(routes, words)
    show_slider(routes, words)
    with ui.element("section").classes("card"):
        _tables(routes, words, verdict.get("saved_share") or 0.0)
    await show_questions(view, recipe, routes)


def _tables(routes: Sequence[Named], words: Words, saved: float) -> None:
    say("h2", words("routes"))
    raced = any(route.get("arm") for route in routes)
    ui.html(routes_table(routes, words, "routes", ON_OWN if raced else BY_TEXT + MONEY)).classes("scroll")
    if saved:
        ui.label(words("saved_share", share=percent(saved))).classes("hint")
    if raced:
        with ui.element("details"):
            say("summary", words("by_text"))
            ui.html(routes_table(routes, words, "by_text", BY_TEXT)).classes("scroll")


def _advice(lines: Sequence[str | Mapping[str, str]], view: View, recipe: str) -> None:
    words = view.words
    lead, *rest = [words.sentence(line) for line in lines] or [""]
    with ui.element("section").classes("card advice"):
        say("h2", words("advice"))
        say("p", lead).classes("lead")
        _list(rest[:FIRST])
        if rest[FIRST:]:
            with ui.element("details"):
                say("summary", words("more_advice", count=len(rest[FIRST:])))
                _list(rest[FIRST:])
        with ui.element("div").classes("actions"):
            for form, key in (("html", "report"), ("pdf", "report_pdf")):
                query = urlencode({"recipe": recipe}, quote_via=quote)
                link = ui.link(words(key), f"/{words.language}/report.{form}?{query}", new_tab=True)
                link.classes("action")


def _list(lines: Sequence[str]) -> None:
    with ui.element("ul"):
        for line in lines:
            say("li", line)


def _picture(routes: Sequence[Named], words: Words) -> None:
    drawn = [quality for quality in charts.SCALE if any(route.get(quality) is not None for route in routes)] or ["bpb"]
    fields = {quality: words("exam" if quality == "accuracy" and "own" in drawn else quality) for quality in drawn}
    costs = {"cost_per_1000": words("per_1000"), "cost_to_make": words("to_make")}
    titles = {**fields, **costs, "level": words("level", name="{name}")}
    first = next((quality for quality in ("own", "bpb") if quality in fields), drawn[0])
    with ui.element("div").classes("heading"):
        say("h2", words("picture"))
        quality = ui.toggle(fields, value=first).props("no-caps unelevated")
        cost = ui.toggle(costs, value="cost_per_1000").props("no-caps unelevated")
    chart = ui.element("div")
    ui.html(key_of_signs(routes)).classes("key")
    missing = ui.label().classes("hint")

    def draw() -> None:
        options, absent = charts.routes(routes, quality.value, cost.value, titles)
        chart.clear()
        with chart:
            ui.echart(options).classes("chart tall").props(f'role=img aria-label="{words("picture")}"')
        names = ", ".join(route.full for route in absent)
        missing.text = words("not_drawn", names=names) if absent else ""

    draw()
    quality.on_value_change(draw)
    cost.on_value_change(draw)
    ui.label(words("picture_hint")).classes("hint")


def key_of_signs(routes: Sequence[Named]) -> Markup:
    """Which letter is which route."""
    line = Markup("<li>{} {} <small>{}</small></li>")
    return Markup("<ul>{}</ul>").format(
        Markup("").join(
            line.format(route.sign.html, route.name, route.row["model"] if route.name != route.row["model"] else "")
            for route in routes
        )
    )


def routes_table(routes: Sequence[Named], words: Words, name: str, columns: Sequence[str]) -> Markup:
    """One row a route; a score stands with its error or not at all."""
    heads = [words(head) for head in ("route", *columns)]
    return table(words(name), heads, [_row(route, words, columns) for route in routes])


def _row(route: Named, words: Words, columns: Sequence[str]) -> list[str]:
    name = route.sign.html + " " + two_lines(route.name, route.small) + recommended(route, words)
    return [name, *(COLUMNS[column](route, words) for column in columns)]


def _own(route: Named, words: Words) -> str:
    if route.get("own") is None:
        return words("not_measured")
    return two_lines(percent(route.get("own")), between(route.get("own_low"), route.get("own_high")))


def _own_difference(route: Named, words: Words) -> str:
    interval = between(route.get("own_difference_low"), route.get("own_difference_high"), signed=True)
    return two_lines(points(route.get("own_difference")), interval)


def _quality(field: str) -> Callable[[Named, Words], str]:
    def cell(route: Named, words: Words) -> str:
        if route.get(field) is None:
            return words("not_measured")
        return measured(route.get(field), route.get(f"{field}_se"), percent=field == "accuracy")

    return cell


def _bits_difference(route: Named, words: Words) -> str:
    low, high, middle = (route.get(f"difference{end}") for end in ("_low", "_high", ""))
    interval = "" if low is None or high is None else f"{low:+.3f} … {high:+.3f}".replace("-", "−")
    return two_lines(NONE if middle is None else f"{middle:+.3f}".replace("-", "−"), interval)


def _latency(route: Named, words: Words) -> str:
    half, most = route.get("latency_s"), route.get("latency_p90_s")
    return two_lines(duration(half), words("ninety", time=duration(most)) if most is not None else "")


def _leaves(route: Named, words: Words) -> str:
    leaves = route.get("leaves_house")
    return NONE if leaves is None or route.get("route") == "baseline" else words("yes" if leaves else "no")


def _break_even(route: Named, words: Words) -> str:
    answers = route.get("break_even_answers")
    return NONE if answers is None else words("answers", count=f"{answers:,.0f}")


def _asked(route: Named, words: Words) -> str:
    if not route.get("arm"):
        return NONE
    why = Markup('<small class="why">{}</small>').format(words.stopped(route.get("stopped") or ""))
    return Markup("<span>{}</span>{}").format(route.get("asked"), why)


COLUMNS: dict[str, Callable[[Named, Words], str]] = {
    "own": _own,
    "own_difference": _own_difference,
    "asked": _asked,
    "bpb": _quality("bpb"),
    "accuracy": _quality("accuracy"),
    "difference": _bits_difference,
    "latency": _latency,
    "joules": lambda route, words: large(route.get("energy_j"), "J"),
    "leaves": _leaves,
    "to_make": lambda route, words: money(route.get("cost_to_make")),
    "per_1000": lambda route, words: money(route.get("cost_per_1000")),
    "break_even": _break_even,
}
"""Heading -> the cell of a route."""
BY_TEXT = ("bpb", "accuracy", "difference")
MONEY = ("to_make", "per_1000", "break_even")
ON_OWN = ("own", "own_difference", "asked", "latency", "joules", "leaves", *MONEY)
