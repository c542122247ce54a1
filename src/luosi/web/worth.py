"""Quality against money on the leaderboard: the picture, how many answers a month, a budget, and the one line that says what to take."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from nicegui import ui

from luosi.cost import Money, parse_money
from luosi.errors import LuosiError, UsageError
from luosi.serve.arena import Board
from luosi.web.frame import View, say
from luosi.web.slider import VALUE
from luosi.web.source import Unreadable, ask

if TYPE_CHECKING:
    from luosi.api.worth import Judged
    from luosi.plan.worth import Worth
    from luosi.plan.worth_words import Language

VOLUMES = (*(step * 10**power for power in range(2, 8) for step in (1, 2, 3, 5, 7)), 10**8)
"""Answers a month that the slider stops at."""
START = VOLUMES.index(10_000)


class WorthCard:
    """A card that shows nothing until votes and prices are known."""

    def __init__(self, view: View) -> None:
        self._view, self._words = view, view.words
        self._judged: Judged | None = None
        self._place, self._budget = START, ""
        self._asked = 0
        words = self._words
        with ui.element("section").classes("card") as self._card:
            say("h2", words("worth"))
            with ui.element("div").classes("asked"):
                with ui.element("div"):
                    self._volume = ui.label().classes("big")
                    self._slider = ui.element("input").classes("range")
                    self._slider.props(
                        f'type=range min=0 max={len(VOLUMES) - 1} defaultValue={START} aria-label="{words("answers_a_month")}"'
                    )
                self._field = ui.input(label=words("budget_a_month"), placeholder="50 USD").props(
                    "outlined dense clearable maxlength=30"
                )
            self._said = ui.label().classes("lead").props("role=status")
            self._picture = ui.html("")
            self._figures = ui.html("")
            self._notes = ui.label().classes("hint notes")
        self._slider.on("input", lambda event: self._move(int(event.args)), js_handler=VALUE, throttle=0.1)
        self._field.on_value_change(lambda event: self._limit(event.value))
        self._card.set_visibility(False)

    async def draw(self, board: Board) -> None:
        """Take the ranking and today's money."""
        self._judged = None
        trouble = ""
        if board.ranking is not None:
            try:
                self._judged = await ask(self._view.site.workspace.worth, board.ranking)
            except Unreadable as error:
                trouble = str(error)
        self._card.set_visibility(self._judged is not None or bool(trouble))
        self._said.text = trouble
        await self._answer()

    async def _move(self, place: int) -> None:
        self._place = min(max(place, 0), len(VOLUMES) - 1)
        await self._answer()

    async def _limit(self, text: Any) -> None:
        self._budget = str(text or "").strip()
        await self._answer()

    async def _answer(self) -> None:
        self._asked += 1
        asked, judged = self._asked, self._judged
        words, answers = self._words, VOLUMES[self._place]
        self._volume.text = words("answers_a_month_now", count=f"{answers:,}")
        self._slider.props(f'aria-valuetext="{self._volume.text}"')
        if judged is None:
            self._picture.set_content("")
            self._figures.set_content("")
            return
        from luosi.web.frontier import figures, pictures

        limit = self._budget
        try:
            found, line = await asyncio.to_thread(_found, judged, answers, limit, words.language)
        except LuosiError as error:
            self._said.text = str(error)
            return
        if asked != self._asked:
            return  # asked for something else meanwhile
        self._said.text = words("budget_unread", text=limit[:30]) if limit and found.budget is None else line
        self._picture.set_content(pictures(found, words))
        self._figures.set_content(figures(found, words))
        self._notes.text = "\n".join(judged.told(found, words.language))


def _found(judged: Judged, answers: int, limit: str, language: Language) -> tuple[Worth, str]:
    """The answer within a limit, if it can be read, and its one line: both take long for thousands of models."""
    found = judged.worth(answers_per_month=answers)
    if budget := budget_of(limit, found.currency):
        found = judged.worth(answers_per_month=answers, budget=budget)
    return found, found.line(language)


def budget_of(text: str, currency: str) -> Money | None:
    """The amount of "50", "50 USD" or "0.5cny" as `luosi worth` reads it; None for anything else, and for nothing.

    >>> budget_of("50", "USD"), budget_of("fifty", "USD")
    (Money(nano=50000000000, currency='USD'), None)
    """
    try:
        found = parse_money(text, currency=currency)
    except UsageError:
        return None
    return found if found.nano else None
