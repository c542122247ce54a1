"""The slider of questions a day, and what it moves: each route's cost at that volume, and which is cheapest there."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup
from nicegui import ui

from luosi.cost import Money
from luosi.web.figures import NONE, money, percent
from luosi.web.frame import say
from luosi.web.routes import Named, best, recommended
from luosi.web.tables import badge, table, two_lines
from luosi.web.volume import VOLUMES, Costs, cheapest, costs
from luosi.web.words import Words

START = VOLUMES.index(30)
VALUE = "(event) => emit(Number(event.target.value))"


def show_slider(routes: Sequence[Named], words: Words) -> None:
    """A card with the slider; nothing where no price is known."""
    if not any(line.year for line in costs(routes, 1)):
        return
    with ui.element("section").classes("card"):
        say("h2", words("volume"))
        now = ui.label().classes("big")
        slider = ui.element("input").classes("range")  # Quasar's slider gives its focus to an element without a role
        slider.props(f'type=range min=0 max={len(VOLUMES) - 1} defaultValue={START} aria-label="{words("per_day")}"')
        said = ui.label().classes("summary").props("aria-live=polite")
        figures = ui.html("").classes("scroll")
        ui.label(words("volume_hint")).classes("hint")

    def move(place: int) -> None:
        per_day = VOLUMES[min(max(place, 0), len(VOLUMES) - 1)]
        now.text = words("per_day_now", count=f"{per_day:,}")
        slider.props(f'aria-valuetext="{now.text}"')
        lines = costs(routes, per_day)
        said.text = cheapest_sentences(lines, per_day, words)
        figures.set_content(volume_table(lines, words))

    move(START)
    slider.on("input", lambda event: move(int(event.args)), js_handler=VALUE, throttle=0.05)


def cheapest_sentences(lines: Sequence[Costs], per_day: int, words: Words) -> str:
    """Which route is cheapest at this volume and how good it is, and what the best one costs."""
    line = cheapest(lines)
    if line is None:
        return ""
    said = [words("cheapest_is", count=f"{per_day:,}", name=line.route.full, money=_shown(line.year))]
    top = best([one.route for one in lines])
    own = line.route.get("own")
    said.append(words("no_quality") if own is None else words("cheapest_right", share=percent(own)))
    if top is not None and top is not line.route:
        year = next(one.year for one in lines if one.route is top)
        said.append(words("best_is", name=top.full, share=percent(top.get("own")), money=_shown(year)))
    elif top is not None:
        said.append(words("best_too"))
    return words.text(said)


def volume_table(lines: Sequence[Costs], words: Words) -> Markup:
    """One row a route: cost a month and in the first year, and from which volume on it is cheaper than renting."""
    least = cheapest(lines)
    heads = [words(key) for key in ("route", "own", "month", "year", "pays_from")]
    raced = any(line.route.get("own") is not None for line in lines)
    rows = [_row(line, line is least, words) for line in lines]
    keep = [0, *([1] if raced else []), 2, 3, 4]
    return table(words("volume"), [heads[n] for n in keep], [[row[n] for n in keep] for row in rows])


def _row(line: Costs, least: bool, words: Words) -> list[str]:
    route = line.route
    busy = words("machines", count=f"{line.machines:,}") if line.machines and line.machines > 1 else ""
    year = _shown(line.year) + " " + badge("hit", words("cheapest")) if least else _shown(line.year)
    pays = NONE
    if line.route.get("route") != "rent" and line.year is not None and line.rented:
        pays = words("never") if line.pays_from is None else words("a_day", count=f"{line.pays_from:,}")
    name = route.sign.html + " " + two_lines(route.name, busy) + " " + recommended(route, words)
    return [name, percent(route.get("own")), _shown(line.month), year, pays]


def _shown(amount: Money | None) -> str:
    return money(amount.model_dump() if amount else None)
