"""What the pages read: the few methods of a workspace they need, as plain JSON, off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from pydantic import BaseModel

from luosi.errors import LuosiError


class Workspace(Protocol):
    """The part of luosi.api.Workspace that pages use; answers are pydantic models or the same as plain JSON."""

    def recipes(self) -> list[str]:
        """Names of the recipes that were run here, the latest first."""

    def state(self, ref: str) -> Any:
        """{"recipe", "steps": [{"step", "stage", "key", "state", "inputs": [step], "done", "total", "unit", "message",
        "metrics": {name: [[done, value]]}}]}; "why", "attempts", "planned_s" and "spent_s" are used where they are."""

    def bill(self, ref: str) -> Any:
        """{"steps": [{"step", "stage", "key", "state", "planned", "spent", "error", "attempts", "killed"}], "total": the same}."""

    def verdict(self, ref: str) -> Any:
        """{"routes": [{"route", "model", "bpb", "bpb_se", "accuracy", "accuracy_se", "cost_to_make", "cost_per_1000", ...}], "advice": [str]}."""


class Unreadable(Exception):
    """The workspace could not answer; the message is for the page."""


async def ask(method: Callable[..., Any], *arguments: object) -> Any:
    """Call a method of the workspace in a thread; its answer as JSON values.

    Raises:
        Unreadable: It raised one of Luosi's errors.
    """
    try:
        answer = await asyncio.to_thread(method, *arguments)
    except LuosiError as error:
        raise Unreadable(str(error)) from error
    return answer.model_dump(mode="json") if isinstance(answer, BaseModel) else answer
