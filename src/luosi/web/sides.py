"""The turns of a battle: each prompt, and below it both answers side by side, as plain text and under a letter."""

from __future__ import annotations

from nicegui import ui

from luosi.serve.battles import SIDES, Side, Turn
from luosi.serve.duel import Shown
from luosi.web.frame import say
from luosi.web.reveal import LETTERS
from luosi.web.words import Words


class Sides:
    """The log of one battle; its last turn grows while both answer."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self._bodies: dict[Side, ui.label] = {}
        self._notes: dict[Side, ui.label] = {}
        self.log = ui.element("div").classes("battle").props('tabindex="-1"')

    def add(self, turn: Turn) -> None:
        """A turn that is being answered."""
        words = self._words
        with self.log:
            ui.label(turn.prompt).classes("turn user")
            with ui.element("div").classes("pair"):
                for side in SIDES:
                    name = words("arena_side", letter=LETTERS[side])
                    with ui.element("article").classes("turn answer").props(f'aria-label="{name}"'):
                        say("h2", LETTERS[side]).classes("who")
                        self._bodies[side] = ui.label(words("arena_thinking")).classes("body waiting")
                        self._notes[side] = ui.label().classes("meta error")

    def show(self, shown: Shown) -> None:
        """What both have said up to now."""
        for side, text in shown.items():
            if text:
                self._bodies[side].classes(remove="waiting").text = text

    def close(self, turn: Turn) -> None:
        """Both have ended: their whole words, and in neutral ones what went wrong."""
        for side in SIDES:
            answer = turn.answers.get(side)
            text = answer.text if answer else ""
            self._bodies[side].classes(remove="waiting").text = text or self._words("no_words")
            end = "stopped" if answer is None else "cut" if answer.cut else answer.status
            self._notes[side].text = "" if end == "done" else self._words(f"arena_{end}")
            self._notes[side].classes(remove="error") if end == "cut" else None
