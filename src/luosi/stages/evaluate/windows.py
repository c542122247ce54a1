"""How a long document is cut so that every token is scored once, with context: by bytes, so that every model sees the same.

The first window scores the document's first 4,096 bytes; each further one scores the next 3,072 and is given the 1,024 bytes
before them as context. A token belongs to the window in which its first byte lies, whatever the tokenizer. Only where a window
has more tokens than the model's context does the model's limit rule: it is then read in steps of half that context.
Knows no model.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

WINDOW_BYTES = 4096
OVERLAP_BYTES = 1024


@dataclass(frozen=True)
class Window:
    """Tokens `start` to `end` of document number `document` are read; those from `scored` on are scored."""

    document: int
    start: int
    scored: int
    end: int

    @property
    def length(self) -> int:
        """Tokens the model reads: the document's start token stands in for the last one, which is only predicted."""
        return self.end - self.start


def plan_windows(document: int, first_bytes: Sequence[int], context_tokens: int) -> list[Window]:
    """The windows of one document.

    Args:
        document: Its number.
        first_bytes: For each token the byte of the document at which it begins, ascending.
        context_tokens: The most tokens the model can read.
    """
    windows: list[Window] = []
    edge = 0  # bytes before it are scored
    scored = 0
    while scored < len(first_bytes):
        edge += WINDOW_BYTES if edge == 0 else WINDOW_BYTES - OVERLAP_BYTES
        end = bisect_left(first_bytes, edge)
        context = bisect_left(first_bytes, edge - WINDOW_BYTES)
        while scored < end:
            piece = min(end, max(context + context_tokens, scored + max(1, context_tokens // 2)))
            windows.append(Window(document, max(context, piece - context_tokens), scored, piece))
            scored = piece
    return windows


def make_batches(windows: Sequence[Window], batch_tokens: int) -> list[list[Window]]:
    """Windows of similar length together, each batch of at most `batch_tokens` tokens with padding (or one window).

    Depends on nothing but the windows, so that a resumed run makes the same batches and computes the same bits.
    """
    batches: list[list[Window]] = []
    for window in sorted(windows, key=lambda w: (-w.length, w.document, w.start)):
        if batches and batches[-1][0].length * (len(batches[-1]) + 1) <= batch_tokens:
            batches[-1].append(window)
        else:
            batches.append([window])
    return batches
