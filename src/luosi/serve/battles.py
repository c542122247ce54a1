"""Battles in accounts.db: two models, the turns both answered, what each answer took, and the vote. Nothing is ever overwritten.

Who votes is a digest of a random id that the browser keeps, never a name. A battle whose vote never came stays, and so does every
model that ever stood in one. Blocks: not for the event loop. Knows no page, no model and no rating.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from luosi.errors import InputError
from luosi.serve import battle_tables as tables
from luosi.serve.battle import OUTCOMES, OWN, SIDES, Answer, Battle, Outcome, Pairing, Side, Status, Turn, read_battle
from luosi.serve.battle_tables import Drawn, Entry, Spent
from luosi.serve.questions import now
from luosi.serve.records import Records

__all__ = [
    "OUTCOMES",
    "OWN",
    "SIDES",
    "Answer",
    "Battle",
    "Battles",
    "Outcome",
    "Pairing",
    "Row",
    "Side",
    "Status",
    "Turn",
]

Row = dict[str, Any]


class Battles(Records):
    """The battles of one accounts.db; see `Records`."""

    def begin(self, pairing: Pairing, prompt: str, source: str) -> Battle:
        """A new battle with its first turn, not answered yet."""
        columns = {"left": "left_model", "right": "right_model"}
        values = {columns.get(name, name): value for name, value in vars(pairing).items()} | {"time": now()}
        with self._writing() as connection:
            key = connection.execute(sa.insert(tables.battles), values).inserted_primary_key
            assert key is not None, "SQLite numbers every row"
            _add_turn(connection, key[0], 1, prompt, source)
            return read_battle(connection, key[0])

    def ask(self, battle: int, prompt: str, source: str, *, after: int) -> Battle:
        """One turn more than the `after` that who asks has seen.

        Raises:
            InputError: It is over: what came after the reveal would tell nothing; or somebody else, in another tab, has asked meanwhile.
        """
        with self._writing() as connection:
            known = _open(connection, battle)
            if len(known.turns) != after:
                raise InputError(f"battle {battle} went on elsewhere", hint="load the page again")
            _add_turn(connection, battle, after + 1, prompt, source)
            return read_battle(connection, battle)

    def answer(self, battle: int, turn: int, answers: Mapping[Side, Answer]) -> Battle:
        """Keep what both sides said in a turn (1 is the first)."""
        rows = [
            {
                "battle": battle, "turn": turn, "side": side, "text": one.text, "status": one.status, "cut": one.cut,
                "trouble": one.trouble,
                "prompt_tokens": one.usage and one.usage.prompt_tokens,
                "completion_tokens": one.usage and one.usage.completion_tokens,
                "nano": one.cost and one.cost.nano, "currency": one.cost and one.cost.currency, "seconds": one.seconds,
                "passages": json.dumps(one.passages, ensure_ascii=False),
            }
            for side, one in answers.items()
        ]  # fmt: skip
        with self._writing() as connection:
            connection.execute(sa.insert(tables.answers), rows)
            return read_battle(connection, battle)

    def vote(self, battle: int, outcome: Outcome, *, source: str = "person") -> Battle:
        """Keep the vote.

        Raises:
            InputError: There is no such outcome, no answer yet, one that is not whole, or a vote already; or it is too late.
        """
        if outcome not in OUTCOMES:
            raise InputError(f"a vote for {outcome!r}; expected {', '.join(OUTCOMES)}")
        with self._writing() as connection:
            known = _open(connection, battle)
            turn = max((number for number, one in enumerate(known.turns, 1) if one.answers), default=0)
            if not turn:
                raise InputError(f"battle {battle} has no answers to vote on yet", hint="wait for both")
            values = {"battle": battle, "time": now(), "outcome": outcome, "turn": turn, "source": source}
            connection.execute(sa.insert(tables.votes), values)
            return read_battle(connection, battle)

    def battle(self, id: int) -> Battle:
        """The battle of that number.

        Raises:
            InputError: There is none.
        """
        with self._reading() as connection:
            return read_battle(connection, id)

    def told(self) -> Iterator[tuple[Battle, Row | None]]:
        """Every battle that may be told of, with the row of `votes` about it: those without one only after `battle_tables.OPEN_S`; the
        first first. What is read at once is of one moment."""
        last = 0
        while True:
            with self._reading() as connection:
                ids = tables.told_after(connection, last, 200)
                rows = tables.vote_rows(connection, tables.votes.c.battle.in_(ids)) if ids else []
                voted = {row["battle"]: row for row in rows}
                page = [(read_battle(connection, id), voted.get(id)) for id in ids]
            if not page:
                return
            yield from page
            last = ids[-1]

    def votes(self, after: int = 0) -> list[Row]:
        """The log of votes above the number `after` ("id"), as `luosi rank` reads it: see serve/vote_log.py for its columns."""
        with self._reading() as connection:
            return tables.vote_rows(connection, tables.votes.c.id > after)

    def ballots(self, after: int = 0) -> list[Row]:
        """The same votes, only with what ranking and categories need."""
        with self._reading() as connection:
            return tables.ballots(connection, after)

    def entries(self) -> list[Entry]:
        """Every model that stood in any battle that may be told of, by name."""
        with self._reading() as connection:
            return tables.entries(connection)

    def spent(self) -> list[Spent]:
        """What the whole answers of each model cost, by model and currency."""
        with self._reading() as connection:
            return tables.spent(connection)

    def drawn(self) -> list[Drawn]:
        """Every pair that was drawn, the most frequent first."""
        with self._reading() as connection:
            return tables.drawn(connection)

    def count(self) -> int:
        """Battles begun, voted on or not."""
        with self._reading() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(tables.battles)) or 0

    def asked(self, voter: str) -> set[str]:
        """Sources of all prompts in this voter's battles."""
        query = (
            sa.select(tables.turns.c.source)
            .join(tables.battles, tables.battles.c.id == tables.turns.c.battle)
            .where(tables.battles.c.voter == voter)
        )
        with self._reading() as connection:
            return set(connection.scalars(query))


def _add_turn(connection: sa.Connection, battle: int, turn: int, prompt: str, source: str) -> None:
    values = {"battle": battle, "turn": turn, "time": now(), "prompt": prompt, "source": source}
    connection.execute(sa.insert(tables.turns), values)


def _open(connection: sa.Connection, id: int) -> Battle:
    """The battle, if it may still come to a vote."""
    known = read_battle(connection, id)
    if not known.is_open:
        why = (
            "was voted on already"
            if known.outcome is not None
            else "cannot be judged: one side gave no whole answer"
            if known.spoiled
            else "had no vote for too long, and may be told of now"
        )
        raise InputError(f"battle {id} {why}", hint="begin the next one")
    return known
