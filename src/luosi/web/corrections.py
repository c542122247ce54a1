"""What people corrected, where and when, and what becomes of each: a question, a pair to train on, or nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import get_args

from nicegui import events, ui

from luosi.serve.corrections import Correction, Use
from luosi.serve.feedback import Feedback
from luosi.web.frame import View, attempt, say
from luosi.web.source import ask

PER_PAGE = 25


class Corrections:
    """The list, the latest first; `changed` is awaited after a use was changed, for the questions may be others then."""

    def __init__(self, view: View, feedback: Feedback, changed: Callable[[], Awaitable[None]]) -> None:
        self._view, self._words, self._feedback, self._changed = view, view.words, feedback, changed
        with ui.element("section").classes("card"):
            say("h2", self._words("corrections"))
            ui.label(self._words("corrections_hint")).classes("hint")
            self._list = ui.element("div").classes("questions")
            self._pages = ui.pagination(1, 1, direction_links=True, on_change=self._draw).props("max-pages=7")

    async def load(self) -> None:
        """Read them again and draw them.

        Raises:
            Unreadable: They could not be read.
        """
        self._shown: list[Correction] = (await ask(self._feedback.corrections))[::-1]
        self._pages.max = max(1, -(-len(self._shown) // PER_PAGE))
        self._pages.set_visibility(self._pages.max > 1)
        self._draw()

    def _draw(self) -> None:
        begin = (int(self._pages.value or 1) - 1) * PER_PAGE
        self._list.clear()
        with self._list:
            for one in self._shown[begin : begin + PER_PAGE]:
                self._line(one)
            if not self._shown:
                ui.label(self._words("no_corrections"))

    def _line(self, one: Correction) -> None:
        words = self._words
        where = words(f"from_{one.place}", what=one.recipe or one.model or words("unknown"))
        with ui.element("article").classes("own"):
            with ui.element("div"):
                say("p", one.question).classes("prompt")
                if one.given:
                    say("p", one.given).classes("said struck")
                say("p", one.corrected).classes("said")
                say("p", f"{where} · {one.time[:16].replace('T', ' ')} UTC").classes("meta")
            uses = {use: words(f"use_{use}") for use in get_args(Use) if use != "pair" or one.place == "chat"}
            choice = ui.select(uses, value=one.use, label=words("used_as")).props("outlined dense").classes("use")
            choice.on_value_change(partial(self._use, one))

    async def _use(self, one: Correction, event: events.ValueChangeEventArguments) -> None:
        if await attempt(self._view, self._feedback.set_use, one.id, event.value):
            await self._changed()
        await self.load()
