"""The user's own questions from a JSONL, CSV or XLSX file: those that can be used, and for each other row why it cannot.

Of two rows with one question and one answer the later is refused; where their answers differ all are, since nobody knows which
is right. A question is known by its id, or else by a hash of its text and choices, so that marks and corrections stay with it
when rows are moved.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from luosi.artifacts import Question
from luosi.errors import InputError
from luosi.grading.rows import BadRow, Draft, draft, same_text
from luosi.text.hashing import digest
from luosi.text.reading import format_of
from luosi.text.streams import Unreadable, opened, whole
from luosi.text.tables import Row, csv_rows, jsonl_rows, xlsx_rows

SOURCE = "own"
_READERS = {"jsonl": jsonl_rows, "csv": csv_rows, "xlsx": xlsx_rows}


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that cannot be used; `row` is the sheet's or file's own number, 0 for the file as a whole."""

    row: int
    reason: str

    def __str__(self) -> str:
        return f"row {self.row}: {self.reason}" if self.row else self.reason


@dataclass(frozen=True, slots=True)
class OwnQuestions:
    """A file's usable questions in its order, and the rows that were refused."""

    questions: list[Question]
    refused: list[Refused]


def read_questions(path: Path) -> OwnQuestions:
    """The questions of a file; every row is either among them or refused.

    Raises:
        InputError: The file is not there, is of no known format, or counts choices in a way that cannot be told.
    """
    if not path.is_file():
        raise InputError(f"the question file {path} does not exist", hint="give a JSONL, CSV or XLSX file")
    reader = _READERS.get(format_of(path.name))
    if reader is None:
        raise InputError(
            f"the question file {path} is neither JSONL nor CSV nor XLSX", hint="name it .jsonl, .csv or .xlsx"
        )
    return questions_of(_rows(path), path.name)


def _rows(path: Path) -> Iterator[tuple[int, Row]]:
    reader = _READERS[format_of(path.name)]
    try:
        with opened(path) as stream:
            yield from reader(stream if stream.seekable() else whole(stream))
    except Unreadable as error:
        yield 0, error


def questions_of(rows: Iterable[tuple[int, Row]], name: str) -> OwnQuestions:
    """The questions of numbered rows of the file `name`."""
    refused: dict[int, str] = {}
    drafts: dict[int, Draft] = {}
    for number, row in rows:
        try:
            if isinstance(row, Unreadable):
                raise BadRow(f"{row.reason}: {row.detail}" if row.detail else row.reason)
            drafts[number] = draft(row)
        except BadRow as error:
            refused[number] = str(error)
    first = _first_number(drafts, name)
    made = {row: _question(one, first, one.origin or f"{name} row {row}") for row, one in drafts.items()}
    refused |= _repeated(made) | _same_ids(made)
    left = [question for row, question in made.items() if row not in refused]
    return OwnQuestions(left, [Refused(row, refused[row]) for row in sorted(refused)])


def question_of(row: Mapping[str, object], origin: str) -> Question:
    """The question of a single row, as a page edits it.

    Raises:
        BadRow: It cannot be used; also where the right choice is given by a number, which alone does not tell what it counts from.
    """
    one = draft(row)
    if one.number is not None and one.number not in (0, len(one.choices)):
        raise BadRow(f"answer {one.number} may count from 0 or from 1; expected a letter or the choice's text")
    return _question(one, 0 if one.number == 0 else 1, origin)


def _first_number(drafts: Mapping[int, Draft], name: str) -> int:
    """Whether the file counts choices from 0 or from 1.

    Raises:
        InputError: Its numbers fit both, or neither.
    """
    numbered = {row: one for row, one in drafts.items() if one.number is not None}
    from_zero = any(one.number == 0 for one in numbered.values())
    from_one = any(one.number == len(one.choices) for one in numbered.values())
    if numbered and from_zero == from_one:
        what = "count both from 0 and from 1" if from_zero else "may count from 0 or from 1"
        raise InputError(
            f"{name}: the answers given as numbers {what}, first in row {min(numbered)}",
            hint="give the answers as letters: A, B, C, ..",
        )
    return 1 if from_one else 0


def _question(one: Draft, first: int, origin: str) -> Question:
    answer = one.answer if one.number is None else one.number - first
    known_by = one.id or digest(same_text(one.prompt), *sorted(map(same_text, one.choices))).hex()[:12]
    return Question(
        id=f"{SOURCE}/{known_by}",
        source=SOURCE,
        prompt=one.prompt,
        choices=one.choices,
        answer=answer,
        answers=one.answers,
        passage=one.passage,
        file=one.file,
        page=one.page,
        grader=one.grader,
        origin=origin,
    )


def asks(question: Question) -> tuple[str, ...]:
    """What two questions share that ask the same: their text and their choices in any order."""
    return same_text(question.prompt), *sorted(map(same_text, question.choices))


def row_of(question: Question) -> dict[str, object]:
    """The row of a question file that says the same: reading it gives the question back."""
    row: dict[str, object] = {
        "id": question.id.removeprefix(f"{SOURCE}/"),
        "question": question.prompt,
        "choices": list(question.choices),
        "answer": [_says(question)] if question.choices else list(question.answers),
        "passage": question.passage,
        "file": question.file,
        "page": question.page,
        "grader": question.grader,
        "origin": question.origin,
    }
    return {name: value for name, value in row.items() if value}


def _says(question: Question) -> str:
    """The accepted answer, to compare and to show."""
    if question.choices:
        assert question.answer is not None, "the contract of Question"
        return question.choices[question.answer]
    return " | ".join(question.answers) or question.passage


def _repeated(made: Mapping[int, Question]) -> dict[int, str]:
    """Rows that ask what another asks, and why they are refused."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for row, question in made.items():
        groups.setdefault(asks(question), []).append(row)
    refused: dict[int, str] = {}
    for rows in groups.values():
        says = {row: _says(made[row]) for row in rows}
        for row in rows[1:]:
            refused[row] = f"the same question as row {rows[0]}"
        other = next((row for row in rows if same_text(says[row]) != same_text(says[rows[0]])), None)
        for row in rows if other is not None else ():
            against = other if row == rows[0] or same_text(says[row]) == same_text(says[rows[0]]) else rows[0]
            refused[row] = (
                f"two answers to one question: {says[row][:60]!r} here, {says[against or 0][:60]!r} in row {against}; "
                'expected one row, with all accepted answers as "first | second"'
            )
    return refused


def _same_ids(made: Mapping[int, Question]) -> dict[int, str]:
    first: dict[str, int] = {}
    repeated = {row: first.setdefault(question.id, row) for row, question in made.items()}
    return {
        row: f"the id {made[row].id.partition('/')[2]!r} is that of row {earlier}; expected another, or none"
        for row, earlier in repeated.items()
        if earlier != row and asks(made[row]) != asks(made[earlier])
    }
