"""The tables of battles in accounts.db, and what is counted over them. Functions on an open transaction, see serve/battles.py."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from luosi.cost import NANO, Money
from luosi.serve.accounts import metadata


def _table(name: str, texts: Sequence[str], *others: sa.Column[Any]) -> sa.Table:
    return sa.Table(name, metadata, *others, *(sa.Column(column, sa.Text, nullable=False) for column in texts))


battles = _table(
    "battles",
    ("time", "voter", "session", "prompt", "language", "length", "topic", "left_model", "right_model"),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("propensity", sa.Float, nullable=False),
    sa.Column("drawable", sa.Integer, nullable=False),
)
turns = _table(
    "battle_turns",
    ("time", "prompt", "source"),
    sa.Column("battle", sa.Integer, primary_key=True),
    sa.Column("turn", sa.Integer, primary_key=True),
)
answers = _table(
    "battle_answers",
    ("text", "status", "trouble", "passages"),
    sa.Column("battle", sa.Integer, primary_key=True),
    sa.Column("turn", sa.Integer, primary_key=True),
    sa.Column("side", sa.Text, primary_key=True),
    sa.Column("cut", sa.Boolean, nullable=False),
    sa.Column("prompt_tokens", sa.Integer),
    sa.Column("completion_tokens", sa.Integer),
    sa.Column("nano", sa.Integer),
    sa.Column("currency", sa.Text),
    sa.Column("seconds", sa.Float, nullable=False),
)
votes = _table(
    "battle_votes",
    ("time", "outcome", "source"),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("battle", sa.Integer, nullable=False),
    sa.Column("turn", sa.Integer, nullable=False),
)
SIDES = ("left", "right")
OPEN_S = 3600.0
"""A battle without a vote may still get one for so long: until then nothing that is told of models counts it, or it would tell who
stands in it. After it there is no vote any more."""


def closed_until() -> str:
    """Battles begun at this time or before it take no vote any more."""
    latest = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=OPEN_S)
    return latest.isoformat(timespec="milliseconds")


def _told() -> sa.ColumnElement[bool]:
    """Battles that may be told of; `votes` is joined from outside."""
    return sa.or_(votes.c.id.is_not(None), battles.c.time <= closed_until())


@dataclass(frozen=True)
class Entry:
    """A model that stood in any battle."""

    model: str
    first: str
    """Time of its first battle, UTC."""
    last: str
    battles: int
    votes: int
    failed: int
    """Answers that failed."""
    cut: int
    """Whole answers that ended at the limit of tokens."""


@dataclass(frozen=True)
class Spent:
    """What the answers of a model in battles cost, in one currency; "" for those whose cost nobody knows."""

    model: str
    currency: str
    answers: int
    reported: int
    """Of these, the answers whose tokens were reported; the sums are theirs."""
    nano: int
    prompt_tokens: int
    completion_tokens: int

    @property
    def per_answer(self) -> Money | None:
        """The mean, rounded up once; None where the cost is not known."""
        return Money(nano=-(-self.nano // self.answers), currency=self.currency) if self.currency else None


@dataclass(frozen=True)
class Drawn:
    """How often two models were drawn together, in whatever order."""

    models: tuple[str, str]
    battles: int
    votes: int
    least: float
    """Smallest and largest chance with which they were drawn."""
    most: float


def told_after(connection: sa.Connection, after: int, limit: int) -> Sequence[int]:
    """Numbers above `after` of battles that may be told of."""
    query = sa.select(battles.c.id).join(votes, votes.c.battle == battles.c.id, isouter=True)
    return connection.scalars(query.where(battles.c.id > after, _told()).order_by(battles.c.id).limit(limit)).all()


def ballots(connection: sa.Connection, after: int) -> list[dict[str, Any]]:
    """Every vote above the number `after`, only with what ranking and categories need, and "id", its number."""
    named = {"left": battles.c.left_model, "right": battles.c.right_model, "winner": votes.c.outcome}
    query = (
        sa.select(
            votes.c.id, votes.c.time, *(column.label(name) for name, column in named.items()),
            *(battles.c[name] for name in ("voter", "prompt", "language", "length", "topic")),
        )
        .join(battles, battles.c.id == votes.c.battle)
        .where(votes.c.id > after)
        .order_by(votes.c.id)
    )  # fmt: skip
    return [dict(row) for row in connection.execute(query).mappings()]


def vote_rows(connection: sa.Connection, wanted: sa.ColumnElement[bool]) -> list[dict[str, Any]]:
    """Those of `votes` that are wanted as rows of the exported log, with "id", the vote's number."""
    query = (
        sa.select(votes.c.id, votes.c.outcome, votes.c.time, votes.c.turn, votes.c.source, battles, turns.c.source.label("asked"))
        .join(battles, battles.c.id == votes.c.battle)
        .join(turns, sa.and_(turns.c.battle == battles.c.id, turns.c.turn == 1))
        .where(wanted)
        .order_by(votes.c.id)
    )  # fmt: skip
    found = connection.execute(query).all()
    sums = _sums(connection, wanted) if found else {}
    return [_row(row, sums) for row in found]


