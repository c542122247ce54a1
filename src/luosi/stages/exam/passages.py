"""Cuts text into passages that begin where sentences begin and end where words end. Works for scripts without spaces too."""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass, field

TOLERANCE = 0.045
"""Choices differ from the right one by at most this share in length, so any two by less than a tenth."""

_SENTENCE = re.compile(r"(?:[.!?][\"')\]]*[ \t]*(?=\s)|[。！？；][”’」』）]*|\n[ \t]*\n)\s*")
_WORD_END = re.compile(r"(?<=\S)(?=\s|\Z)|(?<=[\u3040-\u30ff\u3400-\u9fff\u3000-\u303f\uff00-\uff65])")


@dataclass(frozen=True)
class Text:
    """A held-out document with the places where passages may begin and end."""

    id: str
    text: str
    starts: list[int] = field(init=False)
    ends: list[int] = field(init=False)

    def __post_init__(self) -> None:
        starts = sorted({0, *(match.end() for match in _SENTENCE.finditer(self.text))})
        object.__setattr__(self, "starts", [start for start in starts if start < len(self.text)])
        object.__setattr__(self, "ends", [match.start() for match in _WORD_END.finditer(self.text)])

    def passage(self, start: int, length: int, tolerance: float = TOLERANCE) -> tuple[int, int] | None:
        """(start, end) of the passage from `start` whose length is nearest to `length`, None if none is near enough."""
        place = bisect_left(self.ends, start + length)
        near = self.ends[max(0, place - 1) : place + 1]
        end = min(near, key=lambda end: abs(end - start - length), default=start)
        return (start, end) if abs(end - start - length) <= tolerance * length else None

    def before(self, start: int, length: int) -> str:
        """The text that leads up to `start`: from a sentence's beginning if one is near `length` characters back."""
        earliest = max(0, start - length)
        begin = next((s for s in self.starts[bisect_left(self.starts, earliest) :] if s < start), earliest)
        if begin > earliest + length // 3:  # one long sentence: from the next word on
            begin = next((e for e in self.ends[bisect_left(self.ends, earliest) :] if e < start), earliest)
        return self.text[begin:start].strip()
