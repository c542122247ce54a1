"""What Word's style and numbering sheets say of a paragraph: its level as a heading, and the number or bullet before it.

Word does not store "2.1" or "Article 3" in a paragraph; they are counted anew whenever the document is shown, and so here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

BODY_LEVEL = 9
"""Outline levels are 0 to 8; 9 is body text."""

Numbering = tuple[str, int]
"""(number of the list, "" or "0" for none; level from 0)."""


class Styles:
    """The paragraph styles of a document.

    Args:
        root: The styles sheet, or () if there is none.
    """

    def __init__(self, root: Any) -> None:
        self._styles = {_value(style, "styleId"): style for style in root if style.tag.endswith("}style")}

    def level(self, properties: Any) -> int:
        """The heading level of a paragraph, from 1; 0 if it is none. `properties` is its pPr, or None."""
        own = _child_value(properties, "outlineLvl")
        if own:
            return _outline(own)
        for style in self._chain(properties):
            if outline := _child_value(style.find("{*}pPr"), "outlineLvl"):
                return _outline(outline)
            name = _child_value(style, "name").lower()
            if name == "title":
                return 1
            if match := re.fullmatch(r"heading (\d)", name):
                return int(match[1])
        return 0

    def numbering(self, properties: Any) -> Numbering:
        """The list a paragraph belongs to, by itself or by its style."""
        for holder in (properties, *(style.find("{*}pPr") for style in self._chain(properties))):
            numbers = None if holder is None else holder.find("{*}numPr")
            if numbers is not None and (number := _child_value(numbers, "numId")):
                return number, int(_child_value(numbers, "ilvl") or 0)
        return "", 0

    def _chain(self, properties: Any) -> list[Any]:
        """A paragraph's style and those it is based on."""
        chain: list[Any] = []
        style = self._styles.get(_child_value(properties, "pStyle"))
        while style is not None and style not in chain:
            chain.append(style)
            style = self._styles.get(_child_value(style, "basedOn"))
        return chain


class Lists:
    """The lists of a document, counted as its paragraphs come.

    Args:
        root: The numbering sheet, or () if there is none.
    """

    def __init__(self, root: Any) -> None:
        sheets = {_value(node, "abstractNumId"): node for node in root if node.tag.endswith("}abstractNum")}
        self._levels: dict[str, dict[int, Any]] = {}
        self._counts: dict[str, dict[int, int]] = {}
        shared: dict[str, dict[int, int]] = {}
        for node in root:
            if node.tag.endswith("}num"):
                number, sheet = _value(node, "numId"), _child_value(node, "abstractNumId")
                levels = sheets[sheet].findall("{*}lvl") if sheet in sheets else []
                self._levels[number] = {int(_value(level, "ilvl") or 0): level for level in levels}
                restarted = node.find("{*}lvlOverride/{*}startOverride") is not None
                self._counts[number] = {} if restarted else shared.setdefault(sheet, {})

    def label(self, numbering: Numbering) -> tuple[int, str]:
        """(depth, what stands before the paragraph) of the list's next item; (0, "") outside lists.

        A bullet is "- ", a number what Word shows, as "2.1 " or "Article 3 "; scripts other than ours are counted in digits.
        """
        number, depth = numbering
        levels = self._levels.get(number, {})
        if depth not in levels:
            return (depth, "- ") if number not in ("", "0") else (0, "")
        counts = self._counts[number]
        for deeper in [level for level in counts if level > depth]:
            del counts[deeper]
        counts[depth] = counts.get(depth, int(_child_value(levels[depth], "start") or 1) - 1) + 1
        if _child_value(levels[depth], "numFmt") in ("bullet", "none"):
            return depth, "- "

        def shown(match: re.Match[str]) -> str:
            level = int(match[1]) - 1
            style = _child_value(levels.get(level), "numFmt")
            return _DIGITS.get(style, str)(counts.get(level, 1))

        text = re.sub(r"%(\d)", shown, _child_value(levels[depth], "lvlText"))
        return depth, f"{text} " if text else ""


def _roman(number: int) -> str:
    text = ""
    for value, sign in zip(
        (1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1),
        ("m", "cm", "d", "cd", "c", "xc", "l", "xl", "x", "ix", "v", "iv", "i"),
        strict=True,
    ):
        text, number = text + sign * (number // value), number % value
    return text


def _letter(number: int) -> str:
    return chr(ord("a") + (number - 1) % 26) * ((number - 1) // 26 + 1)


_DIGITS: dict[str, Callable[[int], str]] = {
    "lowerLetter": _letter,
    "upperLetter": lambda number: _letter(number).upper(),
    "lowerRoman": _roman,
    "upperRoman": lambda number: _roman(number).upper(),
}


def _outline(value: str) -> int:
    return int(value) + 1 if int(value) < BODY_LEVEL else 0


def _value(node: Any, name: str) -> str:
    """A node's attribute in the node's own name space; "" if it has none."""
    return str(node.get(f"{node.tag.partition('}')[0]}}}{name}", ""))


def _child_value(node: Any, name: str) -> str:
    """The `val` of a node's child; "" if there is no node or no child."""
    child = None if node is None else node.find(f"{{*}}{name}")
    return "" if child is None else _value(child, "val")
