"""Documents cut into pieces that stand by themselves: under one heading, of about one size, no sentence or table row cut in two.

Structure is read from the text: Markdown headings, empty lines between paragraphs, rows of tables (lines with "|" in them), lines,
sentences. A piece is a stretch of the document; one that begins inside a table gets the table's first row above it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from luosi.retrieval.words import UNSPACED

WIDE = 3
"""What a character counts in a script that writes no spaces: it says about as much as so many letters, and takes more tokens."""
LONGEST_ROW = 4
"""A table row longer than so many passages is cut like a sentence."""

_WIDE_CHARACTER = re.compile(f"[{UNSPACED}]")
_LINE = re.compile(r"[^\n]*\n?")
_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(.*?)[ \t#]*$")
_FENCE = re.compile(r" {0,3}(```|~~~)")
_RULE = re.compile(r"[\s|:+-]*-[\s|:+-]*$")
_ENDS = (
    re.compile(r"\n\s*"),
    re.compile(r"(?<=[.!?])[\"')\]]*\s+|(?<=[。！？])[”’」』）]*|(?<=[；;])\s*"),
    re.compile(r"(?<=[,，、：:])\s*"),
    re.compile(r"\s+"),
    re.compile(rf"(?<=[{UNSPACED}])|(?s:.{{40}})"),
)
"""Where a text that is too long may be cut: after lines, sentences, clauses, words, anywhere."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a document."""

    start: int
    """Offset of its first character."""
    heading: str
    """The headings it stands under, outermost first: "Leave > Sick leave"."""
    text: str


@dataclass(frozen=True, slots=True)
class _Unit:
    """A stretch of text that is not cut; `header` is the first row of the table it is a further row of."""

    start: int
    end: int
    size: int
    header: str = ""


def size_of(text: str) -> int:
    """Characters, those of scripts without spaces counted `WIDE` times.

    >>> size_of("leave"), size_of("病假")
    (5, 6)
    """
    return len(text) + (WIDE - 1) * len(_WIDE_CHARACTER.findall(text))


def cut(text: str, size: int) -> Iterator[Piece]:
    """The pieces of a document, in order; all of its text is in them, headings in `heading`.

    Args:
        size: Aimed at, in `size_of`; smaller where a section ends, larger only for one table row.
    """
    path: list[tuple[int, str]] = []
    begin, heading_at = 0, 0
    for start, end, level, title in [*_headings(text), (len(text), len(text), 0, "")]:
        heading = " > ".join(name for _, name in path)
        units = list(_units(text, begin, start, size))
        if units:
            yield from _packed(text, units, heading, size)
        elif path and level <= path[-1][0]:  # a heading with nothing under it is text itself
            yield Piece(heading_at, heading, path[-1][1])
        path = [(above, name) for above, name in path if above < level] + [(level, title)]
        begin, heading_at = end, start


def _headings(text: str) -> Iterator[tuple[int, int, int, str]]:
    """(start, end, level, title) of each heading; a line that begins with # in a block of code is none."""
    fence = ""
    for line in _LINE.finditer(text):
        if mark := _FENCE.match(line[0]):
            fence = "" if fence == mark[1] else fence or mark[1]
        elif not fence and (found := _HEADING.match(line[0].rstrip("\n"))) and found[2]:
            yield line.start(), line.end(), len(found[1]), found[2]


def _packed(text: str, units: Sequence[_Unit], heading: str, size: int) -> Iterator[Piece]:
    """Neighbouring units together, in as few pieces of about the same size as `size` allows."""
    whole = sum(unit.size for unit in units)
    goal = whole / -(-whole // size)
    held: list[_Unit] = []
    filled = 0
    for unit in units:
        if held and (filled >= goal or filled + unit.size > size):
            yield _piece(text, held, heading)
            held, filled = [], 0
        held.append(unit)
        filled += unit.size
    yield _piece(text, held, heading)


def _piece(text: str, units: Sequence[_Unit], heading: str) -> Piece:
    body = text[units[0].start : units[-1].end].rstrip()
    return Piece(units[0].start, heading, units[0].header + body)


def _units(text: str, start: int, end: int, size: int) -> Iterator[_Unit]:
    """Paragraphs and table rows between two offsets, long paragraphs in parts."""
    lines = [(line.start(), line.end()) for line in _LINE.finditer(text, start, end) if line[0]]
    place = 0
    while place < len(lines):
        kind, first = _kind(text, lines[place]), place
        while place < len(lines) and _kind(text, lines[place]) == kind:
            place += 1
        if kind == "row" and place - first > 1:
            yield from _rows(text, lines[first:place], size)
        elif kind:
            yield from _parts(text, lines[first][0], lines[place - 1][1], size, 0)


def _kind(text: str, line: tuple[int, int]) -> str:
    inside = text[line[0] : line[1]].strip()
    return "row" if "|" in inside else "text" if inside else ""


def _rows(text: str, lines: Sequence[tuple[int, int]], size: int) -> Iterator[_Unit]:
    """The rows of a table; the first (and the rule below it) is said again where a piece begins further down."""
    ruled = len(lines) > 2 and _RULE.match(text[slice(*lines[1])])
    head = 2 if ruled else 1
    header = text[lines[0][0] : lines[head - 1][1]]
    header = "" if size_of(header) > size // 2 else header
    yield _Unit(lines[0][0], lines[head - 1][1], size_of(header))
    for start, end in lines[head:]:
        row = size_of(text[start:end])
        if row > LONGEST_ROW * size:
            yield from _parts(text, start, end, size, 1)
        else:
            yield _Unit(start, end, row, header)


def _parts(text: str, start: int, end: int, size: int, level: int) -> Iterator[_Unit]:
    """A paragraph whole, or cut at the best kind of place that gives parts small enough."""
    own = size_of(text[start:end])
    if own <= size or level == len(_ENDS):
        yield _Unit(start, end, own)
        return
    cuts = [match.end() for match in _ENDS[level].finditer(text, start, end)]
    borders = [start, *(place for place in cuts if start < place < end), end]
    for first, last in itertools.pairwise(borders):
        yield from _parts(text, first, last, size, level + 1)
