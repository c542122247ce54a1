"""What people said: their own questions, corrections of answers, and marks. Kept in accounts.db; nothing is ever overwritten.

Questions are a log of versions, the latest of each id counts, and a deleted one is a version without a body.

Nobody trains on the test. A correction made on the verdict's page changes that question's accepted answer and never becomes
training data. One made in chat becomes, by a hash of the question's text, a question of the next exam (one in three) or a pair to
train on (the rest); what is, or nearly is, a question already stays one. `use` says which, and a person may change it where the
rule allows. Blocks: not for the event loop. Knows nothing of HTTP, models and recipes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import sqlalchemy as sa

from luosi.artifacts import Question
from luosi.artifacts.base import write_jsonl
from luosi.errors import InputError
from luosi.grading.near import asked_among
from luosi.grading.questions import SOURCE, asks, read_questions, row_of
from luosi.grading.rows import same_text
from luosi.serve.corrections import Correction, Place, Use, apply, change, correction_of, corrections
from luosi.serve.questions import current_questions, delete, now, put, question_from, table, undo
from luosi.serve.records import Records
from luosi.text.hashing import digest

ONE_IN = 3
"""One chat correction in so many becomes a question."""
_marks = table("marks", "time", "recipe", "arm", "question_id", "answer", "who")
_marks.append_column(sa.Column("correct", sa.Boolean, nullable=False))


@dataclass(frozen=True)
class Mark:
    """A person's word on one arm's answer; `answer` is the text that was marked, "" if it was not handed over."""

    arm: str
    question_id: str
    right: bool
    answer: str
    who: str
    time: str


@dataclass(frozen=True)
class Imported:
    """What became of a file's rows: questions added, those there already, and (origin, reason) of those refused."""

    added: int
    same: int
    refused: list[tuple[str, str]]


