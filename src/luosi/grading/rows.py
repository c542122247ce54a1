"""One row of a person's question file becomes a draft of a question, or says why it cannot: what was seen, what was expected.

Columns, in English or Chinese (`COLUMNS`): the question; its choices as a list, as "red | green", or in columns A, B, ..; its
accepted answers as a list or as "25 days | 25" (a bar with a space on either side, or ｜); a reference passage; the file and page where the
answer stands; a grader; an id. Only the question and one of answer and passage must be there. Knows nothing of other rows.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from luosi.artifacts.corpus import Grader
from luosi.grading.dates import as_date
from luosi.grading.grade import fits, grader_for
from luosi.grading.words import plain

_NAMES = """
question: question prompt q 问题 题目 提问
answer: answer answers accepted 答案 正确答案 参考答案 标准答案
choices: choices options 选项
passage: passage reference context 段落 参考段落 原文 依据
file: file document 文件 文件名 出处
page: page 页 页码 页数
grader: grader 评分 评分方式 判分
id: id 编号 序号
origin: origin 来源
"""
COLUMNS = {
    name: line.partition(":")[0] for line in _NAMES.strip().splitlines() for name in line.partition(":")[2].split()
}
"""Column name -> what it holds; case, width, spaces and underscores do not matter. "选项A", "choice_a", "option a" and "A" are choices."""

_CHINESE = {
    "选择": "choice",
    "精确": "exact",
    "数字": "number",
    "日期": "date",
    "词重合": "f1",
    "段落": "passage",
    "评审": "judge",
}
_CHOICE_COLUMN = re.compile(r"(?!choices|options)(?:choice|option|选项)?([a-z])")
_BAR = re.compile(r"\s+\|\s+|\s*｜\s*")
_PAGE = re.compile(r"\D*(\d{1,7})\D*")
_SEEN_CHARS = 60


class BadRow(ValueError):
    """Why a row cannot be used, for people."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A question as its row has it; the fields are those of artifacts.Question.

    Attributes:
        number: Instead of `answer`, where the right choice is given by a number and only the whole file can show whether it
            counts from 0 or from 1; None elsewhere.
    """

    prompt: str
    choices: tuple[str, ...]
    answer: int | None
    number: int | None
    answers: tuple[str, ...]
    passage: str
    file: str
    page: int
    grader: Grader
    id: str
    origin: str


def draft(row: Mapping[str, object]) -> Draft:
    """The question of one row.

    Raises:
        BadRow: It has no question, no answer, or parts that do not go together.
    """
    fields: dict[str, object] = {}
    for name, value in row.items():
        key = re.sub(r"[\s_]+", "", _folded(name))
        if _text(value) or isinstance(value, list | Mapping):
            fields.setdefault(COLUMNS.get(key, key), value)
    if [name for name in fields if _CHOICE_COLUMN.fullmatch(name)] == ["a"]:  # columns Q and A
        fields.setdefault("answer", fields.pop("a"))
    prompt = _text(fields.get("question"))
    if not prompt:
        seen = ", ".join(_text(name) for name in row) or "nothing"
        raise BadRow(f"no question; expected a column `question` (问题), saw {seen[:300]}")
    choices = _choices(fields)
    passage, file, page = _text(fields.get("passage")), _text(fields.get("file")), _page(fields.get("page"))
    if page and not file:
        raise BadRow(f"page {page} of no file; expected the file's name in `file` (文件)")
    given = _listed(fields.get("answer"))
    answer, number = _right_choice(given, choices) if choices else (None, None)
    answers = () if choices else tuple(dict.fromkeys(given))
    if not (choices or answers or passage):
        raise BadRow("no answer; expected one in `answer` (答案), or a reference passage in `passage` (段落)")
    grader = _grader(_text(fields.get("grader")), choices, answers, passage)
    id, origin = _text(fields.get("id")), _text(fields.get("origin"))
    return Draft(prompt, choices, answer, number, answers, passage, file, page, grader, id, origin)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip().casefold()


def same_text(text: str) -> str:
    """What two texts share that people would call the same: width, case and spaces left out."""
    return " ".join(_folded(text).split())


def _text(value: object) -> str:
    """A cell as text: 12.0 is "12", true "true", nothing ""; what is no UTF-8 is replaced."""
    if value is None or isinstance(value, list | Mapping):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).encode("utf-8", "replace").decode().replace("\0", "").strip()


def _listed(value: object) -> list[str]:
    """The values of a cell that may hold several."""
    values = [_text(one) for one in value] if isinstance(value, list) else _BAR.split(_text(value))
    return [one for one in values if one]


def _choices(fields: Mapping[str, object]) -> tuple[str, ...]:
    given = fields.get("choices")
    if isinstance(given, Mapping):  # {"text": [..], "label": [..]}, as ARC has it
        given = given.get("text")
    choices = tuple(_listed(given))
    if not choices:
        columns = {match[1]: _text(v) for name, v in fields.items() if (match := _CHOICE_COLUMN.fullmatch(name))}
        letters = string.ascii_lowercase[: len(columns)]
        if columns and set(columns) != set(letters):
            holes = ", ".join(letter.upper() for letter in letters if letter not in columns)
            raise BadRow(f"choices {', '.join(sorted(columns)).upper()} without {holes}; expected no gap")
        choices = tuple(columns[letter] for letter in letters)
    if len(choices) == 1:
        raise BadRow("1 choice; expected at least 2 in `choices` (选项) or in columns A, B, ..; or none at all")
    if len({same_text(choice) for choice in choices}) < len(choices):
        raise BadRow("two choices are the same; expected different ones")
    return choices


def _right_choice(given: list[str], choices: tuple[str, ...]) -> tuple[int | None, int | None]:
    """(index, None), or (None, number) where the file's counting is yet to be found out."""
    letters = string.ascii_uppercase[: len(choices)]
    expected = f"expected {letters[0]} to {letters[-1]}, a choice's text, or its number"
    if not given:
        raise BadRow(f"no answer; {expected}, in `answer` (答案)")
    if len(given) > 1:
        raise BadRow(f"two answers to one question: {' and '.join(given[:2])[:_SEEN_CHARS]}; {expected}")
    folded = [same_text(choice) for choice in choices]
    (text,) = given
    if same_text(text) in folded:
        return folded.index(same_text(text)), None
    letter = plain(text).rstrip(".) ").lstrip("( ").upper()
    if len(letter) == 1 and letter in letters:
        return letters.index(letter), None
    if text.isascii() and text.isdigit() and len(text) < 4 and int(text) <= len(choices):
        return None, int(text)
    raise BadRow(f"answer {text[:_SEEN_CHARS]!r}; {expected}")


