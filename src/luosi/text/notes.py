"""What was left out of a file that is otherwise read: said in words that can be counted, with the pages named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Noted:
    """Something a reader left out.

    Attributes:
        what: Short and countable: "pages without a text layer".
        detail: For people: "3 of 12 pages have no text layer (pages 4, 7-8)".
    """

    what: str
    detail: str


def of_pages(numbers: Sequence[int], count: int, what: str, unit: str = "page") -> str:
    """Which pages, for people; `numbers` ascend from 1.

    >>> of_pages([4, 7, 8], 12, "no text layer")
    '3 of 12 pages have no text layer (pages 4, 7-8)'
    """
    have, plural = ("has", "") if len(numbers) == 1 else ("have", "s")
    return f"{len(numbers):,} of {count:,} {unit}s {have} {what} ({unit}{plural} {ranges(numbers)})"


def ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers as people write them.

    >>> ranges([4, 7, 8, 9, 12])
    '4, 7-9, 12'
    """
    gaps = [(a, b) for a, b in pairwise(numbers) if b > a + 1]
    starts, ends = [numbers[0], *(b for _, b in gaps)], [*(a for a, _ in gaps), numbers[-1]]
    shown = [f"{a}-{b}" if b > a else f"{a}" for a, b in zip(starts, ends, strict=True)]
    return ", ".join(shown[:_SHOWN]) + (f" and {len(shown) - _SHOWN:,} more runs" if len(shown) > _SHOWN else "")
