"""Finished pieces of a scoring, appended to a JSONL file as they come, so that a killed run loses only the piece it was at."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import orjson


class Journal:
    """An append-only map from a piece's name to its numbers; a torn last line (a kill while writing) is cut off.

    Args:
        path: The file; made if it is not there.
    """

    def __init__(self, path: Path) -> None:
        self.done: dict[str, list[float]] = {}
        whole = 0
        for line in path.read_bytes().splitlines(keepends=True) if path.exists() else []:
            if not line.endswith(b"\n"):
                break
            try:
                name, numbers = orjson.loads(line)
            except (orjson.JSONDecodeError, ValueError, TypeError):
                break
            self.done[name] = numbers
            whole += len(line)
        self._file = path.open("ab")
        self._file.truncate(whole)

    def add(self, name: str, numbers: list[float]) -> None:
        """Keep the numbers of one piece; it survives the death of this process."""
        self._file.write(orjson.dumps([name, numbers], option=orjson.OPT_APPEND_NEWLINE))
        self._file.flush()
        self.done[name] = numbers

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()
