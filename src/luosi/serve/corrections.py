"""Corrections in accounts.db: an answer that a person put right, and the question of the next exam that it makes or changes.

Functions on an open transaction, see serve/feedback.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from luosi.artifacts import Question
from luosi.errors import InputError
from luosi.grading.questions import row_of
from luosi.serve.questions import put, question_from, table

Use = Literal["question", "pair", "none"]
Place = Literal["chat", "verdict"]
KEPT_GRADERS = ("exact", "judge")
"""Graders that stay when an accepted answer is changed; the others follow from the new answer's form."""


corrections = table(
    "corrections", "time", "question", "given", "corrected", "model", "recipe", "place", "who", "use", "question_id"
)


@dataclass(frozen=True)
class Correction:
    """An answer that a person put right; `model` gave the answer `given`, `time` is UTC."""

    id: int
    time: str
    question: str
    given: str
    corrected: str
    model: str
    recipe: str
    place: Place
    who: str
    use: Use
    question_id: str
    """Of the question it became or changed, "" if its use is another."""

    @property
    def origin(self) -> str:
        """Provenance for people: "correction 3 of 2026-11-22, chat with open_files"."""
        return f"correction {self.id} of {self.time[:10]}, {self.place} with {self.model or 'a model'}"


def correction_of(connection: sa.Connection, id: int) -> Correction:
    """The correction of that number.

    Raises:
        InputError: There is none.
    """
    row = connection.execute(sa.select(corrections).where(corrections.c.id == id)).first()
    if row is None:
        raise InputError(f"there is no correction {id}")
    return Correction(**row._mapping)


def change(connection: sa.Connection, id: int, **values: str) -> None:
    """Set columns of a correction."""
    connection.execute(sa.update(corrections).where(corrections.c.id == id).values(**values))


def apply(connection: sa.Connection, one: Correction, known: Question | None) -> Correction:
    """Where a correction is used as a question, make the question or change the accepted answer of the known one."""
    if one.use != "question":
        return one
    row = row_of(known) if known else {"question": one.question}
    grader = row.pop("grader", "")
    kept = {"grader": grader} if grader in KEPT_GRADERS else {}
    question = question_from(row | kept | {"answer": [one.corrected]}, one.origin)
    put(connection, question, one.who)
    change(connection, one.id, question_id=question.id)
    return correction_of(connection, one.id)
