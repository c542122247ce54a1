"""The pool of prompts for people who have none at hand: from a file (JSONL, CSV, XLSX, or text with one a line), and the user's own
questions as the exam asks them. Knows no page and no vote.
"""

from __future__ import annotations

import random
import string
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from luosi.artifacts import Question
from luosi.errors import InputError
from luosi.grading.rows import same_text
from luosi.text.decoding import lines
from luosi.text.hashing import digest
from luosi.text.reading import format_of
from luosi.text.streams import Unreadable, opened, whole
from luosi.text.tables import LINE_CHARS, Row, csv_rows, jsonl_rows, xlsx_rows

MOST_CHARS = 20_000
"""Of a prompt."""
EMPTY, TOO_LONG, NO_PROMPT, SAME = (
    "the prompt is empty", f"the prompt is over {MOST_CHARS:,} characters", "no prompt; expected a column `prompt`",
    "the same prompt was there before",
)  # fmt: skip
MOST_REASONS = 10
"""Told singly of a file."""
PROMPT = ("prompt", "question", "q", "text", "instruction", "提示", "提示词", "问题", "题目")
TOPIC = ("topic", "category", "tag", "主题", "类别", "分类")
POOL = "pool/"
_READERS = {"jsonl": jsonl_rows, "csv": csv_rows, "xlsx": xlsx_rows}


@dataclass(frozen=True)
class Prompt:
    """One prompt of the pool."""

    id: str
    """The same for the same words."""
    text: str
    topic: str = ""
    """As the file says; "" where nobody said."""


def prompt_id(text: str) -> str:
    """What prompts share that people would call the same: a digest of the words, whatever their case, width and spaces.

    >>> prompt_id("Who signs? ") == prompt_id("who  signs?")
    True
    """
    return digest("prompt", same_text(text)).hex()[:16]


def cleaned(text: object) -> str:
    """A prompt as it can be kept and sent.

    Raises:
        InputError: It is empty or too long.
    """
    prompt = str(text or "").encode("utf-8", "replace").decode().replace("\0", "").strip()
    if not prompt:
        raise InputError(EMPTY)
    if len(prompt) > MOST_CHARS:
        raise InputError(TOO_LONG, hint=f"it has {len(prompt):,}")
    return prompt


def read_prompts(path: Path) -> tuple[list[Prompt], dict[str, int]]:
    """The prompts of a file, each once, and how many rows could not be used, by the reason, at most `MOST_REASONS` of them.

    Raises:
        InputError: The file is not there, of no known format, or holds no prompt.
    """
    if not path.is_file():
        raise InputError(f"the prompt file {path} does not exist", hint="give a JSONL, CSV, XLSX or TXT file")
    found: dict[str, Prompt] = {}
    refused: dict[str, int] = {}
    for row in _rows(path):
        try:
            prompt = _prompt(row)
            if found.setdefault(prompt.id, prompt) is not prompt:
                raise InputError(SAME)
        except InputError as error:
            why = error.message if error.message in refused or len(refused) < MOST_REASONS - 1 else "other reasons"
            refused[why] = refused.get(why, 0) + 1
    if not found:
        seen = "; ".join(f"{count} x {why}" for why, count in refused.items()) or "it is empty"
        raise InputError(
            f"the prompt file {path} holds no prompt: {seen[:300]}",
            hint="give a column `prompt`, and `topic` if you like",
        )
    return list(found.values()), refused


def _rows(path: Path) -> Iterator[Row]:
    kind = format_of(path.name)
    if kind not in (*_READERS, "text"):
        raise InputError(
            f"the prompt file {path} is neither JSONL nor CSV nor XLSX nor TXT",
            hint="name it .jsonl, .csv, .xlsx or .txt",
        )
    try:
        with opened(path) as stream:
            if reader := _READERS.get(kind):
                yield from (row for _, row in reader(stream if stream.seekable() else whole(stream)))
            else:
                for _, line in lines(stream, LINE_CHARS):
                    if line is None:
                        yield Unreadable("line too long", f"more than {LINE_CHARS:,} characters")
                    elif line.strip("\ufeff \t\r\n"):
                        yield {"prompt": line}
    except Unreadable as error:
        yield error


def _prompt(row: Row) -> Prompt:
    if isinstance(row, Unreadable):
        raise InputError(row.reason)  # without its detail, which is another one for each row
    fields = {str(name).strip().lower(): value for name, value in row.items() if value not in (None, "")}
    text = next((fields[name] for name in PROMPT if name in fields), None)
    if not isinstance(text, str | int | float):
        raise InputError(NO_PROMPT)
    topic = next((str(fields[name]) for name in TOPIC if name in fields), "")
    prompt = cleaned(str(text).lstrip("\ufeff"))
    return Prompt(prompt_id(prompt), prompt, " ".join(topic.replace("\0", "").split())[:60])


def of_questions(questions: Iterable[Question]) -> list[Prompt]:
    """The user's own questions, with their choices; each one's topic is the file that it is about."""
    found = []
    for question in questions:
        listed = [
            f"{letter}. {choice}" for letter, choice in zip(string.ascii_uppercase, question.choices, strict=False)
        ]
        text = "\n".join([question.prompt, *listed])[:MOST_CHARS]
        found.append(Prompt(prompt_id(text), text, question.file[:60]))
    return found


def draw(pool: Sequence[Prompt], seen: set[str]) -> Prompt | None:
    """One of those that this voter was not asked yet, if there is any left; None if the pool is empty."""
    fresh = [prompt for prompt in pool if POOL + prompt.id not in seen]
    return random.choice(fresh or list(pool)) if pool else None
