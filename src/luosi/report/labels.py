"""Where a name can stand beside its mark without hiding a mark, a bar or another name."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Box:
    """A rectangle, y downwards."""

    x1: float
    y1: float
    x2: float
    y2: float

    def overlap(self, other: Box) -> float:
        """Area that both cover."""
        wide = min(self.x2, other.x2) - max(self.x1, other.x1)
        high = min(self.y2, other.y2) - max(self.y1, other.y1)
        return wide * high if wide > 0 and high > 0 else 0.0

    def inside(self, frame: Box) -> bool:
        """Whether it lies within `frame`."""
        return self.x1 >= frame.x1 and self.y1 >= frame.y1 and self.x2 <= frame.x2 and self.y2 <= frame.y2


def place(x: float, y: float, width: float, height: float, frame: Box, taken: Sequence[Box]) -> Box:
    """The nearest free place for a name beside the mark at (x, y); where there is none within `frame`, that which hides least."""
    best: tuple[float, Box] | None = None
    for box in _places(x, y, width, height):
        if not box.inside(frame):
            continue
        hidden = sum(box.overlap(other) for other in taken)
        if not hidden:
            return box
        if best is None or hidden < best[0]:
            best = hidden, box
    return best[1] if best else Box(x + 12, y - height / 2, x + 12 + width, y + height / 2)


def _places(x: float, y: float, width: float, height: float) -> Iterator[Box]:
    """To the right, the left, above and below, and between, ever farther away."""
    for away in range(12, 120, 6):
        for up in (0, -away, away):
            for left in (x + away, x - away - width, x - width / 2):
                if left != x - width / 2 or up:
                    top = y + up - height / 2
                    yield Box(left, top, left + width, top + height)


def text_width(words: str, size: float) -> float:
    """About how wide a text is, in units of its size: a Chinese character is one, others about a half.

    >>> text_width("ab", 10.0), text_width("螺丝", 10.0)
    (11.6, 20.0)
    """
    return size * sum(1.0 if unicodedata.east_asian_width(character) in "WF" else 0.58 for character in words)
