"""Battles in accounts.db: two models, the turns both answered, what each answer took, and the vote. Nothing is ever overwritten.

Who votes is a digest of a random id that the browser keeps, never a name. A battle whose vote never came stays, and so does every
model that ever stood in one. Blocks: not for the event loop. Knows no page, no model and no rating.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self, get_args

import sqlalchemy as sa

from luosi.cost import Money
from luosi.errors import InputError
from luosi.serve import battle_tables as tables
from luosi.serve.accounts import connect, migrate
from luosi.serve.battle_tables import Drawn, Entry, Spent
from luosi.serve.prices import Usage
from luosi.serve.questions import now

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


@dataclass(frozen=True)
class Turn:
    """A prompt and both answers; none where the server was killed in the middle."""

    prompt: str
    source: str
    answers: Mapping[Side, Answer] = field(default_factory=dict)


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
    def can_be_voted(self) -> bool:
        """Both sides have ended their first turn, one of them at least with a whole answer, and nobody has voted."""
        first = self.turns[0].answers
        return self.outcome is None and len(first) == 2 and any(one.status == "done" for one in first.values())


class Battles:
    """The battles of one accounts.db; threads and processes may share it.

    Args:
        path: Of accounts.db; made if it is not there.

    Raises:
        InputError: The file is no database, or was written by a newer Luosi; from every method: it cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._engine = connect(path, synchronous="FULL")
        migrate(self._engine, path)

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def begin(self, pairing: Pairing, prompt: str, source: str) -> Battle:
        """A new battle with its first turn, not answered yet."""
        columns = {"left": "left_model", "right": "right_model"}
        values = {columns.get(name, name): value for name, value in vars(pairing).items()} | {"time": now()}
        with self._transaction() as connection:
            key = connection.execute(sa.insert(tables.battles), values).inserted_primary_key
            assert key is not None, "SQLite numbers every row"
            _add_turn(connection, key[0], 1, prompt, source)
            return _battle(connection, key[0])

    def ask(self, battle: int, prompt: str, source: str) -> Battle:
        """One turn more.

        Raises:
            InputError: It was voted on already: what came after the reveal would tell nothing.
        """
        with self._transaction() as connection:
            known = _battle(connection, battle)
            if known.outcome is not None:
                raise InputError(f"battle {battle} was voted on already", hint="begin the next one")
            _add_turn(connection, battle, len(known.turns) + 1, prompt, source)
            return _battle(connection, battle)

    def answer(self, battle: int, turn: int, answers: Mapping[Side, Answer]) -> Battle:
        """Keep what both sides said in a turn (1 is the first)."""
        rows = [
            {
                "battle": battle, "turn": turn, "side": side, "text": one.text, "status": one.status, "trouble": one.trouble,
                "prompt_tokens": one.usage and one.usage.prompt_tokens,
                "completion_tokens": one.usage and one.usage.completion_tokens,
                "nano": one.cost and one.cost.nano, "currency": one.cost and one.cost.currency, "seconds": one.seconds,
                "passages": json.dumps(one.passages, ensure_ascii=False),
            }
            for side, one in answers.items()
        ]  # fmt: skip
        with self._transaction() as connection:
            connection.execute(sa.insert(tables.answers), rows)
            return _battle(connection, battle)

    def vote(self, battle: int, outcome: Outcome, *, source: str = "person") -> Battle:
        """Keep the vote.

        Raises:
            InputError: There is no such outcome, no whole answer yet, or a vote already.
        """
        if outcome not in OUTCOMES:
            raise InputError(f"a vote for {outcome!r}; expected {', '.join(OUTCOMES)}")
        with self._transaction() as connection:
            known = _battle(connection, battle)
            if known.outcome is not None:
                raise InputError(f"battle {battle} was voted on already", hint="begin the next one")
            if not known.can_be_voted:
                raise InputError(
                    f"battle {battle} has no whole answer to vote on", hint="wait for both, or begin the next one"
                )
            turn = sum(1 for one in known.turns if len(one.answers) == 2)
            values = {"battle": battle, "time": now(), "outcome": outcome, "turn": turn, "source": source}
            connection.execute(sa.insert(tables.votes), values)
            return _battle(connection, battle)

    def battle(self, id: int) -> Battle:
        """The battle of that number.

        Raises:
            InputError: There is none.
        """
        with self._transaction() as connection:
            return _battle(connection, id)

    def all(self) -> Iterator[Battle]:
        """Every battle that may be told of: those without a vote only after `battle_tables.OPEN_S`; the first first."""
        last = 0
        while True:
            with self._transaction() as connection:
                page = [_battle(connection, id) for id in tables.told_after(connection, last, 200)]
            if not page:
                return
            yield from page
            last = page[-1].id

    def votes(self, after: int = 0) -> list[dict[str, Any]]:
        """The log of votes above the number `after` ("id"), as `luosi rank` reads it: see serve/vote_log.py for its columns."""
        with self._transaction() as connection:
            return tables.vote_rows(connection, after)

    def entries(self) -> list[Entry]:
        """Every model that stood in any battle that may be told of, by name."""
        with self._transaction() as connection:
            return tables.entries(connection)

    def spent(self) -> list[Spent]:
        """What the whole answers of each model cost, by model and currency."""
        with self._transaction() as connection:
            return tables.spent(connection)

    def drawn(self) -> list[Drawn]:
        """Every pair that was drawn, the most frequent first."""
        with self._transaction() as connection:
            return tables.drawn(connection)

    def count(self) -> int:
        """Battles begun, voted on or not."""
        with self._transaction() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(tables.battles)) or 0

    def asked(self, voter: str) -> set[str]:
        """Sources of the prompts that began this voter's battles."""
        query = (
            sa.select(tables.turns.c.source)
            .join(tables.battles, tables.battles.c.id == tables.turns.c.battle)
            .where(tables.battles.c.voter == voter)
        )
        with self._transaction() as connection:
            return set(connection.scalars(query))

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except sa.exc.DatabaseError as error:
            raise InputError(f"{self._path} could not be read or written: {error.orig}") from error


def _add_turn(connection: sa.Connection, battle: int, turn: int, prompt: str, source: str) -> None:
    values = {"battle": battle, "turn": turn, "time": now(), "prompt": prompt, "source": source}
    connection.execute(sa.insert(tables.turns), values)


def _battle(connection: sa.Connection, id: int) -> Battle:
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
    return Answer(row["text"], row["status"], row["trouble"], usage, cost, row["seconds"], tuple(passages))
