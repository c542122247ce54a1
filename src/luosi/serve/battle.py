"""One battle as it stands: who stood where, what was asked and answered, and whether it can come to a vote. Knows no page and no rating."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import sqlalchemy as sa

from luosi.cost import Money
from luosi.errors import InputError
from luosi.serve import battle_tables as tables
from luosi.serve.prices import Usage

Side = Literal["left", "right"]
SIDES: tuple[Side, Side] = ("left", "right")
Outcome = Literal["left", "right", "tie", "both_bad"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
Status = Literal["done", "stopped", "failed"]
OWN = "own"
"""Source of a prompt that the voter wrote; others are "pool/" and the prompt's id."""


@dataclass(frozen=True)
class Answer:
    """What one side said in one turn, and what it took."""

    text: str
    status: Status
    """Whole, cut off (by the voter, or because the page went away), or failed in the beginning or the middle."""
    trouble: str = ""
    """Why it failed, as the gateway says it: it may name the model."""
    usage: Usage | None = None
    cost: Money | None = None
    seconds: float = 0.0
    """From the question to the end, both sides being asked at once."""
    passages: tuple[Mapping[str, Any], ...] = ()
    """Of the files it answered from."""
    cut: bool = False
    """Whether a whole answer ended at the limit of tokens."""


@dataclass(frozen=True)
class Turn:
    """A prompt and both answers; none where the server was killed in the middle."""

    prompt: str
    source: str
    answers: Mapping[Side, Answer] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Both sides have answered to their end."""
        return len(self.answers) == 2 and all(one.status == "done" for one in self.answers.values())


@dataclass(frozen=True)
class Pairing:
    """What a battle is about, before it begins; `prompt` is the id of the first prompt, which the same words share."""

    voter: str
    session: str
    prompt: str
    language: str
    length: str
    topic: str
    left: str
    right: str
    propensity: float
    drawable: int = 1
    """Pairs of which this one was drawn; 1: it was given."""


@dataclass(frozen=True)
class Battle:
    """One battle as it stands."""

    id: int
    time: str
    pairing: Pairing
    turns: tuple[Turn, ...]
    outcome: Outcome | None
    """The vote; None before."""

    def model(self, side: Side) -> str:
        """Who stands there."""
        return self.pairing.left if side == "left" else self.pairing.right

    @property
    def spoiled(self) -> bool:
        """A turn ended without two whole answers: who could answer, or was quicker, is not therefore better, so nobody judges them."""
        return any(turn.answers and not turn.whole for turn in self.turns)

    @property
    def late(self) -> bool:
        """It had no vote within `battle_tables.OPEN_S`: it may be told who stands there, so no vote comes any more."""
        return self.outcome is None and self.time <= tables.closed_until()

    @property
    def is_open(self) -> bool:
        """It may still come to a vote."""
        return self.outcome is None and not self.spoiled and not self.late

    @property
    def can_be_voted(self) -> bool:
        """It is open, and both sides have answered; the latest turn that was answered is voted on."""
        return self.is_open and any(turn.answers for turn in self.turns)


def read_battle(connection: sa.Connection, id: int) -> Battle:
    """The battle of that number, in an open transaction. Raises InputError: there is none."""
    row = connection.execute(sa.select(tables.battles).where(tables.battles.c.id == id)).mappings().first()
    if row is None:
        raise InputError(f"there is no battle {id}")
    said: dict[int, dict[Side, Answer]] = {}
    for one in connection.execute(sa.select(tables.answers).where(tables.answers.c.battle == id)).mappings():
        said.setdefault(one["turn"], {})[one["side"]] = _answer(dict(one))
    asked = connection.execute(sa.select(tables.turns).where(tables.turns.c.battle == id).order_by(tables.turns.c.turn))
    turns = [Turn(one.prompt, one.source, said.get(one.turn, {})) for one in asked]
    outcome = connection.scalar(sa.select(tables.votes.c.outcome).where(tables.votes.c.battle == id))
    named = {"left": row["left_model"], "right": row["right_model"]}
    pairing = Pairing(**named, **{name: row[name] for name in Pairing.__dataclass_fields__ if name not in named})
    return Battle(id, row["time"], pairing, tuple(turns), outcome)


def _answer(row: Mapping[str, Any]) -> Answer:
    known = row["completion_tokens"] is not None and row["prompt_tokens"] is not None
    usage = Usage(prompt_tokens=row["prompt_tokens"], completion_tokens=row["completion_tokens"]) if known else None
    cost = None if row["nano"] is None else Money(nano=row["nano"], currency=row["currency"])
    passages: Sequence[Mapping[str, Any]] = json.loads(row["passages"])
    return Answer(row["text"], row["status"], row["trouble"], usage, cost, row["seconds"], tuple(passages), row["cut"])
