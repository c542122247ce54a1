"""The log of the person's questions in accounts.db: each version of each, the latest of an id counts, one without a body deletes.

Functions on an open transaction, see serve/feedback.py.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping

import sqlalchemy as sa

from luosi.artifacts import Question
from luosi.errors import InputError
from luosi.grading.questions import question_of
from luosi.grading.rows import BadRow
from luosi.serve.accounts import metadata


def table(name: str, *columns: str) -> sa.Table:
    """A table of numbered rows with the given columns of text, as its migration made it."""
    rest = (sa.Column(column, sa.Text, nullable=False) for column in columns)
    return sa.Table(name, metadata, sa.Column("id", sa.Integer, primary_key=True), *rest)


versions = table("questions", "time", "question_id", "who", "origin")
versions.append_column(sa.Column("body", sa.Text))


def now() -> str:
    """The time in UTC, to the millisecond."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


def question_from(row: Mapping[str, object], origin: str) -> Question:
    """The question of a row as a person edits it.

    Raises:
        InputError: It cannot be used.
    """
    try:
        return question_of(row, origin)
    except BadRow as error:
        raise InputError(f"this question cannot be used: {error}") from error


def current_questions(connection: sa.Connection) -> dict[str, Question]:
    """By id, in the order in which they were first put."""
    bodies: dict[str, str] = {}
    for row in connection.execute(sa.select(versions).order_by(versions.c.id)):
        if row.body is None:
            bodies.pop(row.question_id, None)
        else:
            bodies[row.question_id] = row.body
    return {id: Question.model_validate_json(body) for id, body in bodies.items()}


def put(connection: sa.Connection, question: Question, who: str) -> None:
    """Add a version of a question."""
    _add(connection, question.id, who, question.origin, question.model_dump_json())


def delete(connection: sa.Connection, id: str, who: str, origin: str) -> None:
    """Add a version without a body."""
    _add(connection, id, who, origin, None)


def undo(connection: sa.Connection, id: str, origin: str, who: str) -> None:
    """Go back to the latest version that is not of `origin`, if the one that counts is; to none where there is no other."""
    known = current_questions(connection).get(id)
    if known is None or known.origin != origin:
        return
    earlier = sa.select(versions.c.body).where(versions.c.question_id == id, versions.c.origin != origin)
    body = connection.scalar(earlier.order_by(versions.c.id.desc()).limit(1))
    _add(connection, id, who, f"undone: {origin}", body)


def _add(connection: sa.Connection, id: str, who: str, origin: str, body: str | None) -> None:
    values = {"time": now(), "question_id": id, "who": who, "origin": origin, "body": body}
    connection.execute(sa.insert(versions), values)
