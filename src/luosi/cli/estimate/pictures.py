"""What the estimates' commands draw: panels on the terminal in the characters it knows, and into an SVG file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from luosi.cli.common import say
from luosi.errors import UsageError
from luosi.estimate.picture import EIGHTHS, Panel, svg, text


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
