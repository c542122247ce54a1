"""Columns of names as codes: the same names in two columns get the same code, a missing name is told apart. Knows no vote."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int32]
Coded = tuple[Codes, list[str]]
UNNAMED = "unnamed"
"""What a voter or prompt without a name is called, with a number."""


def coded(values: Sequence[Any] | Coded) -> Coded:
    """Codes by first appearance, and the names; None and not-a-number are the empty name; blanks around names are cut off.

    >>> codes, names = coded(["b", "a", " b"])
    >>> codes.tolist(), names
    ([0, 1, 0], ['b', 'a'])
    """
    if isinstance(values, tuple) and len(values) == 2 and isinstance(values[0], np.ndarray):
        codes, raw = values
    else:
        if hasattr(values, "tolist"):
            values = values.tolist()
        index: defaultdict[Any, int] = defaultdict()
        index.default_factory = index.__len__
        codes = np.fromiter(map(index.__getitem__, values), np.int32, len(values))
        raw = list(index)
    names = ["" if name is None or name != name else str(name).strip() for name in raw]
    if len(set(names)) < len(names):
        place: dict[str, int] = {}
        again = np.array([place.setdefault(name, len(place)) for name in names], np.int32)
        return again[codes], list(place)
    return codes.astype(np.int32, copy=False), names


def joined(columns: Iterable[Coded]) -> tuple[list[Codes], list[str]]:
    """Columns of codes with their own names, as codes of one list of names."""
    place: dict[str, int] = {}
    found = []
    for codes, names in columns:
        own = np.array([place.setdefault(name, len(place)) for name in names], np.int32)
        found.append(codes if np.array_equal(own, np.arange(len(own))) else own[codes])
    return found, list(place)


def apart(codes: Codes, names: list[str], start: int = 0) -> Coded:
    """The same with a name of its own for each that has none."""
    bare = np.flatnonzero(codes == names.index(""))
    codes, names = codes.copy(), list(names)
    codes[bare] = len(names) + np.arange(len(bare), dtype=np.int32)
    return codes, names + [f"{UNNAMED} {start + number + 1}" for number in range(len(bare))]


def identity(names: Sequence[str]) -> Coded:
    """Each name's own code."""
    return np.arange(len(names), dtype=np.int32), list(names)
