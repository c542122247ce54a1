"""Chat with the served models: streamed, stoppable, with speed and cost under each answer. Answers are shown as plain text,
never as markup: what a model writes cannot load anything or act.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

from nicegui import ui

from luosi.errors import LuosiError
from luosi.serve.prices import exact
from luosi.serve.relay import Receipt
from luosi.serve.wire import ApiError
from luosi.web.figures import short
from luosi.web.frame import View, nothing, say
from luosi.web.words import Words

MAX_TOKENS = 512
SHOW_EVERY_S = 0.05
SEND_ON_ENTER = """(event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); emit(event.target.value); }
}"""


async def show(view: View) -> None:
    """Fill the page."""
    if view.site.gateway.models:
        Chat(view)
    else:
        say("h1", view.words("chat"))
        nothing(view.words("no_models"), view.words("no_models_hint"), "luosi serve MODEL")


class Chat:
    """One conversation; it lives as long as its page."""

    def __init__(self, view: View) -> None:
        self._gateway, self._words = view.site.gateway, view.words
        self._history: list[dict[str, str]] = []
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
        if not self._history:
            self._log.clear()
            with self._log, ui.element("div").classes("greeting"):
                ui.label(self._words("greeting", model=self._model.value)).classes("big")
                ui.label(self._words("greeting_more")).classes("hint")

    async def _forget(self) -> None:
        self._stop()
        self._history = []
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
        if not self._history:
            self._log.clear()
        self._history.append({"role": "user", "content": str(text)})
        with self._log:
            ui.label(str(text)).classes("turn user")
            answer = Answer(self._words, self._model.value)
        self._set_busy(True)
        self._scroll()
        self._answering = asyncio.create_task(self._answer(answer))
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await self._answering
        finally:
            self._answering = None
            self._set_busy(False)

    async def _answer(self, answer: Answer) -> None:
        history = self._history
        body = {"model": answer.model, "messages": list(history), "max_tokens": MAX_TOKENS, "stream": True}
        try:
            receipt = self._gateway.receipt(body)
            async with contextlib.aclosing(self._gateway.stream(receipt, "chat/completions", body)) as chunks:
                async for chunk in chunks:
                    if answer.add(chunk):
                        self._scroll()
            answer.finish(receipt)
        except (ApiError, LuosiError) as error:
            answer.fail(error.message)
        except asyncio.CancelledError:
            answer.finish(receipt, stopped=True)
            raise
        finally:
            if answer.text:
                history.append({"role": "assistant", "content": answer.text})
            else:
                history.pop()  # a question without an answer would puzzle the model next time

    def _set_busy(self, busy: bool) -> None:
        self._button.text = self._words("stop" if busy else "send")
        self._button.props(f"color={'negative' if busy else 'primary'}")
        self._model.set_enabled(not busy)

    def _scroll(self) -> None:
        self._log.client.run_javascript(f"luosiScroll({self._log.id})")


class Answer:
    """One answer as it grows."""

    def __init__(self, words: Words, model: str) -> None:
        self.model, self.text = model, ""
        self._words = words
        self._first: float | None = None
        self._shown_at = 0.0
        self._cut = False
        with ui.element("div").classes("turn answer"):
            ui.label(model).classes("who")
            self._body = ui.label(words("thinking")).classes("body waiting")
            self._meta = ui.label().classes("meta")

    def add(self, chunk: dict[str, Any]) -> bool:
        """Take one chunk; whether more is shown now than before."""
        for choice in chunk.get("choices", []):
            self.text += (choice.get("delta") or {}).get("content") or ""
            self._cut = choice.get("finish_reason") == "length"
        now = time.monotonic()
        if not self.text or now - self._shown_at < SHOW_EVERY_S:
            return False
        self._first = self._first or now
        self._shown_at = now
        self._show()
        return True

    def _show(self) -> None:
        self._body.classes(remove="waiting")
        self._body.text = self.text

    def finish(self, receipt: Receipt, *, stopped: bool = False) -> None:
        """Show the whole text, and below it what it took."""
        words, usage, now = self._words, receipt.usage, time.monotonic()
        self._show()
        facts = []
        if stopped:
            facts.append(words("stopped"))
        if usage is not None:
            facts.append(words("tokens", prompt=usage.prompt_tokens, answer=usage.completion_tokens))
            if self._first is not None and usage.completion_tokens > 1 and now > self._first:
                facts.append(words("speed", rate=short((usage.completion_tokens - 1) / (now - self._first))))
        if self._cut:
            facts.append(words("cut", count=usage.completion_tokens if usage else MAX_TOKENS))
        if receipt.cost is not None:
            facts.append(exact(receipt.cost))
        else:
            facts.append(words("cost_unreported" if receipt.model.price else "cost_unpriced"))
        self._meta.text = " · ".join(facts)

    def fail(self, why: str) -> None:
        """Say why there is no (whole) answer."""
        self._show()
        self._meta.text = self._words("failed", why=why)
        self._meta.classes("error").props("role=alert")
