"""The user's own multiple-choice questions from JSONL or CSV; every row that cannot be used says what was seen and expected.

A row has `question` (or `prompt`), its choices as a list `choices` or as columns choice_a, choice_b, .. or A, B, .., and
`answer`: a choice's letter, its text, or its number, counted from 0 or from 1 as the whole file shows.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from luosi.artifacts import Question
from luosi.artifacts.base import file_sha256
from luosi.errors import InputError
from luosi.stages.exam.config import Config
from luosi.text.reading import format_of
from luosi.text.streams import Unreadable, opened
from luosi.text.tables import Row, csv_rows, jsonl_rows

SOURCE = "own"
SHOWN = 10


class _Bad(Exception):
    """Why a row cannot be used."""


@dataclass(frozen=True, slots=True)
class _Parsed:
    row: int
    prompt: str
    choices: tuple[str, ...]
    answer: int | None
    """Known from a letter or a text; None if it is a number whose counting is not yet known."""
    number: int = 0


def own_questions(config: Config) -> tuple[list[Question], list[str]]:
    """The usable questions of `config.own` in file order, and one message for each row that was refused.

    Raises:
        InputError: The file is missing, has changed, is of no known format, or has no usable question.
    """
    path = Path(config.own).expanduser()
    if not path.is_file():
        raise InputError(f"the question file {path} does not exist", hint="give a JSONL or CSV file")
    found = file_sha256(path)
    if found != config.own_sha256:
        raise InputError(
            f"the question file {path} has changed: its digest is {found}, the recipe has {config.own_sha256}",
            hint=f'restore it, or put own_sha256 = "{found}" into the recipe to take it as it is now',
        )
    problems: list[str] = []
    parsed: list[_Parsed] = []
    seen: dict[str, int] = {}
    for number, row in _rows(path):
        try:
            question = _parse(number, row)
            earlier = seen.setdefault(" ".join(question.prompt.split()).lower(), number)
            if earlier != number:
                raise _Bad(f"the same question as row {earlier}")
            parsed.append(question)
        except _Bad as error:
            problems.append(f"row {number}: {error}" if number else str(error))
    questions = list(_questions(parsed, _first_number(parsed, path)))
    if not questions:
        shown = "; ".join(problems[:SHOWN]) or "it has no rows"
        raise InputError(
            f"no question of {path} can be used: {shown}",
            hint='a row looks like {"question": "..", "choices": ["..", ".."], "answer": "A"}',
        )
    return questions, problems


def _rows(path: Path) -> Iterator[tuple[int, Row]]:
    readers = {"jsonl": jsonl_rows, "csv": csv_rows}
    reader = readers.get(format_of(path.name))
    if reader is None:
        raise InputError(f"the question file {path} is neither JSONL nor CSV", hint="name it .jsonl or .csv")
    try:
        with opened(path) as stream:
            yield from reader(stream)
    except Unreadable as error:
        yield 0, error


def _parse(number: int, row: Row) -> _Parsed:
    if isinstance(row, Unreadable):
        raise _Bad(f"{row.reason}: {row.detail}" if row.detail else row.reason)
    fields = {key.strip().lower(): value for key, value in row.items()}
    prompt = str(fields.get("question") or fields.get("prompt") or "").strip()
    if not prompt:
        raise _Bad(f"no question; expected a field `question`, saw {', '.join(row) or 'nothing'}")
    choices = _choices(fields)
    if len(choices) < 2:
        raise _Bad(f"{len(choices)} choices; expected at least 2 in `choices` or in choice_a, choice_b, ..")
    if len(set(choices)) < len(choices):
        raise _Bad("two choices are the same; expected different ones")
    given = fields.get("answer")
    text = "" if given is None or isinstance(given, bool) else str(given).strip()
    if not text:
        raise _Bad("no answer; expected a letter, a choice's text or its number in `answer`")
    if text in choices:
        return _Parsed(number, prompt, choices, choices.index(text))
    letters = string.ascii_uppercase[: len(choices)]
    if len(letter := text.rstrip(".)").lstrip("(").upper()) == 1 and letter in letters:
        return _Parsed(number, prompt, choices, letters.index(letter))
    if text.isascii() and text.isdigit() and int(text) <= len(choices):
        return _Parsed(number, prompt, choices, None, int(text))
    raise _Bad(f"answer {text[:60]!r}; expected {letters[0]} to {letters[-1]}, a choice's text, or its number")


def _choices(fields: Mapping[str, object]) -> tuple[str, ...]:
    given = fields.get("choices")
    if isinstance(given, Mapping):  # {"text": [..], "label": [..]}, as ARC has it
        given = given.get("text")
    if isinstance(given, list):
        return tuple(str(choice).strip() for choice in given)
    for style in ("choice_{}", "option_{}", "{}"):
        values = [str(fields.get(style.format(letter)) or "").strip() for letter in string.ascii_lowercase]
        if any(values):
            return tuple(value for value in values if value)
    return ()


def _first_number(parsed: list[_Parsed], path: Path) -> int:
    """Whether the file counts choices from 0 or from 1.

    Raises:
        InputError: Its numbers fit both, or neither.
    """
    numbered = [question for question in parsed if question.answer is None]
    from_zero = any(question.number == 0 for question in numbered)
    from_one = any(question.number == len(question.choices) for question in numbered)
    if numbered and from_zero == from_one:
        what = "count both from 0 and from 1" if from_zero else "may count from 0 or from 1"
        raise InputError(
            f"{path}: the answers given as numbers {what}, first in row {numbered[0].row}",
            hint="give the answers as letters: A, B, C, ..",
        )
    return 1 if from_one else 0


def _questions(parsed: list[_Parsed], first: int) -> Iterator[Question]:
    for question in parsed:
        answer = question.number - first if question.answer is None else question.answer
        yield Question(
            id=f"{SOURCE}/{question.row}",
            source=SOURCE,
            prompt=question.prompt,
            choices=question.choices,
            answer=answer,
        )
