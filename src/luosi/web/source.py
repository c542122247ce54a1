"""What the pages read and write: the few methods of a workspace they need, off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pydantic import BaseModel

from luosi.errors import LuosiError
from luosi.serve.battles import Battles
from luosi.serve.feedback import Feedback
from luosi.web.words import Language

if TYPE_CHECKING:  # looking through texts needs numpy, which pages do without
    from luosi.api.worth import Judged
    from luosi.grading.check import Report
    from luosi.ranking import Ranking

Row = Mapping[str, Any]
Form = Literal["html", "pdf"]


class Workspace(Protocol):
    """The part of luosi.api.Workspace that pages use; records are pydantic models, dataclasses or the same as plain JSON.

    All of it may block and may raise luosi's errors, which the pages show.
    """

    def recipes(self) -> list[str]:
        """Names of the recipes that were run here, the latest first."""

    def state(self, ref: str) -> Any:
        """{"recipe", "steps": [{"step", "stage", "key", "state", "inputs": [step], "done", "total", "unit", "message",
        "metrics": {name: [[done, value]]}}]}; "why", "attempts", "planned_s", "spent_s", "money" (spent on the step) and "left_s" (by its
        pace) are used where they are."""

    def bill(self, ref: str) -> Any:
        """{"steps": [{"step", "stage", "key", "state", "planned", "spent", "error", "attempts", "killed"}], "total": the same}."""

    def verdict(self, ref: str) -> Any:
        """VerdictReport: {"routes": [{"route", "model", "bpb", "bpb_se", "accuracy", "accuracy_se", "cost_to_make", "cost_per_1000",
        ...}], "advice": [{"en", "zh"} or str]}."""

    def report(self, ref: str, language: Language, form: Form) -> bytes:
        """The verdict as a file to print."""

    def answers(self, ref: str) -> list[dict[str, Any]]:
        """What was answered in the race of the recipe's verdict: [{"question": Question, "answers": [Answered]}] in the order in
        which they were asked; [] where the verdict has no race."""

    def feedback(self) -> Feedback:
        """What people said: own questions, corrections and marks; one open store for all pages."""

    def battles(self) -> Battles:
        """The arena's battles and votes; one open store for all pages."""

    def worth(self, votes: Ranking | None = None) -> Judged:
        """The ranked models with what their answers and their making cost (`luosi.api.worth.judged`)."""

    def check_questions(self, ref: str) -> Report:
        """The own questions looked for in the corpus of a recipe (`luosi.grading.check.check`); takes as long as reading it."""

    def questions_file(self, ref: str) -> Path | None:
        """The file of own questions that a recipe asks; None where it asks none."""


class Unreadable(Exception):
    """The workspace could not answer; the message is for the page."""


async def ask(method: Callable[..., Any], *arguments: object, **named: object) -> Any:
    """Call a method of the workspace in a thread.

    Raises:
        Unreadable: It raised one of Luosi's errors.
    """
    try:
        return await asyncio.to_thread(method, *arguments, **named)
    except LuosiError as error:
        raise Unreadable(str(error)) from error


async def ask_json(method: Callable[..., Any], *arguments: object) -> Any:
    """The same, the answer as JSON values."""
    answer = await ask(method, *arguments)
    return answer.model_dump(mode="json") if isinstance(answer, BaseModel) else answer