class Feedback(Records):
    """The questions, corrections and marks of one accounts.db; see `Records`."""

    def questions(self) -> list[Question]:
        """The person's questions as they are now, in the order in which they were first put."""
        with self._reading() as connection:
            return list(current_questions(connection).values())

    def put_question(self, row: Mapping[str, object], *, id: str = "", who: str = "", origin: str = "page") -> Question:
        """Add a question, or change the one called `id`; `row` has the fields of a question file's row (luosi.grading.rows).

        Raises:
            InputError: The row cannot be used, or another question asks the same.
        """
        question = question_from(dict(row) | ({"id": id.removeprefix(f"{SOURCE}/")} if id else {}), origin)
        with self._writing() as connection:
            for known in current_questions(connection).values():
                if known.id != question.id and asks(known) == asks(question):
                    raise InputError(f"{question.prompt[:80]!r} is asked already", hint=f"change question {known.id}")
            put(connection, question, who)
        return question

    def delete_question(self, id: str, *, who: str = "") -> None:
        """Take a question out of the next exams; its versions stay.

        Raises:
            InputError: There is none of that id.
        """
        with self._writing() as connection:
            if id not in current_questions(connection):
                raise InputError(f"there is no question {id!r}")
            delete(connection, id, who, "page")

    def import_questions(self, path: Path, *, who: str = "") -> Imported:
        """Add the questions of a file; one that is there already with another answer is refused, since nobody knows which is right.

        Raises:
            InputError: The file cannot be read as questions.
        """
        read = read_questions(path)
        refused = [(f"{path.name} row {one.row}" if one.row else path.name, one.reason) for one in read.refused]
        added = same = 0
        ignored = {"id": "", "origin": ""}
        with self._writing() as connection:
            current = current_questions(connection)
            by_text = {asks(known): known for known in current.values()}
            for question in read.questions:
                known = by_text.get(asks(question)) or current.get(question.id)
                if known is None:
                    put(connection, question, who)
                    added += 1
                elif row_of(known) | ignored == row_of(question) | ignored:
                    same += 1
                else:
                    reason = f"question {known.id} is there already and says otherwise ({known.origin}); change it on the page"
                    refused.append((question.origin, reason))
        return Imported(added, same, refused)

    def correct(
        self,
        question: str,
        given: str,
        corrected: str,
        *,
        model: str,
        recipe: str = "",
        where: Place = "chat",
        who: str = "",
        asked: Question | None = None,
    ) -> Correction:
        """Keep a correction, and what it means for the next exam and the next training.

        Args:
            question: As it was put.
            given: The answer that was wrong.
            corrected: What is right; for a question with choices a letter or a choice's text.
            model: The model or arm that answered.
            asked: The verdict's question, so that its choices, file and page stay with it; the store's own is used if there is one.

        Raises:
            InputError: Nothing is corrected, the answer is none of the choices, or the question is one that Luosi made itself.
        """
        if not question.strip() or not corrected.strip():
            raise InputError("a correction needs a question and the right answer")
        if asked is not None and asked.source != SOURCE:
            raise InputError("this question was made from held-out text and has no other answer to accept")
        with self._writing() as connection:
            current = current_questions(connection)
            known = (asked and current.get(asked.id)) or _of_text(current.values(), question) or asked
            test = where == "verdict" or known is not None or asked_among(question, current.values())
            use: Use = "question" if test or digest("use", same_text(question))[0] % ONE_IN == 0 else "pair"
            values = {
                "time": now(), "question": question, "given": given, "corrected": corrected, "model": model,
                "recipe": recipe, "place": where, "who": who, "use": use, "question_id": "",
            }  # fmt: skip
            id = connection.execute(sa.insert(corrections), values).inserted_primary_key
            assert id is not None, "SQLite numbers every row"
            return apply(connection, correction_of(connection, id[0]), known)

    def corrections(self) -> list[Correction]:
        """All corrections, the first first."""
        with self._reading() as connection:
            return [Correction(**row._mapping) for row in connection.execute(sa.select(corrections).order_by("id"))]

    def set_use(self, correction: int, use: Use, *, who: str = "") -> Correction:
        """Use a correction otherwise: a question that it alone made goes, a question that it makes comes.

        Raises:
            InputError: There is no such correction, or it must not be trained on.
        """
        if use not in get_args(Use):
            raise InputError(f"use {use!r}; expected {', '.join(get_args(Use))}")
        with self._writing() as connection:
            one = correction_of(connection, correction)
            if one.question_id and use != "question":
                undo(connection, one.question_id, one.origin, who)
            others = list(current_questions(connection).values())
            if use == "pair" and (one.place == "verdict" or asked_among(one.question, others)):
                raise InputError(
                    f"correction {correction} is of a question of the exam, which must not be trained on",
                    hint="use it as a question, or not at all",
                )
            change(connection, correction, use=use, question_id=one.question_id if use == "question" else "")
            return apply(connection, correction_of(connection, correction), _of_text(others, one.question))

    def mark(self, recipe: str, arm: str, question_id: str, right: bool, *, answer: str = "", who: str = "") -> None:
        """Keep a person's word on an answer; `answer` is its text, so that the mark is not taken for a later answer's."""
        values = {"time": now(), "recipe": recipe, "arm": arm, "question_id": question_id}
        with self._writing() as connection:
            connection.execute(sa.insert(_marks), values | {"correct": right, "answer": answer, "who": who})

    def marks(self, recipe: str) -> list[Mark]:
        """The latest mark of every arm and question of a recipe."""
        query = sa.select(_marks).where(_marks.c.recipe == recipe).order_by(_marks.c.id)
        with self._reading() as connection:
            latest = {(row.arm, row.question_id): row for row in connection.execute(query)}
        return [Mark(r.arm, r.question_id, r.correct, r.answer, r.who, r.time) for r in latest.values()]

    def questions_file(self, path: Path) -> int:
        """Write the questions as JSONL that the exam stage reads; returns how many."""
        return write_jsonl(path, [row_of(question) for question in self.questions()])

    def pairs_file(self, path: Path, exam: Sequence[Question] = ()) -> tuple[int, list[Correction]]:
        """Write the corrections to train on as JSONL: {"question", "answer", "origin", "id"}.

        Args:
            exam: Further questions that must not be trained on, beside those kept here.

        Returns:
            How many were written, and those left out because they are nearly a question of the exam by now.
        """
        tested = [*self.questions(), *exam]
        pairs = [one for one in self.corrections() if one.use == "pair"]
        left_out = [one for one in pairs if asked_among(one.question, tested)]
        latest = {same_text(one.question): one for one in pairs if one not in left_out}
        rows: list[dict[str, object]] = [
            {"id": f"correction/{one.id}", "question": one.question, "answer": one.corrected, "origin": one.origin}
            for one in latest.values()
        ]
        return write_jsonl(path, rows), left_out


def _of_text(questions: Iterable[Question], text: str) -> Question | None:
    return next((known for known in questions if same_text(known.prompt) == same_text(text)), None)
