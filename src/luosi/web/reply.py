"""One answer in the chat: it grows while it is written, then shows what it took, what it rests on, and a way to correct it. Answers are
shown as plain text, never as markup: what a model writes cannot load anything or act.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from nicegui import ui
from pydantic import ValidationError

from luosi.artifacts.answers import Cited
from luosi.serve.feedback import Feedback
from luosi.serve.prices import exact
from luosi.serve.relay import Receipt
from luosi.web.answer import show_passages
from luosi.web.dialogs import ask_for_answer
from luosi.web.figures import short
from luosi.web.frame import View
from luosi.web.source import Unreadable, ask

MAX_TOKENS = 512
SHOW_EVERY_S = 0.05


class Reply:
    """The answer of `kept["model"]` to `kept["question"]`; `kept` holds all of it that outlives the page:

    {"model", "question", "text", "meta", "passages": [Cited as JSON], "corrected"}; `keep` is called when it has changed.
    """

    def __init__(self, view: View, kept: dict[str, Any], keep: Callable[[], None]) -> None:
        self.kept, self._keep = kept, keep
        self._view, self._words = view, view.words
        self._first: float | None = None
        self._shown_at = 0.0
        self._cut = False
        with ui.element("div").classes("turn answer"):
            ui.label(kept["model"]).classes("who")
            self._body = ui.label(self._words("thinking")).classes("body waiting")
            self._passages = ui.element("div")
            with ui.element("div").classes("below"):
                self._meta = ui.label().classes("meta")
                self._correct = ui.button(self._words("correct_this"), on_click=self._ask).props("flat dense no-caps")
            self._corrected = ui.label().classes("meta corrected").props("role=status")
        self._correct.set_visibility(False)
        if kept["text"]:
            self._show()
            self._close()

    def add(self, chunk: Mapping[str, Any]) -> bool:
        """Take one chunk; whether more is shown now than before."""
        for choice in chunk.get("choices", []):
            self.kept["text"] += (choice.get("delta") or {}).get("content") or ""
            self._cut = choice.get("finish_reason") == "length"
        if found := passages_of(chunk):
            self.kept["passages"] = [passage.model_dump() for passage in found]
        now = time.monotonic()
        if not self.kept["text"] or now - self._shown_at < SHOW_EVERY_S:
            return False
        self._first = self._first or now
        self._shown_at = now
        self._show()
        return True

    def _show(self) -> None:
        self._body.classes(remove="waiting")
        self._body.text = self.kept["text"]

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
        self.kept["meta"] = " · ".join(facts)
        self._close()

    def fail(self, why: str) -> None:
        """Say why there is no (whole) answer."""
        self._show()
        self._meta.text = self._words("failed", why=why)
        self._meta.classes("error").props("role=alert")

    def _close(self) -> None:
        """What stands below a finished answer."""
        self._meta.text = self.kept["meta"]
        self._correct.set_visibility(bool(self.kept["text"]))
        self._corrected.text = self.kept["corrected"]
        self._passages.clear()
        with self._passages:
            show_passages([Cited.model_validate(one) for one in self.kept["passages"]], self._words)

    async def _ask(self) -> None:
        kept, words = self.kept, self._words
        answer = await ask_for_answer(words, kept["question"], kept["text"])
        if not answer:
            return
        try:
            feedback: Feedback = await ask(self._view.site.workspace.feedback)
            done = await ask(
                feedback.correct, kept["question"], kept["text"], answer, model=kept["model"], where="chat"
            )
        except Unreadable as error:
            ui.notify(words("failed_to_keep", why=str(error)), type="negative", multi_line=True)
            return
        kept["corrected"] = " · ".join((words("corrected_as", answer=answer), words(f"kept_as_{done.use}")))
        self._corrected.text = kept["corrected"]
        self._keep()


def passages_of(chunk: Mapping[str, Any]) -> list[Cited]:
    """The passages that an answer rests on, where the gateway says so; what is not of their form is left out."""
    about = chunk.get("luosi")
    given = about.get("passages") if isinstance(about, dict) else None
    found = []
    for one in given if isinstance(given, list) else ():
        try:
            found.append(Cited.model_validate(one))
        except ValidationError:
            continue  # an upstream may use this name for something else
    return found
