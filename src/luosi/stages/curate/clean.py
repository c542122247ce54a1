"""One text made clean, and the reason it is no text worth keeping. Knows nothing of other documents."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

LETTER_SHARE = 0.25
"""Of the characters that are not space; below it a document is tables, code points or noise."""
BROKEN_SHARE = 0.05
"""Of replacement characters; above it the file was no text."""

_LINE_ENDS = re.compile("\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_SPACES = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f]")
_INVISIBLE = re.compile("[\u00ad\u200b\u2060\ufeff]")
_CONTROL = re.compile("[\x01-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_BLANK_LINES = re.compile("\n{3,}")


def clean(text: str, repaired: Counter[str]) -> str:
    """`text` in NFC without NUL, control and invisible characters, with "\\n" line ends, no trailing blanks and at most one
    empty line together; indentation and the rest of the layout stay. What was damaged is counted in `repaired`."""
    if nuls := text.count("\0"):
        repaired["NUL bytes removed"] += nuls
        text = text.replace("\0", "")
    if broken := text.count("\ufffd"):
        repaired["invalid bytes replaced"] += broken
    if _LINE_ENDS.search(text):
        text = _LINE_ENDS.sub("\n", text)
    text = _removed(_CONTROL, "control characters removed", text, repaired)
    if not text.isascii():
        if lone := len(_SURROGATE.findall(text)):
            repaired["surrogates replaced"] += lone
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        text = _removed(_INVISIBLE, "invisible characters removed", text, repaired)
        text = unicodedata.normalize("NFC", _SPACES.sub(" ", text))
    text = "\n".join([line.rstrip() for line in text.split("\n")])
    return _BLANK_LINES.sub("\n\n", text).strip("\n")


def clean_pages(text: str, page: int, repaired: Counter[str]) -> tuple[str, int, tuple[int, ...]]:
    """A cleaned text, the page of its first character, and the offsets at which each further page begins.

    Args:
        text: As read, with a form feed between pages if `page` is not 0.
        page: Of its first character, from 1; 0 for a text without pages.

    Pages are cleaned one by one and joined by an empty line, so the whole is as clean as each. A page that is left empty has
    the same offset as the next one, unless it is the last.

    >>> clean_pages("\\f\\fthird\\f\\ffifth\\f", 1, Counter())
    ('third\\n\\nfifth', 3, (7, 7))
    """
    if not page:
        return clean(text, repaired), 0, ()
    parts = [clean(part, repaired) for part in text.split("\f")]
    if not any(parts):
        return "", page, ()
    first = next(number for number, part in enumerate(parts) if part)
    offsets: list[int] = []
    empty, length = 0, len(parts[first])
    for part in parts[first + 1 :]:
        empty += 1
        if part:
            length += 2
            offsets += [length] * empty
            empty, length = 0, length + len(part)
    return "\n\n".join(filter(None, parts)), page + first, tuple(offsets)


def _removed(pattern: re.Pattern[str], reason: str, text: str, repaired: Counter[str]) -> str:
    text, count = pattern.subn("", text)
    if count:
        repaired[reason] += count
    return text


def drop_reason(text: str, min_chars: int) -> str:
    """Why a cleaned text is dropped, or ""."""
    solid = "".join(text.split())
    if not solid:
        return "no text"
    if solid.count(solid[0]) == len(solid):
        return "all one character"
    if len(text) < min_chars:
        return "too short"
    letters = sum(map(str.isalpha, solid))
    if letters < LETTER_SHARE * len(solid) or solid.count("\ufffd") > BROKEN_SHARE * len(solid):
        return "mostly not text"
    return ""
