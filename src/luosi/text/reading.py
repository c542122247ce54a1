"""A file becomes documents: txt, md, html, pdf, docx, jsonl, parquet, csv, each also in .gz or .zst, and .zip of them.

Memory is bounded by one document (a text longer than the limit is cut into several) and, for HTML, DOCX and files inside
archives, by streams.WHOLE_LIMIT. What cannot be read comes as a `Raw` with the problem, so nothing is lost uncounted.
Knows nothing of what makes a text good.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from luosi.text.decoding import pieces, text_blocks
from luosi.text.markup import docx_text, html_text, pdf_text
from luosi.text.streams import Unreadable, damage_named, opened, whole, zip_members
from luosi.text.tables import Row, csv_rows, jsonl_rows, parquet_rows

DOCUMENT_CHARS = 20_000

FORMATS: dict[str, str] = {
    **dict.fromkeys((".txt", ".text", ".md", ".markdown", ".rst", ".tex", ".log"), "text"),
    **dict.fromkeys((".html", ".htm", ".xhtml"), "html"),
    **dict.fromkeys((".jsonl", ".ndjson"), "jsonl"),
    **dict.fromkeys((".csv", ".tsv"), "csv"),
    ".parquet": "parquet",
    ".pdf": "pdf",
    ".docx": "docx",
    ".zip": "zip",
}
"""Format by suffix; anything else that is named outright is read as text."""

_WHOLE_TEXT: dict[str, Callable[[IO[bytes]], Iterator[str]]] = {
    "text": text_blocks,
    "html": html_text,
    "pdf": pdf_text,
    "docx": docx_text,
}


@dataclass(frozen=True, slots=True)
class Raw:
    """A document as found, or why there is none.

    Attributes:
        name: Unique in its source: "a/b.txt", "rows.jsonl#12", "book.txt#part3", "all.zip/a.txt".
        whole: Name of the text it is a piece of; the same as `name` for an uncut one.
    """

    name: str
    text: str = ""
    whole: str = ""
    problem: str = ""
    detail: str = ""


def format_of(name: str) -> str:
    """The format by the name's suffix, compression looked through; "" if it is not one of FORMATS.

    >>> format_of("a.JSONL.gz"), format_of("photo.jpg")
    ('jsonl', '')
    """
    path = PurePosixPath(name.lower())
    found = FORMATS.get(PurePosixPath(path.stem).suffix if path.suffix in (".gz", ".zst") else path.suffix, "")
    return "" if found == "zip" and path.suffix != ".zip" else found


def read_file(
    name: str, path: Path, *, text_field: str = "text", document_chars: int = DOCUMENT_CHARS
) -> Iterator[Raw]:
    """The documents of one file, in order.

    Args:
        name: What documents are called after.
        text_field: Field of JSONL, CSV and Parquet rows that holds the text.
        document_chars: Longer texts are cut into pieces of at most so many characters.

    Raises:
        MissingDependency: The format's library is not installed.
    """
    try:
        if format_of(name) == "zip":
            for member, content in zip_members(path):
                inner = f"{name}/{member}"
                kind = format_of(member)
                if isinstance(content, Unreadable):
                    yield Raw(inner, problem=content.reason, detail=content.detail)
                elif kind in ("", "zip") or inner.lower().endswith((".gz", ".zst")):
                    yield Raw(inner, problem="not a text format")
                else:
                    with content:
                        yield from _documents(inner, kind, content, text_field, document_chars)
            return
        with opened(path) as stream:
            yield from _documents(name, format_of(name) or "text", stream, text_field, document_chars)
    except Unreadable as error:
        yield Raw(name, problem=error.reason, detail=error.detail)
    except OSError as error:
        yield Raw(name, problem="cannot be opened", detail=error.strerror or "")  # no path: bytes must not depend on it


def _documents(name: str, kind: str, stream: IO[bytes], text_field: str, limit: int) -> Iterator[Raw]:
    """Documents of one stream; a problem that ends it comes last, under the stream's own name."""
    try:
        with damage_named(PurePosixPath(name).suffix):
            if kind in ("pdf", "parquet") and not stream.seekable():
                stream = whole(stream)
            if kind in _WHOLE_TEXT:
                yield from cut(name, _WHOLE_TEXT[kind](stream), limit)
                return
            rows = {"jsonl": jsonl_rows, "csv": csv_rows}.get(kind)
            for number, row in rows(stream) if rows else parquet_rows(stream, text_field):
                yield from _row_documents(f"{name}#{number}", row, text_field, limit)
    except Unreadable as error:
        yield Raw(f"{name}#unread", problem=error.reason, detail=error.detail)


def _row_documents(name: str, row: Row, text_field: str, limit: int) -> Iterator[Raw]:
    if isinstance(row, Unreadable):
        yield Raw(name, problem=row.reason, detail=row.detail)
    elif not isinstance(text := row.get(text_field), str):
        yield Raw(name, problem=f"no field {text_field!r}", detail=f"has: {', '.join(row)}"[:200])
    else:
        yield from cut(name, [text], limit)


def cut(name: str, blocks: Iterable[str], limit: int) -> Iterator[Raw]:
    """One document `name`, or pieces `name#part1`, `name#part2`, ... where the text is longer than `limit` characters."""
    first = ""
    count = 0
    for piece in pieces(blocks, limit):
        count += 1
        if count == 1:
            first = piece
            continue
        if count == 2:
            yield Raw(f"{name}#part1", first, whole=name)
        yield Raw(f"{name}#part{count}", piece, whole=name)
    if count < 2:
        yield Raw(name, first, whole=name)
