"""Chat with the served models: streamed, stoppable, with speed and cost under each answer; kept for the browser's tab over reloads."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import MutableMapping
from typing import Any

from nicegui import app, ui

from luosi.errors import LuosiError
from luosi.serve.wire import ApiError
from luosi.web.frame import View, nothing, say
from luosi.web.reply import MAX_TOKENS, Reply

TURNS = "luosi_chat"
MAX_TURNS = 200
"""Older ones are forgotten when the page is loaded again."""
SEND_ON_ENTER = """(event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); emit(event.target.value); }
}"""


async def show(view: View) -> None:
    """Fill the page."""
    if view.site.gateway.models:
        chat = Chat(view)
        await ui.context.client.connected()
        chat.restore()
    else:
        say("h1", view.words("chat"))
        nothing(view.words("no_models"), view.words("no_models_hint"), "luosi serve MODEL")


class Chat:
    """One conversation: turns as `Reply` keeps them, which the tab's store holds once the browser is there."""

    def __init__(self, view: View) -> None:
        self._view, self._gateway, self._words = view, view.site.gateway, view.words
        self._turns: list[dict[str, Any]] = []
        self._store: MutableMapping[str, Any] | None = None
        self._answering: asyncio.Task[None] | None = None
        words = self._words
        names = list(self._gateway.models)
        with ui.element("div").classes("heading"):
            say("h1", words("chat"))
            self._model = ui.select(names, value=names[0], label=words("model")).props("outlined dense").classes("pick")
            self._state = ui.label().classes("badge").props("aria-live=polite")
            self._fresh = ui.button(words("new_chat"), on_click=self._forget).props("flat no-caps dense")
        self._log = ui.element("div").classes("log").props('role=log aria-live=polite tabindex="0"')
        with ui.element("form").classes("composer").on("submit", js_handler="(event) => event.preventDefault()"):
            self._input = ui.textarea(placeholder=words("message_hint")).props(
                f'outlined autogrow dense autofocus aria-label="{words("message")}" input-style="max-height:40vh"'
            )
            self._input.on("keydown", lambda event: self._send(event.args), js_handler=SEND_ON_ENTER)
            self._input.on("keydown.escape", self._stop)
            self._button = ui.button(words("send"), on_click=self._send_or_stop).props("unelevated no-caps")
        ui.label(words("generated")).classes("hint")
        self._model.on_value_change(self._greet)
        ui.timer(2.0, self._show_state)
        self._show_state()
        self._greet()
        ui.context.client.on_disconnect(self._stop)

    def _show_state(self) -> None:
        state = self._gateway.models[self._model.value].upstream.state
        self._state.text = self._words(f"state_{state}")
        self._state.classes(replace=f"badge {state}")

    def _greet(self) -> None:
        self._show_state()
        if not self._turns:
            self._log.clear()
            with self._log, ui.element("div").classes("greeting"):
                ui.label(self._words("greeting", model=self._model.value)).classes("big")
                ui.label(self._words("greeting_more")).classes("hint")

    def restore(self) -> None:
        """Show what this tab has talked about before, and remember from now on."""
        if not ui.context.client.has_socket_connection:
            return  # it left before it came
        self._store = app.storage.tab
        self._turns = [dict(turn) for turn in self._store.get(TURNS, [])[-MAX_TURNS:]] + self._turns
        if self._turns:
            self._log.clear()
            last = self._turns[-1]["model"]
            self._model.value = last if last in self._gateway.models else self._model.value
        with self._log:
            for turn in self._turns:
                self._show_turn(turn)
        self._scroll()

    def _show_turn(self, turn: dict[str, Any]) -> Reply:
        ui.label(turn["question"]).classes("turn user")
        return Reply(self._view, turn, self._keep)

    def _keep(self) -> None:
        if self._store is not None:
            self._store[TURNS] = self._turns

    async def _forget(self) -> None:
        self._stop()
        self._turns = []
        self._keep()
        self._greet()

    async def _send_or_stop(self) -> None:
        if self._answering is None:
            await self._send(self._input.value)
        else:
            self._stop()

    def _stop(self) -> None:
        if self._answering is not None:
            self._answering.cancel()

    async def _send(self, text: Any) -> None:
        if self._answering is not None or not str(text or "").strip():
            return
        self._input.set_value("")
        if not self._turns:
            self._log.clear()
        turn = {
            "model": self._model.value,
            "question": str(text),
            "text": "",
            "meta": "",
            "passages": [],
            "corrected": "",
        }
        with self._log:
            reply = self._show_turn(turn)
        self._set_busy(True)
        self._scroll()
        self._answering = asyncio.create_task(self._answer(reply))
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await self._answering
        finally:
            self._answering = None
            self._set_busy(False)

    async def _answer(self, reply: Reply) -> None:
        said = [{"role": "user", "content": reply.kept["question"]}]
        messages = [message for turn in self._turns for message in _messages(turn)] + said
        body = {"model": reply.kept["model"], "messages": messages, "max_tokens": MAX_TOKENS, "stream": True}
        try:
            receipt = self._gateway.receipt(body)
            async with contextlib.aclosing(self._gateway.stream(receipt, "chat/completions", body)) as chunks:
                async for chunk in chunks:
                    if reply.add(chunk):
                        self._scroll()
            reply.finish(receipt)
        except (ApiError, LuosiError) as error:
            reply.fail(error.message)
        except asyncio.CancelledError:
            reply.finish(receipt, stopped=True)
            raise
        finally:
            if reply.kept["text"]:  # a question without an answer would puzzle the model next time
                self._turns.append(reply.kept)
                self._keep()

    def _set_busy(self, busy: bool) -> None:
        self._button.text = self._words("stop" if busy else "send")
        self._button.props(f"color={'negative' if busy else 'primary'}")
        self._model.set_enabled(not busy)

    def _scroll(self) -> None:
        self._log.client.run_javascript(f"luosiScroll({self._log.id})")


def _messages(turn: dict[str, Any]) -> list[dict[str, str]]:
    """A turn as models are told of it."""
    return [{"role": "user", "content": turn["question"]}, {"role": "assistant", "content": turn["text"]}]
