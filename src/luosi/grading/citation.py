"""Whether the passages an answer rests on stand where the user said the answer is."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from luosi.artifacts import Question
from luosi.artifacts.answers import Cited


def citation(question: Question, shown: Sequence[Cited]) -> float | None:
    """1.0 where a cited passage is of the question's file, and of its page if it names one; 0.0 where none is.

    None where the question names no file or no passage was shown. A passage is known by the page on which it begins, so one that
    begins on the page before counts too: it may run over the page's end.
    """
    if not question.file or not shown:
        return None
    pages = (0, question.page, question.page - 1)
    return float(
        any(
            one.cited and same_file(question.file, one.file) and (not question.page or one.page in pages)
            for one in shown
        )
    )


def same_file(named: str, found: str) -> bool:
    """Whether a name that a person gave means the file `found`: the same, or its end from a folder's name on; case is ignored.

    >>> same_file("Leave.PDF", "hr/2021/leave.pdf"), same_file("r/leave.pdf", "hr/leave.pdf")
    (True, False)
    """
    first, second = _path(named), _path(found)
    return first == second or second.endswith(f"/{first}")


def _path(name: str) -> str:
    return unicodedata.normalize("NFC", name.strip()).replace("\\", "/").removeprefix("./").casefold()
