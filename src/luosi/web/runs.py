"""Runs: the chain as a picture, the step that was clicked or runs, its progress and curves; looks again every other second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nicegui import ui

from luosi.web import curves
from luosi.web.chain import draw, progress
from luosi.web.figures import duration, money, short
from luosi.web.frame import View, choose_recipe, say, trouble
from luosi.web.source import Unreadable, ask_json

LOOK_S = 2.0


def left(step: Mapping[str, Any]) -> float | None:
    """Seconds a step still needs: as its log tells, else by the plan; None if neither is known."""
    if step["state"] == "hit":
        return 0.0
    if step.get("left_s") is not None:
        return float(step["left_s"])
    planned = step.get("planned_s")
    return None if planned is None else float(planned * (1 - progress(step)))


async def show(view: View) -> None:
    """Fill the page and keep it fresh."""
    recipe = await choose_recipe(view)
    if not recipe:
        return
    try:
        state = await ask_json(view.site.workspace.state, recipe)
    except Unreadable as error:
        trouble(view, error)
        return
    Board(view, recipe, state)


class Board:
    """The page's moving parts."""

    def __init__(self, view: View, recipe: str, state: Mapping[str, Any]) -> None:
        self._view, self._words, self._recipe = view, view.words, recipe
        self._drawn = ""
        self._steps: Sequence[Mapping[str, Any]] = state["steps"]
        self._chosen = _interesting(self._steps)
        self._plots: dict[str, Any] = {}
        with ui.element("section").classes("card"):
            self._summary = ui.label().classes("summary").props("aria-live=polite")
            self._command = ui.label().classes("command")
            self._picture = ui.html("").classes("scroll")
        with ui.element("section").classes("card").props("aria-live=off"):
            self._detail = ui.element("div").classes("detail")
        ui.on("luosi_step", lambda event: self._choose(event.args))
        self._timer = ui.timer(LOOK_S, self._look)
        self._refresh()
        self._show_step()

    async def _look(self) -> None:
        try:
            self._steps = (await ask_json(self._view.site.workspace.state, self._recipe))["steps"]
        except Unreadable as error:
            self._summary.text = self._words("failed_to_read", why=str(error))
            return
        self._refresh()
        self._update_step()

    def _refresh(self) -> None:
        words, steps = self._words, self._steps
        picture = str(draw([{**step, "done": 0} for step in steps], words, self._recipe))
        if picture != self._drawn:  # drawn anew only when a state changes: it would lose the keyboard's focus
            self._drawn = picture
            self._picture.set_content(picture)
        shares = [round(progress(step), 3) for step in steps]
        chosen = next((number for number, step in enumerate(steps) if step["step"] == self._chosen), -1)
        ui.run_javascript(f"luosiShares({shares}, {chosen})")
        done = sum(step["state"] == "hit" for step in steps)
        text = words("summary", done=done, count=len(steps))
        ahead = [left(step) for step in steps]
        running = any(step["state"] == "running" for step in steps)
        if running and all(seconds is not None for seconds in ahead):
            text += " · " + words("remaining", time=duration(sum(seconds or 0 for seconds in ahead)))
        idle = not running and done < len(steps)
        self._summary.text = f"{text} · {words('nothing_runs')}" if idle else text
        self._command.text = f"luosi run {self._recipe}"
        self._command.set_visibility(idle)

    def _choose(self, number: object) -> None:
        if isinstance(number, int) and 0 <= number < len(self._steps):
            self._chosen = self._steps[number]["step"]
            self._refresh()
            self._show_step()

    def _show_step(self) -> None:
        step = next((one for one in self._steps if one["step"] == self._chosen), None)
        if step is None:
            return
        words = self._words
        self._detail.clear()
        with self._detail:
            say("h2", step["step"])
            self._facts = ui.element("dl").classes("facts")
            self._bar = ui.linear_progress(progress(step), show_value=False, size="8px").props(
                f'aria-label="{words("progress")}"'
            )
            self._plots = {}
            with ui.element("div").classes("curves"):
                for name, points in curves.drawn(step["metrics"]).items():
                    self._plots[name] = ui.echart(self._curve(name, points, step)).classes("chart")
                    self._plots[name].props(f'role=img aria-label="{words.metric(name)}"')
            if not self._plots:
                ui.label(words("no_curves")).classes("hint")
        self._fill_facts(step)

    def _update_step(self) -> None:
        step = next((one for one in self._steps if one["step"] == self._chosen), None)
        if step is None:
            return
        shown = curves.drawn(step["metrics"])
        if set(shown) != set(self._plots):
            self._show_step()
            return
        self._fill_facts(step)
        self._bar.set_value(progress(step))
        for name, points in shown.items():
            series = self._curve(name, points, step)["series"]
            if series != self._plots[name].options["series"]:
                self._plots[name].options["series"] = series
                self._plots[name].update()

    def _curve(self, name: str, points: curves.Points, step: Mapping[str, Any]) -> dict[str, Any]:
        words = self._words
        return curves.curve(words.metric(name), points, words.metric(step["unit"]), words("smoothed"))

    def _fill_facts(self, step: Mapping[str, Any]) -> None:
        words = self._words
        amount = f"{short(step['done'])} / {short(step['total'])} {words.metric(step['unit'])}"
        rate = amount if step["total"] else words("unknown")
        ahead = left(step)
        if step["state"] == "running" and ahead is not None:
            rate += " · " + words("remaining", time=duration(ahead))
        now = [words.figure(name, value) for name, value in curves.now(step["metrics"]).items()]
        spent = [duration(step["spent_s"])] if step.get("spent_s") else []
        spent += [money(step["money"])] if step.get("money") else []
        facts = {
            "state": words.state(step["state"]), "stage": step["stage"], "key": step["key"],
            "inputs": ", ".join(step["inputs"]) or words("none"), "progress": rate,
            "now": " · ".join(now), "spent_so_far": " · ".join(spent),
            "attempts": str(step.get("attempts", "")), "why": step.get("why", ""), "message_of_step": step["message"],
        }  # fmt: skip
        self._facts.clear()
        with self._facts:
            for key, text in facts.items():
                if text:
                    say("dt", words(key))
                    say("dd", text)


def _interesting(steps: Sequence[Mapping[str, Any]]) -> str:
    for states in (("running",), ("failed", "killed"), ("hit",)):
        found = [step for step in steps if step["state"] in states]
        if found:
            return str(next((step for step in found[::-1] if curves.drawn(step["metrics"])), found[-1])["step"])
    return str(steps[0]["step"]) if steps else ""
