"""The arena: one prompt, two models without names side by side, a vote, and then who they were. A battle outlives a reload of its tab.

Before the vote nothing that comes to the browser tells the models apart: no name, no passage, no time, no cause of a failure. Answers
are plain text, as in the chat.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import MutableMapping
from dataclasses import asdict
from functools import partial
from typing import Any

from nicegui import app, ui

from luosi.serve.arena import Arena, Moved
from luosi.serve.battles import OUTCOMES, OWN, SIDES, Battle, Outcome
from luosi.serve.duel import Duel
from luosi.serve.prompts import MOST_CHARS, POOL, Prompt, draw, of_questions
from luosi.text.hashing import digest
from luosi.web.chat import SEND_ON_ENTER
from luosi.web.frame import View, nothing, say
from luosi.web.reveal import show_reveal
from luosi.web.running import Running, running
from luosi.web.sides import Sides
from luosi.web.source import Unreadable, ask

KEPT = "luosi_arena"
KEYS: dict[Outcome, str] = {"left": "1", "right": "2", "tie": "3", "both_bad": "4"}
PATIENCE_S = 60.0
"""For the browser on a busy machine; later it is a voter of this page alone."""


async def show(view: View) -> None:
    """Fill the page."""
    words, served = view.words, len(view.site.gateway.models)
    if served < 2:
        say("h1", words("arena"))
        nothing(
            words("arena_needs_two", count=served),
            words("arena_needs_two_hint"),
            "luosi serve MODEL MODEL --upstream NAME=URL",
        )
        return
    fight = Fight(view, await view.site.arena())
    with contextlib.suppress(TimeoutError):
        await ui.context.client.connected(timeout=PATIENCE_S)
    await fight.restore()


class Fight:
    """One tab's battles, one after the other."""

    def __init__(self, view: View, arena: Arena) -> None:
        self._view, self._words, self._arena, self._gateway = view, view.words, arena, view.site.gateway
        self._voter = self._session = ""
        self._kept: MutableMapping[str, Any] = {}
        self._battle: Battle | None = None
        self._pooled: Prompt | None = None
        self._busy = False
        self._known = asyncio.Event()
        words = self._words
        with ui.element("div").classes("heading"):
            say("h1", words("arena"))
            self._state = ui.label(words("arena_hint")).classes("meta").props("role=status")
            self._skip = ui.button(words("arena_skip"), on_click=self._next).props("flat no-caps dense")
        self._sides = Sides(words)
        self._reveal = ui.element("div").props("role=status")
        with ui.element("div").classes("dock"):
            self._build_dock()
        ui.label(words("generated")).classes("hint")
        ui.context.client.on_delete(self._leave)  # not at once: a phone in a tunnel comes back
        self._refresh()

    def _build_dock(self) -> None:
        words = self._words
        self._votes = ui.element("div").classes("votes").props(f'role=group aria-label="{words("arena_vote")}"')
        self._buttons: dict[Outcome, ui.button] = {}
        with self._votes:
            for outcome in OUTCOMES:
                with ui.button(on_click=partial(self._vote, outcome)) as button:
                    ui.label(words(f"vote_{outcome}"))
                    say("kbd", KEYS[outcome]).props("aria-hidden=true")
                button.props(f"outline no-caps data-vote={outcome} aria-keyshortcuts={KEYS[outcome]}")
                self._buttons[outcome] = button
        self._form = ui.element("form").classes("composer").on("submit", js_handler="(event) => event.preventDefault()")
        with self._form:
            self._input = ui.textarea(placeholder=words("message_hint")).props(
                f'outlined autogrow dense autofocus maxlength={MOST_CHARS} aria-label="{words("arena_prompt")}" input-style="max-height:30vh"'
            )
            self._input.on("keydown", lambda event: self._send(event.args), js_handler=SEND_ON_ENTER)
            self._input.on("keydown.escape", self._stop)
            self._send_button = ui.button(words("send"), on_click=self._send_or_stop).props("unelevated no-caps")
        self._draw_button = ui.button(words("arena_pool"), on_click=self._draw).props("flat no-caps dense")
        self._following = ui.button(words("arena_next"), on_click=self._next).props("unelevated no-caps data-next")
        self._notice = ui.label().classes("notice").props("role=alert")
        self._notice.set_visibility(False)

    async def restore(self) -> None:
        """Learn who votes, and show the battle that this tab was in; without a connection it is a voter of this page alone."""
        client, given = ui.context.client, None
        if client.has_socket_connection:
            with contextlib.suppress(TimeoutError):
                given = await ui.run_javascript("luosiVoter()", timeout=PATIENCE_S)
        known = given if isinstance(given, str) and 16 <= len(given) <= 64 else uuid.uuid4().hex
        self._voter = digest("voter", known).hex()[:16]  # who reads the log cannot vote as somebody else
        self._kept = app.storage.tab if client.has_socket_connection else {}
        about = self._kept.setdefault(KEPT, {"session": uuid.uuid4().hex[:16]})
        self._session = about["session"]
        if battle := about.get("battle"):
            await self._reopen(battle)
        self._known.set()
        self._refresh()
        if turn := running(self._battle):  # of the page before it was reloaded, or of a tab that was copied
            with contextlib.suppress(Unreadable):
                await self._watch(turn)

    async def _reopen(self, id: int) -> None:
        with contextlib.suppress(Unreadable):
            self._battle = await ask(self._arena.store.battle, id)
            if (
                not running(self._battle) and not self._battle.turns[-1].answers
            ):  # it may have ended while this was read
                self._battle = await ask(self._arena.store.battle, id)
            for number, turn in enumerate(self._battle.turns, 1):
                self._sides.add(turn)
                if number < len(self._battle.turns) or not running(self._battle):
                    self._sides.close(turn)
            self._view_from_here()
            self._end([Moved(**one) for one in self._kept[KEPT].get("moved", [])])

    def _remember(self, moved: list[Moved]) -> None:
        battle = self._battle.id if self._battle else None
        if self._kept:
            self._kept[KEPT] = {"session": self._session, "battle": battle, "moved": [asdict(one) for one in moved]}

    # One turn

    async def _send_or_stop(self) -> None:
        if running(self._battle):
            self._stop()
        else:
            await self._send(self._input.value)

    async def _send(self, text: Any) -> None:
        await self._known.wait()  # who types fast may be ahead of the browser's number
        if self._busy or not str(text or "").strip():
            return
        if running(self._battle):
            self._warn(self._words("arena_busy"))
            return
        self._busy = True
        self._warn("")
        try:
            await self._ask(str(text).strip())
            self._input.set_value("")
            self._view_from_here()
            await self._answer()
        except Unreadable as error:
            self._warn(str(error))
            await self._look_again()
        finally:
            self._busy = False
            self._refresh()

    async def _ask(self, text: str) -> None:
        pooled = self._pooled if self._pooled and self._pooled.text == text else None
        source = POOL + pooled.id if pooled else OWN
        if self._battle is None:
            topic = pooled.topic if pooled else ""
            self._battle = await ask(self._arena.begin, self._voter, self._session, text, source=source, topic=topic)
        else:
            self._battle = await ask(self._arena.ask, self._battle, text, source=source)
        self._pooled = None
        self._remember([])
        self._sides.add(self._battle.turns[-1])

    async def _answer(self) -> None:
        battle = self._battle
        if battle is None or self._sides.log.is_deleted:
            return  # the page went away while the pair was drawn
        duel = Duel(self._gateway, {side: battle.model(side) for side in SIDES}, battle.turns)
        await self._watch(Running(battle, duel, partial(ask, self._arena.answer, battle, down=duel.down)))

    async def _watch(self, turn: Running) -> None:
        self._refresh()
        self._battle = await turn.watch(self, self._sides.show)
        if not self._sides.log.is_deleted:
            self._sides.close(self._battle.turns[-1])
            self._end([])

    def _stop(self) -> None:
        if turn := running(self._battle):
            turn.stop()

    def _leave(self) -> None:
        if turn := running(self._battle):
            turn.leave(self)

    # The vote and what comes after

    async def _vote(self, outcome: Outcome) -> None:
        battle = self._battle
        if self._busy or battle is None or running(battle):
            return
        self._busy = True
        self._refresh()
        moved: list[Moved] = []
        try:
            self._battle, moved = await ask(self._arena.vote, battle.id, outcome)
        except Unreadable as error:  # voted on in another tab, or too late
            self._warn(str(error))
            await self._look_again()
        finally:
            self._busy = False
        self._remember(moved)
        self._end(moved)

    async def _look_again(self) -> None:
        """The battle may have ended elsewhere, or by its age."""
        with contextlib.suppress(Unreadable):
            known = await ask(self._arena.store.battle, self._battle.id) if self._battle else None
            if known is not None and not known.is_open:
                self._battle = known
                self._end([])

    def _end(self, moved: list[Moved]) -> None:
        """Say who they were, if the battle is over."""
        self._refresh()
        battle = self._battle
        self._reveal.clear()
        if battle is None or not self._over or self._reveal.is_deleted:
            return
        with self._reveal:
            show_reveal(self._view, battle, moved)
        self._reveal.client.run_javascript(f"luosiFocus({self._following.id}); luosiShow({self._reveal.id})")

    @property
    def _over(self) -> bool:
        """Voted on, or never to be."""
        return self._battle is not None and not running(self._battle) and not self._battle.is_open

    async def _next(self) -> None:
        if self._busy:
            return
        self._battle = None
        self._remember([])
        self._sides.log.clear()
        self._reveal.clear()
        self._warn("")
        self._refresh()
        self._input.run_method("focus")

    async def _draw(self) -> None:
        """Put a prompt of the pool into the field."""
        await self._known.wait()
        try:
            own = await ask(lambda: of_questions(self._view.site.workspace.feedback().questions()))
            found = draw([*self._view.site.prompts, *own], await ask(self._arena.store.asked, self._voter))
        except Unreadable as error:
            self._warn(str(error))
            return
        self._pooled = found
        self._warn("" if found else self._words("arena_pool_empty"))
        if found:
            self._input.set_value(found.text)
            self._input.run_method("focus")

    # How it looks

    def _warn(self, text: str) -> None:
        self._notice.text = text
        self._notice.set_visibility(bool(text))

    def _refresh(self) -> None:
        if self._sides.log.is_deleted:
            return
        words, battle = self._words, self._battle
        answering = running(battle) is not None
        votable = battle is not None and battle.can_be_voted and not answering
        for button in self._buttons.values():
            button.set_enabled(votable and not self._busy)
        self._votes.set_visibility(battle is not None and not self._over)
        self._form.set_visibility(not self._over)
        self._skip.set_visibility(battle is not None and not self._over and not answering)
        self._draw_button.set_visibility(battle is None)
        self._following.set_visibility(self._over)
        self._send_button.text = words("stop" if answering else "send")
        self._send_button.props(f"color={'negative' if answering else 'primary'}")
        key = "revealed" if self._over else "votable" if votable else "broken"
        key = "begin" if battle is None else "answering" if answering else key
        self._state.text = words(f"arena_state_{key}")

    def _view_from_here(self) -> None:
        """The keys vote only while nobody writes: the focus leaves the field, and the new turn comes into sight."""
        self._sides.log.client.run_javascript(f"luosiFocus({self._sides.log.id}); luosiLatest({self._sides.log.id})")
