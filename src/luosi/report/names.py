"""The letter and the short name by which a report calls each route."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from luosi.report.words import Words
from luosi.stages.verdict.costs import RouteMoney


@dataclass(frozen=True)
class Named:
    """A route with its letter, the same in picture, tables and answers."""

    line: RouteMoney
    letter: str
    name: str

    @property
    def full(self) -> str:
        """Letter and name: "B adapted + files"."""
        return f"{self.letter} {self.name}"


def named(lines: Sequence[RouteMoney], words: Words) -> list[Named]:
    """The routes in their order; those of one kind are told apart by their models."""
    kinds = [words("with_files", route=words(line.route)) if line.files else words(line.route) for line in lines]
    return [
        Named(line, letter(number), f"{kind}: {line.model}" if kinds.count(kind) > 1 else kind)
        for number, (line, kind) in enumerate(zip(lines, kinds, strict=True))
    ]


def letter(number: int) -> str:
    """A to Z, then A2 to Z2, and so on.

    >>> letter(0), letter(25), letter(26)
    ('A', 'Z', 'A2')
    """
    again, place = divmod(number, 26)
    return chr(ord("A") + place) + (str(again + 1) if again else "")
