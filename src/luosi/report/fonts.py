"""Which of the PDF's fonts draws which characters: Helvetica for Western letters, a Song font that PDF viewers bring for Chinese,
Greek and Cyrillic. Neither is embedded. What both lack is shown as a box and counted.
"""

from __future__ import annotations

import re
from itertools import groupby
from xml.sax.saxutils import escape

LATIN, BOLD, CHINESE = "Helvetica", "Helvetica-Bold", "STSong-Light"
BOX = "\u25a1"
_INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff]")
_WESTERN = {"\u2212": "-", "\u2011": "-", "\u202f": " ", "\u2009": " "}
"""Characters that Helvetica has by another name."""


def register() -> None:
    """Make the fonts known to reportlab; may be called again."""
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont

    pdfmetrics.registerFont(UnicodeCIDFont(CHINESE))


class Fonts:
    """Splits texts into runs of one font each.

    Attributes:
        missing: Characters shown as a box so far.
    """

    def __init__(self) -> None:
        self.missing = 0

    def runs(self, text: str, latin: str = LATIN) -> list[tuple[str, str]]:
        """(font, text) in order."""
        characters = [self._character(character, latin) for character in _INVISIBLE.sub("", text)]
        return [(font, "".join(one for _, one in run)) for font, run in groupby(characters, key=lambda one: one[0])]

    def markup(self, text: str, latin: str = LATIN) -> str:
        """A text as reportlab's paragraph markup: escaped, runs in their fonts, newlines kept."""
        parts = []
        for font, run in self.runs(text, latin):
            shown = escape(run).replace("\n", "<br/>")
            parts.append(shown if font == latin else f'<font name="{font}">{shown}</font>')
        return "".join(parts)

    def _character(self, character: str, latin: str) -> tuple[str, str]:
        character = _WESTERN.get(character, character)
        if _encodable(character, "cp1252") or character == "\n":
            return latin, character
        if _encodable(character, "gbk"):
            return CHINESE, character
        self.missing += 1
        return CHINESE, BOX


def _encodable(character: str, encoding: str) -> bool:
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
