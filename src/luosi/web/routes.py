"""Routes as the pages tell them apart: a letter, a colour and a shape each, a short name, and how they do on the user's own questions.

Takes the rows of a verdict as plain JSON; a field that is absent counts as not known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from luosi.web.source import Row
from luosi.web.tables import badge
from luosi.web.words import Words

COLOURS = ["#0b63a5", "#b34a12", "#2b7447", "#7d3fae", "#80620f", "#a8324f", "#1f747c"]
"""White text is readable on each; the style sheet names them .c0, .c1, ..."""


@dataclass(frozen=True)
class Sign:
    """How a route is marked wherever it stands: A on a blue disc, B on an orange square; squares answer with the files."""

    letter: str
    colour: int
    files: bool

    @property
    def html(self) -> Markup:
        """The sign within text."""
        return Markup('<b class="sign c{}{}" aria-hidden="true">{}</b>').format(
            self.colour, " files" if self.files else "", self.letter
        )


@dataclass(frozen=True)
class Named:
    """A row of the verdict with its sign and its names."""

    row: Row
    sign: Sign
    name: str
    """The shortest that tells it from the others: "adapted + files", or the model's."""
    small: str
    """What else is to be known of it."""

    def get(self, field: str) -> Any:
        """A field of the row; None where it is absent."""
        return self.row.get(field)

    @property
    def full(self) -> str:
        """Letter and name, for texts."""
        return f"{self.sign.letter} {self.name}"


def named(rows: Sequence[Row], words: Words) -> list[Named]:
    """The rows in their order; where any was asked the user's own questions, all go by their route's name."""
    raced = any(row.get("arm") for row in rows)
    return [_named(number, row, raced, words) for number, row in enumerate(rows)]


def _named(number: int, row: Row, raced: bool, words: Words) -> Named:
    files = bool(row.get("files"))
    sign = Sign(letter(number), number % len(COLOURS), files)
    way = words.route(row["route"], files)
    name, small = (way, row["model"]) if raced else (row["model"], way)
    return Named(row, sign, name, f"{small}: {row['note']}" if row.get("note") else small)


def letter(number: int) -> str:
    """A to Z, then A2 to Z2, and so on.

    >>> letter(0), letter(25), letter(26)
    ('A', 'Z', 'A2')
    """
    again, place = divmod(number, 26)
    return chr(ord("A") + place) + (str(again + 1) if again else "")


def best(rows: Sequence[Named]) -> Named | None:
    """The route that answers most of the user's questions rightly; None where none was asked."""
    asked = [row for row in rows if row.get("own") is not None]
    return max(asked, key=lambda row: float(row.get("own")), default=None)


def recommended(route: Named, words: Words) -> Markup:
    """A badge on the route that the advice takes."""
    return badge("hit", words("recommended")) if route.get("recommended") else Markup()
