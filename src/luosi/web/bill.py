"""The bill: planned beside spent for each step of a recipe, in total, and what answers were served for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup
from nicegui import ui

from luosi.ledger.learning import MOST_RUNS
from luosi.serve.accounts import Total
from luosi.web.figures import NONE, duration, large, money, share
from luosi.web.frame import View, choose_recipe, say, trouble
from luosi.web.source import Unreadable, ask, ask_json
from luosi.web.tables import badge, table, two_lines
from luosi.web.words import Words


async def show(view: View) -> None:
    """Fill the page."""
    recipe = await choose_recipe(view)
    if recipe:
        try:
            bill = await ask_json(view.site.workspace.bill, recipe)
            _tiles(bill["total"], view.words)
            with ui.element("section").classes("card"):
                ui.html(steps_table(bill, view.words)).classes("scroll")
                ui.label(view.words("bill_hint")).classes("hint")
                if bill.get("learned"):
                    ui.label(_learned(bill["learned"], view.words)).classes("hint")
                if bill.get("variation") is not None:
                    ui.label(view.words("variation", share=f"{bill['variation']:.0%}")).classes("hint")
        except Unreadable as error:
            trouble(view, error)
    accounts = view.site.gateway.accounts
    totals = await ask(accounts.totals) if accounts else []
    if totals:
        with ui.element("section").classes("card"):
            say("h2", view.words("served"))
            ui.html(served_table(totals, view.words)).classes("scroll")


def _learned(rows: Sequence[Mapping[str, Any]], words: Words) -> str:
    """How far off the plans were, by what they had learned from."""
    told = [
        words("learned_after", error=f"{row['error']:.0%}", runs=row["runs"], steps=row["builds"])
        for row in rows[:MOST_RUNS]
    ]
    return words("learned", told=", ".join(told))


def _tiles(total: Mapping[str, Any], words: Words) -> None:
    planned, spent = total.get("planned"), total["spent"]
    figures = {
        "planned": (duration(planned["seconds"]["p50"]), money(planned["money"])) if planned else (NONE, NONE),
        "spent": (duration(spent["seconds"]), money(spent["money"])),
        "error": (share(total.get("error")), ""),
    }
    with ui.element("section").classes("tiles"):
        for key, (main, small) in figures.items():
            with ui.element("div").classes("card tile"):
                for tag, text in (("small", words(key)), ("strong", main), ("span", small)):
                    say(tag, text)


def steps_table(bill: Mapping[str, Any], words: Words) -> Markup:
    """One row a step, the sum below."""
    both = [f"{words(what)} · {words(when)}" for what in ("time", "money") for when in ("planned", "spent")]
    heads = [words("step"), words("state"), *both[:2], words("error"), *both[2:]]
    heads += [words("energy"), words("work"), words("attempts")]
    return table(words("bill"), heads, [_row(line, words) for line in bill["steps"]], _row(bill["total"], words))


def _row(line: Mapping[str, Any], words: Words) -> Sequence[str]:
    planned, spent = line.get("planned"), line.get("spent") or {}
    begun = bool(line.get("attempts"))
    seconds = planned["seconds"] if planned else {}
    state = line.get("state", "")
    killed = line.get("killed", 0)
    count = str(line["attempts"])
    return [
        two_lines(words("total") if line["step"] == "total" and not line["stage"] else line["step"], line["stage"]),
        badge(state, words.state(state)) if state else "",
        two_lines(duration(seconds["p50"]), f"{duration(seconds['p10'])} … {duration(seconds['p90'])}")
        if planned
        else NONE,
        two_lines(duration(spent.get("seconds")), words("disturbed") if line.get("loaded") else "") if begun else NONE,
        share(line.get("error")),
        money(planned["money"]) if planned else NONE,
        money(spent.get("money")) if begun else NONE,
        large(spent.get("joules"), "J") if begun else NONE,
        large(spent.get("flop"), "FLOP") if begun else NONE,
        words("killed_attempts", count=count, killed=killed) if killed else count,
    ]


def served_table(totals: Sequence[Total], words: Words) -> Markup:
    """What each served model's requests add up to."""
    heads = [words(key) for key in ("model", "requests", "prompt_tokens", "completion_tokens", "money", "unreported")]
    rows = [
        [
            total.model,
            f"{total.requests:,}",
            f"{total.prompt_tokens:,}",
            f"{total.completion_tokens:,}",
            words("unknown") if total.nano is None else money({"nano": total.nano, "currency": total.currency}),
            f"{total.unreported:,}",
        ]
        for total in totals
    ]
    return table(words("served"), heads, rows)
