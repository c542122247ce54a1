"""What was read of the sources, kept in two scratch files so that a killed run does not read it again.

`texts.bin` holds the texts kept, end to end; `read.jsonl` a line for each document or note, and a line at the end of each
file. Only whole files count: what a kill left of the last one is cut off, and so is a text whose digest is not the one noted.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from luosi.text.hashing import digest

Row = dict[str, Any]
"""One line; "text_digest" if it has a text in `texts.bin`, "end" (the file's name) if it ends a file."""


class TextStore:
    """Texts appended to a file and read back by number."""

    def __init__(self, path: Path) -> None:
        path.touch()
        self._file = path.open("r+b")
        self._ends = [0]

    def add(self, text: str) -> int:
        """Append a text; returns its UTF-8 bytes."""
        data = text.encode("utf-8")
        self._file.seek(self._ends[-1])
        self._file.write(data)
        self._ends.append(self._ends[-1] + len(data))
        return len(data)

    def found(self, size: int, text_digest: str) -> bool:
        """Whether the next `size` bytes of the file, left by a former run, are the text of that digest; then it is added."""
        self._file.seek(self._ends[-1])
        data = self._file.read(size)
        if len(data) < size or digest(data.decode("utf-8", "replace")).hex() != text_digest:
            return False
        self._ends.append(self._ends[-1] + size)
        return True

    def forget(self, count: int) -> None:
        """Keep the first `count` texts only."""
        del self._ends[count + 1 :]
        self._file.truncate(self._ends[-1])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, number: int) -> str:
        start, end = self._ends[number], self._ends[number + 1]
        self._file.seek(start)
        return self._file.read(end - start).decode("utf-8")

    def flush(self) -> None:
        """Hand everything to the operating system, which keeps it if this process is killed."""
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Journal:
    """The rows of the files read so far.

    Args:
        path: Of `read.jsonl`; what a former run wrote there is taken up as far as it is whole.
        texts: The store of the same run.
    """

    def __init__(self, path: Path, texts: TextStore) -> None:
        self._texts = texts
        path.touch()
        self._file = path.open("r+b")
        self.files, end = self._recover()
        self._file.seek(end)
        self._file.truncate()
        self._file.seek(0)

    def _recover(self) -> tuple[int, int]:
        """(whole files, bytes they take in the journal); the texts of the rest are forgotten."""
        files = end = place = kept = 0
        for line in self._file:
            place += len(line)
            row = _parsed(line)
            if row is None or ("text_digest" in row and not self._texts.found(row["bytes"], row["text_digest"])):
                break
            if "end" in row:
                files, end, kept = files + 1, place, len(self._texts)
        self._texts.forget(kept)
        return files, end

    def known(self) -> Iterator[Row]:
        """The rows of the next file that was read before, its end included; call it `files` times, before `add`."""
        for line in self._file:
            row: Row = orjson.loads(line)
            yield row
            if "end" in row:
                return

    def add(self, row: Row) -> None:
        """Append a row; with the end of a file it is safe from a kill."""
        self._file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
        if "end" in row:
            self._texts.flush()
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _parsed(line: bytes) -> Row | None:
    try:
        row: Row = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return row if line.endswith(b"\n") else None
