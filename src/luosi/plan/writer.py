"""Writer: a document of plain values as TOML, with a comment above any key, such that reading it back gives the same values.

Knows TOML 1.0 and nothing of recipes.
"""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Collection, Mapping
from typing import Any

BARE = re.compile(r"[A-Za-z0-9_-]+")
ESCAPES = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", '"': '\\"', "\\": "\\\\"}
WIDTH = 118


def dump(document: Mapping[str, Any], notes: Mapping[str, str], *, head: str = "", inline: Collection[str] = ()) -> str:
    """`document` as TOML.

    Args:
        document: Text, whole and finite decimal numbers, booleans, lists and mappings of these; None has no TOML form.
        notes: Comments by dotted path ("steps.adapt.tokens"), written above that key or table.
        head: A comment for the top of the file.
        inline: Keys whose mappings are written on one line, `{ a = 1 }`.

    Raises:
        TypeError, ValueError: A value has no TOML form; names its path.

    >>> print(dump({"a": {"b": 1}}, {"a.b": "why one"}), end="")
    [a]
    # why one
    b = 1
    """
    lines = _comment(head) + ([""] if head else [])
    _table(lines, document, (), notes, inline)
    return "\n".join(lines).lstrip("\n") + "\n"


def _table(
    lines: list[str], table: Mapping[str, Any], path: tuple[str, ...], notes: Mapping[str, str], inline: Collection[str]
) -> None:
    below = {key: value for key, value in table.items() if key not in inline and _has_own_header(value)}
    for key, value in table.items():
        if key not in below:
            lines += _comment(notes.get(".".join((*path, key)), ""))
            lines.append(_pair(key, value, (*path, key)))
    for key, value in below.items():
        here = (*path, key)
        name = ".".join(_key(part) for part in here)
        note = notes.get(".".join(here), "")
        for number, item in enumerate([value] if isinstance(value, Mapping) else value):
            implied = isinstance(value, Mapping) and _only_tables(value, inline) and not note
            if not implied:
                lines += ["", *_comment(note if number == 0 else "")]
                lines.append(f"[{name}]" if isinstance(value, Mapping) else f"[[{name}]]")
            _table(lines, item, here, notes, inline)


def _only_tables(table: Mapping[str, Any], inline: Collection[str]) -> bool:
    """Whether the headers of what is in `table` say that it is there."""
    return bool(table) and all(key not in inline and _has_own_header(value) for key, value in table.items())


def _has_own_header(value: Any) -> bool:
    if isinstance(value, Mapping):
        return True
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(item, Mapping) for item in value)


def _pair(key: str, value: Any, path: tuple[str, ...]) -> str:
    line = f"{_key(key)} = {_value(value, path)}"
    if len(line) <= WIDTH or not isinstance(value, list | tuple):
        return line
    items = "".join(f"    {_value(item, path)},\n" for item in value)
    return f"{_key(key)} = [\n{items}]"


def _value(value: Any, path: tuple[str, ...]) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{'.'.join(path)} is {value}; a recipe holds finite numbers only")
        return repr(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(item, path) for item in value) + "]"
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{_key(key)} = {_value(item, (*path, key))}" for key, item in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    raise TypeError(f"{'.'.join(path)} is a {type(value).__name__}, which has no TOML form")


def _key(key: str) -> str:
    return key if BARE.fullmatch(key) else _text(key)


def _text(text: str) -> str:
    """A basic string: quotes, backslashes and control characters escaped, all else as it is."""
    return '"' + "".join(ESCAPES.get(c) or (c if c >= " " and c != "\x7f" else f"\\u{ord(c):04x}") for c in text) + '"'


def _comment(text: str) -> list[str]:
    clean = "".join(c if c.isprintable() or c == "\n" else " " for c in text)
    return [f"# {line}".rstrip() for part in clean.splitlines() for line in textwrap.wrap(part, WIDTH - 2) or [""]]
