"""Finished pieces of a step, appended to a JSONL file in its scratch folder as they come, so that a killed run loses only the
piece it was at. Knows nothing of what the pieces are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Generic, Self, TypeVar

import orjson

V = TypeVar("V")


class Journal(Generic[V]):
    """An append-only map from a piece's name to its value (JSON data); a torn last line (a kill while writing) is cut off.

    Args:
        path: The file; made if it is not there.
    """

    def __init__(self, path: Path) -> None:
        self.done: dict[str, V] = {}
        whole = 0
        for line in path.read_bytes().splitlines(keepends=True) if path.exists() else []:
            if not line.endswith(b"\n"):
                break
            try:
                name, value = orjson.loads(line)
            except (orjson.JSONDecodeError, ValueError, TypeError):
                break
            self.done[name] = value
            whole += len(line)
        self._file = path.open("ab")
        self._file.truncate(whole)

    def add(self, name: str, value: V, *, sync: bool = False) -> None:
        """Keep one piece; it survives the death of this process, with `sync` that of the machine too."""
        self._file.write(orjson.dumps([name, value], option=orjson.OPT_APPEND_NEWLINE))
        self._file.flush()
        if sync:
            os.fsync(self._file.fileno())
        self.done[name] = value

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()
