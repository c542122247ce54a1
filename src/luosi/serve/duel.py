"""Both sides of a battle asked at once through the gateway, and shown at one pace, so that speed tells nobody which is which.

What is shown of either grows by the same number of characters at each tick, and never beyond what the slower one still at work has
said; that one side has ended, or failed, is told only when both have. Knows no page, no store and no vote.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from luosi.artifacts.answers import Cited
from luosi.errors import LuosiError
from luosi.serve.battles import SIDES, Answer, Side, Status, Turn
from luosi.serve.gateway import Gateway
from luosi.serve.relay import Receipt
from luosi.serve.wire import ApiError, shorten

TICK_S = 0.1
STEP_CHARS = 90
"""Shown more of each side in a tick: no one reads faster."""
MAX_TOKENS = 512

Shown = Mapping[Side, str]


@dataclass
class _Voice:
    """One side while it speaks."""

    receipt: Receipt | None = None
    text: str = ""
    status: Status = "stopped"
    trouble: str = ""
    seconds: float = 0.0
    ended: bool = False
    cut: bool = False
    passages: list[dict[str, Any]] = field(default_factory=list)

    def answer(self) -> Answer:
        usage, cost = (self.receipt.usage, self.receipt.cost) if self.receipt else (None, None)
        return Answer(self.text, self.status, self.trouble, usage, cost, self.seconds, tuple(self.passages), self.cut)


class Duel:
    """One turn of a battle.

    Args:
        gateway: Through which both are asked: their tokens are charged as anybody's.
        models: Who stands where.
        turns: The battle's, the last one being asked.
    """

    def __init__(self, gateway: Gateway, models: Mapping[Side, str], turns: Sequence[Turn]) -> None:
        self._gateway, self._models, self._turns = gateway, models, turns
        self._voices = {side: _Voice() for side in SIDES}
        self.down: set[Side] = set()
        """Sides that could not be reached, or were at their limit."""
        self._stopped = False
        self._readers: list[asyncio.Task[None]] = []

    async def run(self, show: Callable[[Shown], None]) -> dict[Side, Answer]:
        """Ask both, show what they say, and give the answers; also after `stop`. Errors of either are its answer."""
        self._readers = [asyncio.create_task(self._read(side)) for side in SIDES]
        if self._stopped:
            self.stop()
        at = 0
        try:
            while not (all(reader.done() for reader in self._readers) and (self._stopped or at >= self._longest)):
                await asyncio.sleep(TICK_S)
                further = self.pace(at)
                if further > at:
                    at = further
                    show({side: voice.text[:at] for side, voice in self._voices.items()})
        finally:
            self.stop()
            await asyncio.gather(*self._readers, return_exceptions=True)
        return {side: voice.answer() for side, voice in self._voices.items()}

    def stop(self) -> None:
        """End both, wherever they are."""
        self._stopped = True
        for reader in self._readers:
            reader.cancel()

    @property
    def _longest(self) -> int:
        return max(len(voice.text) for voice in self._voices.values())

    def pace(self, at: int) -> int:
        """How many characters of each side are shown after a tick, `at` having been shown before it."""
        speaking = [len(voice.text) for voice in self._voices.values() if not voice.ended]
        return max(at, min([*speaking, self._longest, at + STEP_CHARS]))

    async def _read(self, side: Side) -> None:
        voice, begun = self._voices[side], time.monotonic()
        body = {"model": self._models[side], "messages": self._messages(side), "max_tokens": MAX_TOKENS, "stream": True}
        try:
            voice.receipt = self._gateway.receipt(body)
            stream = self._gateway.stream(voice.receipt, "chat/completions", body)
            async with contextlib.aclosing(stream) as chunks:
                async for chunk in chunks:
                    _hear(voice, chunk)
            voice.status = "done"
        except (ApiError, LuosiError) as error:
            voice.status, voice.trouble, voice.cut = "failed", error.message, False
            if isinstance(error, ApiError) and (error.status >= 500 or error.status == 429):
                self.down.add(side)
        finally:
            voice.seconds, voice.ended = time.monotonic() - begun, True

    def _messages(self, side: Side) -> list[dict[str, str]]:
        """What this side was asked and said before, and the prompt; a turn that it did not answer would puzzle it."""
        said = []
        for turn in self._turns[:-1]:
            if (answer := turn.answers.get(side)) and answer.text:
                said += [{"role": "user", "content": turn.prompt}, {"role": "assistant", "content": answer.text}]
        return [*said, {"role": "user", "content": self._turns[-1].prompt}]


def _hear(voice: _Voice, chunk: Mapping[str, Any]) -> None:
    """Take what a chunk says. Raises ApiError: it is not of the shape of a streamed chat."""
    choices = chunk.get("choices") or []
    for choice in choices if isinstance(choices, list) else [choices]:
        delta = (choice.get("delta") or {}) if isinstance(choice, dict) else None
        text = (delta.get("content") or "") if isinstance(delta, dict) else None
        if not isinstance(text, str):
            raise ApiError(502, f"a chunk of the answer is of unknown shape: {shorten(chunk)}", code="upstream_error")
        if not choice.get("index"):
            voice.text += text.replace("\0", "")
            voice.cut = voice.cut or choice.get("finish_reason") == "length"
    about = chunk.get("luosi")
    given = about.get("passages") if isinstance(about, dict) else None
    if isinstance(given, list):
        voice.passages = [one.model_dump() for row in given if (one := _cited(row))]


def _cited(row: object) -> Cited | None:
    """A passage as the gateway tells it; an upstream may use this name for something else."""
    with contextlib.suppress(ValueError):
        return Cited.model_validate(row)
    return None
