"""The leaderboard of the arena: who is ahead and how surely, what it rests on, and what it costs; new after every vote of anybody."""

from __future__ import annotations

from nicegui import ui

from luosi.serve.arena import ALL, Arena, Board
from luosi.web import standings
from luosi.web.frame import View, nothing, say, trouble
from luosi.web.source import Unreadable, ask
from luosi.web.worth import WorthCard

LOOK_S = 2.0


async def show(view: View) -> None:
    """Fill the page."""
    words = view.words
    with ui.element("div").classes("heading"):
        say("h1", words("leaderboard"))
        ui.link(words("download_csv"), "/arena/votes.csv").classes("action").props("download")
        ui.link(words("download_battles"), "/arena/votes.jsonl").classes("action").props("download")
    try:
        arena = await view.site.arena()
        shown = Shown(view, arena, await ask(arena.board, view.category or ALL))
    except Unreadable as error:
        trouble(view, error)
        return
    await shown.draw()
    ui.timer(LOOK_S, shown.look)


class Shown:
    """The page of one category; `look` draws what is new."""

    def __init__(self, view: View, arena: Arena, board: Board) -> None:
        self._view, self._words, self._arena = view, view.words, arena
        self._category = view.category or ALL
        words = self._words
        self._kinds = ui.html("")
        self._summary = ui.label().classes("summary").props("role=status")
        self._none = ui.element("div")
        self._trouble = ui.label().classes("notice")
        with ui.element("section").classes("card") as self._card:
            self._tables = ui.html("").classes("scroll")
            ui.label(words("leaderboard_hint")).classes("hint")
        self._worth = WorthCard(view)
        with ui.element("section").classes("card") as self._trust:
            say("h2", words("trust"))
            self._facts = ui.element("dl").classes("facts")
        with ui.element("section").classes("card") as self._more:
            self._entries = self._folded("every_entry", "every_entry_hint")
            self._pairs = self._folded("how_drawn", "how_drawn_hint")
            self._folded("method", "method_text")
        self._board = board

    def _folded(self, title: str, hint: str) -> ui.html:
        with ui.element("details"):
            say("summary", self._words(title))
            ui.label(self._words(hint)).classes("hint")
            return ui.html("").classes("scroll")

    async def look(self) -> None:
        """Draw again, if there is news."""
        try:
            board = await ask(self._arena.board, self._category)
        except Unreadable:
            return  # the next look may do
        if board is not self._board:
            self._board = board
            await self.draw()

    async def draw(self) -> None:
        """Draw the board, and what it is worth."""
        self._draw()
        await self._worth.draw(self._board)

    def _draw(self) -> None:
        board, words = self._board, self._words
        links = {
            category: self._view.link(category="" if category == ALL else category) for category, _ in board.categories
        }
        self._kinds.set_content(
            standings.categories(board, self._category, links, words) if board.votes or board.number else ""
        )
        self._summary.text = standings.summary(board, words)
        self._none.clear()
        if not board.votes:
            with self._none:
                nothing(words("no_votes"), words("no_votes_hint"), f"/{words.language}/arena")
        self._trouble.text = board.trouble
        self._trouble.set_visibility(bool(board.trouble))
        self._tables.set_content(standings.islands(board, words))
        self._card.set_visibility(board.told is not None)
        self._facts.clear()
        with self._facts:
            for name, sentence in standings.trust(board, words):
                say("dt", words(f"trust_{name}"))
                say("dd", sentence)
        self._trust.set_visibility(board.told is not None)
        self._entries.set_content(standings.entries(board, words))
        self._pairs.set_content(standings.pairs(board, words))
        self._more.set_visibility(bool(board.begun))
