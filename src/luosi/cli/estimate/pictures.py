"""What the estimates' commands draw: panels on the terminal in the characters it knows, and into an SVG file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from luosi.cli.common import say
from luosi.cost import Interval
from luosi.errors import UsageError
from luosi.estimate.picture import EIGHTHS, Panel, svg, text


def span(value: Interval | None, words: Callable[[float], str], never: str = "-") -> str:
    """A median with its interval; `never` where there is none."""
    return never if value is None else f"{words(value.p50)} ({words(value.p10)} - {words(value.p90)})"


def draw(panel: Panel) -> None:
    """To stdout."""
    try:
        EIGHTHS.encode(sys.stdout.encoding or "ascii")
        plain = False
    except (UnicodeEncodeError, LookupError):
        plain = True
    print("\n".join(text(panel, plain=plain)))


def write(path: str, title: str, note: str, panels: Sequence[Panel]) -> None:
    """An SVG file.

    Raises:
        UsageError: It cannot be written.
    """
    try:
        Path(path).write_text(svg(title, note, panels), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"the picture cannot be written to {path}: {error.strerror}") from None
    say(f"picture written to {path}")
