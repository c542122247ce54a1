"""A question with its answer before it is known to be fit to train on, and the plain form in which texts are compared."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

from luosi.artifacts import Passage

_SIGNS = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a rule, a model or a person offers."""

    question: str
    answer: str
    origin: Literal["template", "model", "correction"]
    note: str
    """Which rule, which model, whose correction."""
    passage: Passage | None
    """Where the answer stands; None for a correction whose answer stands in no passage."""


def plain(text: str) -> str:
    """Lower-case words with single spaces between, no signs: what two texts are compared in.

    >>> plain("The “Licence”,\\n  v2.0")
    'the licence v2 0'
    """
    return _SIGNS.sub(" ", unicodedata.normalize("NFKC", text).lower()).strip()


def said_in(answer: str, text: str) -> bool:
    """Whether `answer` stands in `text`, white space and signs aside, as whole words where the script has any."""
    wanted, within = plain(answer), plain(text)
    if not wanted:
        return False
    place = within.find(wanted)
    while place >= 0:
        before, after = within[place - 1 : place], within[place + len(wanted) : place + len(wanted) + 1]
        if not (_joined(before, wanted[0]) or _joined(wanted[-1], after)):
            return True
        place = within.find(wanted, place + 1)
    return False


def _joined(first: str, second: str) -> bool:
    """Whether two characters side by side belong to one word of a script with spaces, or to one number."""
    return first.isalnum() and second.isalnum() and first.isascii() and second.isascii()