def _row(row: Any, sums: Mapping[tuple[int, str], dict[str, Any]]) -> dict[str, Any]:
    id, outcome, time, turn, source, battle = row[:6]
    named = row._mapping
    told = {
        "id": id, "battle": battle, "left": named["left_model"], "right": named["right_model"], "winner": outcome,
        "voter": named["voter"], "prompt": named["prompt"], "time": time, "source": source, "propensity": named["propensity"],
        "drawable": named["drawable"], "language": named["language"], "length": named["length"], "topic": named["topic"], "turns": turn,
        "prompt_source": named["asked"], "session": named["session"],
    }  # fmt: skip
    for side in SIDES:
        told |= {f"{name}_{side}": value for name, value in sums[battle, side].items()}
    return told


def _sums(connection: sa.Connection, wanted: sa.ColumnElement[bool]) -> dict[tuple[int, str], dict[str, Any]]:
    """Tokens, cost and seconds of each side of a battle, over its turns; None where a turn's are not known."""
    count = sa.func.count
    query = (
        sa.select(
            answers.c.battle, answers.c.side, count(), count(answers.c.nano), sa.func.sum(answers.c.nano),
            sa.func.min(answers.c.currency), sa.func.max(answers.c.currency),
            count(answers.c.completion_tokens), sa.func.sum(answers.c.completion_tokens), sa.func.sum(answers.c.seconds),
        )
        .join(votes, votes.c.battle == answers.c.battle)
        .where(wanted)
        .group_by(answers.c.battle, answers.c.side)
    )  # fmt: skip
    found = {}
    for battle, side, turns_, priced, nano, first, last, counted, tokens, seconds in connection.execute(query):
        known = priced == turns_ and first == last
        found[battle, side] = {
            "tokens": tokens if counted == turns_ else None,
            "cost": f"{nano // NANO}.{nano % NANO:09d}" if known else None,
            "currency": first if known else None,
            "seconds": round(seconds, 3),
        }
    return found


def _sided() -> sa.Subquery:
    """Every battle twice, once for each of its models."""
    parts = [
        sa.select(battles.c.id, battles.c.time, column.label("model"), votes.c.id.label("vote"))
        .join(votes, votes.c.battle == battles.c.id, isouter=True)
        .where(_told())
        for column in (battles.c.left_model, battles.c.right_model)
    ]
    return sa.union_all(*parts).subquery()


def entries(connection: sa.Connection) -> list[Entry]:
    """Every model that stood in any battle, by name."""
    stood = _sided()
    query = (
        sa.select(
            stood.c.model, sa.func.min(stood.c.time), sa.func.max(stood.c.time), sa.func.count(), sa.func.count(stood.c.vote)
        )
        .group_by(stood.c.model)
        .order_by(stood.c.model)
    )  # fmt: skip
    fates = _fates(connection)
    return [
        Entry(model, first, last, count, voted, *fates.get(model, (0, 0)))
        for model, first, last, count, voted in connection.execute(query)
    ]


def _fates(connection: sa.Connection) -> dict[str, tuple[int, int]]:
    """How many answers of each model failed and how many were cut at the limit."""
    model = _model()
    failed, cut = (sa.func.sum(sa.cast(part, sa.Integer)) for part in (answers.c.status == "failed", answers.c.cut))
    query = (
        sa.select(model, failed, cut)
        .join(battles, battles.c.id == answers.c.battle)
        .join(votes, votes.c.battle == battles.c.id, isouter=True)
        .where(_told())
        .group_by(model)
    )
    return {name: (lost, short) for name, lost, short in connection.execute(query)}


def _model() -> sa.ColumnElement[str]:
    """Who gave an answer."""
    return sa.case((answers.c.side == "left", battles.c.left_model), else_=battles.c.right_model)


def spent(connection: sa.Connection) -> list[Spent]:
    """What the whole answers of each model cost; those that failed or were stopped are left out."""
    model = _model()
    currency = sa.func.coalesce(answers.c.currency, "")
    query = (
        sa.select(
            model, currency, sa.func.count(), sa.func.count(answers.c.prompt_tokens),
            *(sa.func.coalesce(sa.func.sum(column), 0) for column in (answers.c.nano, answers.c.prompt_tokens, answers.c.completion_tokens)),
        )
        .join(battles, battles.c.id == answers.c.battle)
        .join(votes, votes.c.battle == battles.c.id, isouter=True)
        .where(answers.c.status == "done", _told())
        .group_by(model, currency)
        .order_by(model, currency)
    )  # fmt: skip
    return [Spent(*row) for row in connection.execute(query)]


def drawn(connection: sa.Connection) -> list[Drawn]:
    """Every pair that was drawn, the most frequent first."""
    low, high = (f(battles.c.left_model, battles.c.right_model) for f in (sa.func.min, sa.func.max))
    query = (
        sa.select(
            low, high, sa.func.count(), sa.func.count(votes.c.id), sa.func.min(battles.c.propensity), sa.func.max(battles.c.propensity)
        )
        .join(votes, votes.c.battle == battles.c.id, isouter=True)
        .where(_told())
        .group_by(low, high)
        .order_by(sa.func.count().desc(), low, high)
    )  # fmt: skip
    return [Drawn((a, b), *rest) for a, b, *rest in connection.execute(query)]