def _page(value: object) -> int:
    text = plain(_text(value))
    match = _PAGE.fullmatch(text)
    if text and not match:
        raise BadRow(f"page {text[:_SEEN_CHARS]!r}; expected one number")
    return int(match[1]) if match else 0


def _grader(name: str, choices: tuple[str, ...], answers: tuple[str, ...], passage: str) -> Grader:
    """The grader asked for, if it can mark this question, else the one that its answers call for."""
    read = [as_date(answer) for answer in answers]
    wanted = _CHINESE.get(name, _folded(name))
    if wanted and wanted not in get_args(Grader):
        raise BadRow(f"grader {name[:_SEEN_CHARS]!r}; expected {', '.join(get_args(Grader))}, or none")
    if read and all(read) and wanted in ("", "date"):
        for one, answer in zip(read, answers, strict=True):
            if one and len(one.readings) > 1:
                days = " or ".join(f"{day.year:04}-{day.month:02}-{day.day:02}" for day in one.readings)
                raise BadRow(f"the date {answer!r} may be {days}; expected the one that is meant, written so")
    if not wanted:
        return grader_for(choices, answers)
    grader: Grader = next(known for known in get_args(Grader) if known == wanted)
    if (grader == "choice") != bool(choices):
        raise BadRow(f"grader {name} for a question {'with' if choices else 'without'} choices; leave it out")
    if grader == "passage" and not passage:
        raise BadRow("grader passage without one; expected it in `passage` (段落)")
    if grader not in ("choice", "passage", "judge") and not answers:
        raise BadRow(f"grader {name} without an answer; expected one in `answer` (答案)")
    unfit = next((answer for answer in answers if grader in ("number", "date") and not fits(grader, answer)), "")
    if unfit:
        raise BadRow(f"grader {name}, and the answer {unfit[:_SEEN_CHARS]!r} is no {grader}; leave the grader out")
    return grader
