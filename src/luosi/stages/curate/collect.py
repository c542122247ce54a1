"""Reads every source, cleans each document, drops what is no text and exact copies; what is left lies in a scratch file.

Memory holds one document and, for each document kept, some hundred bytes of its identity.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import orjson

from luosi.errors import InputError
from luosi.stages.curate.clean import clean, drop_reason
from luosi.stages.curate.config import Config, Source
from luosi.stages.curate.report import Tally
from luosi.stages.curate.split import Member
from luosi.text import sources
from luosi.text.hashing import digest
from luosi.text.reading import Raw

EXCERPT_CHARS = 160


class TextStore:
    """Texts appended to a file and read back by number."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b")
        self._ends = [0]

    def add(self, text: str) -> int:
        """Append a text; returns its UTF-8 bytes."""
        data = text.encode("utf-8")
        self._file.seek(self._ends[-1])
        self._file.write(data)
        self._ends.append(self._ends[-1] + len(data))
        return len(data)

    def __getitem__(self, number: int) -> str:
        start, end = self._ends[number], self._ends[number + 1]
        self._file.seek(start)
        return self._file.read(end - start).decode("utf-8")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Dropped:
    """Writes `dropped.jsonl` and counts reasons by source."""

    def __init__(self, path: Path, tallies: dict[str, Tally]) -> None:
        self._file: BinaryIO = path.open("wb")
        self._tallies = tallies

    def add(self, id: str, source: str, reason: str, text: str, detail: str = "") -> None:
        """One document that is not in the corpus, and why."""
        self._tallies[source].dropped[reason] += 1
        row = {"id": id, "source": source, "reason": reason, "detail": detail, "excerpt": text[:EXCERPT_CHARS]}
        self._file.write(orjson.dumps(row, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def source_spec(source: Source, document_chars: int) -> sources.SourceSpec:
    """What `luosi.text.sources` is to read for this source."""
    return sources.SourceSpec(
        kind=source.kind,
        paths=source.paths,
        distributions=source.distributions,
        include=source.include,
        front_matter=source.front_matter,
        text_field=source.text_field,
        document_chars=document_chars,
    )


def checked_files(source: Source, spec: sources.SourceSpec) -> list[sources.SourceFile]:
    """The source's files, sorted by name.

    Raises:
        InputError: They are missing, or are not those the recipe was written for.
    """
    files = sources.files(spec)
    found = sources.files_digest(files)
    if found != source.sha256:
        raise InputError(
            f"source {source.name!r} has changed: its files have the digest {found}, the recipe has {source.sha256}",
            hint=f'restore the files, or put sha256 = "{found}" into the recipe to take them as they are now',
        )
    return files


def collect(
    config: Config, texts: TextStore, dropped: Dropped, tallies: dict[str, Tally], progress: Callable[[float], None]
) -> list[Member]:
    """The documents worth keeping, in the order of sources and names; their texts are appended to `texts`.

    Raises:
        InputError: A source is not there or has changed.
    """
    specs = {source.name: source_spec(source, config.document_chars) for source in config.sources}
    files = [(source.name, file) for source in config.sources for file in checked_files(source, specs[source.name])]
    sizes = [file.path.stat().st_size for _, file in files]
    total, done = max(1, sum(sizes)), 0
    members: list[Member] = []
    first_with: dict[bytes, str] = {}
    for (name, file), size in zip(files, sizes, strict=True):
        within = 0
        for raw in sources.read(specs[name], file):
            member = _taken(raw, name, config.min_chars, texts, dropped, tallies[name], first_with)
            members.extend([member] if member else [])
            within = min(size, within + len(raw.text))
            progress((done + within) / total)
        done += size
    return members


def _taken(
    raw: Raw,
    source: str,
    min_chars: int,
    texts: TextStore,
    dropped: Dropped,
    tally: Tally,
    first_with: dict[bytes, str],
) -> Member | None:
    """The document as a member of the corpus, or None if it was dropped."""
    tally.read += 1
    id = f"{source}/{raw.name}"
    text = clean(raw.text, tally.repaired)
    reason, detail = raw.problem or drop_reason(text, min_chars), raw.detail
    if not reason:
        earlier = first_with.setdefault(digest(text), id)
        reason, detail = ("", "") if earlier == id else ("exact duplicate", f"of {earlier}")
    if reason:
        dropped.add(id, source, reason, text, detail)
        return None
    return Member(id=id, source=source, bytes=texts.add(text), whole=f"{source}/{raw.whole}")
