"""Reads every source, cleans each document, drops what is no text and exact copies; what is left lies in a scratch file.

Memory holds one document and, for each document kept, some hundred bytes of its identity. What a killed run has read is taken
from its journal; every decision is noted there, so a resumed run comes to the same documents in the same order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import orjson

from luosi.errors import InputError
from luosi.stages.curate.clean import clean_pages, drop_reason
from luosi.stages.curate.config import Config, Source
from luosi.stages.curate.journal import Journal, Row, TextStore
from luosi.stages.curate.report import Noted, Tally
from luosi.stages.curate.split import Member
from luosi.text import sources
from luosi.text.hashing import digest
from luosi.text.reading import NOT_TEXT, Raw

EXCERPT_CHARS = 160


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
        exclude=source.exclude,
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
    config: Config,
    scratch: Path,
    texts: TextStore,
    dropped: Dropped,
    tallies: dict[str, Tally],
    progress: Callable[[float], None],
) -> list[Member]:
    """The documents worth keeping, in the order of sources and names; their texts are in `texts`, in that order.

    Raises:
        InputError: A source is not there or has changed.
    """
    specs = {source.name: source_spec(source, config.document_chars) for source in config.sources}
    files = [(source.name, file) for source in config.sources for file in checked_files(source, specs[source.name])]
    sizes = [file.path.stat().st_size for _, file in files]
    total, done = max(1, sum(sizes)), 0
    journal = Journal(scratch / "read.jsonl", texts)
    collector = _Collector(config.min_chars, texts, dropped, tallies, journal)
    try:
        for number, ((source, file), size) in enumerate(zip(files, sizes, strict=True)):
            if number < journal.files:
                for row in journal.known():
                    collector.apply(row, source)
            else:
                chars = 0
                for raw in sources.read(specs[source], file):
                    collector.take(raw, source)
                    chars += len(raw.text)
                    progress((done + min(size, chars)) / total)
                collector.end(file.name, source)
            done += size
            progress(done / total)
    finally:
        journal.close()
    return collector.members


class _Collector:
    """Decides on documents as they are read, and applies decisions, new or from the journal."""

    def __init__(
        self, min_chars: int, texts: TextStore, dropped: Dropped, tallies: dict[str, Tally], journal: Journal
    ) -> None:
        self.members: list[Member] = []
        self._min_chars, self._texts, self._dropped = min_chars, texts, dropped
        self._tallies, self._journal = tallies, journal
        self._first_with: dict[str, str] = {}
        self._repaired = Counter[str]()

    def take(self, raw: Raw, source: str) -> None:
        """Clean a document as read, decide whether it stays, note that in the journal and apply it."""
        if raw.note:
            row: Row = {"note": raw.note, "detail": raw.detail, "file": raw.file}
        else:
            row = self._decided(raw, source)
        self._journal.add(row)
        self.apply(row, source)

    def end(self, file: str, source: str) -> None:
        """A file has been read to its end."""
        row: Row = {"end": file, "repaired": dict(self._repaired)}
        self._repaired.clear()
        self._journal.add(row)
        self.apply(row, source)

    def _decided(self, raw: Raw, source: str) -> Row:
        id = f"{source}/{raw.name}"
        text, page, pages = clean_pages(raw.text, raw.page, self._repaired)
        reason, detail = raw.problem or drop_reason(text, self._min_chars), raw.detail
        text_digest = digest(text).hex()
        if not reason and text_digest in self._first_with:
            reason, detail = "exact duplicate", f"of {self._first_with[text_digest]}"
        if reason:
            row: Row = {"id": id, "reason": reason, "detail": detail, "excerpt": text[:EXCERPT_CHARS]}
            ends_file = raw.problem and raw.problem != NOT_TEXT and raw.name in (raw.file, f"{raw.file}#rest")
            return row | ({"file": raw.file} if ends_file else {})
        size = self._texts.add(text)
        identity = {"whole": f"{source}/{raw.whole}", "file": raw.file, "page": page, "pages": pages}
        return {"id": id, "text_digest": text_digest, "bytes": size, **identity}

    def apply(self, row: Row, source: str) -> None:
        """Enter a decision into the tallies, the members or `dropped.jsonl`."""
        tally = self._tallies[source]
        if "end" in row:
            tally.repaired.update(row["repaired"])
        elif "note" in row:
            tally.noted.append(Noted(file=row["file"], what=row["note"], detail=row["detail"]))
        elif "reason" in row:
            tally.read += 1
            self._dropped.add(row["id"], source, row["reason"], row["excerpt"], row["detail"])
            if "file" in row:
                said = ": ".join(filter(None, (row["reason"], row["detail"])))
                tally.noted.append(Noted(file=row["file"], what=row["reason"], detail=said))
        else:
            tally.read += 1
            self._first_with[row["text_digest"]] = row["id"]
            pages = tuple(row["pages"])
            self.members.append(Member(row["id"], source, row["bytes"], row["whole"], row["file"], row["page"], pages))
