"""A file becomes documents: plain text, HTML, PDF, Word, PowerPoint, Excel, EPUB, e-mail, JSONL, Parquet, CSV; .gz, .zst, .zip.

Memory is bounded by one document (a text longer than the limit is cut into several) and, for formats that must be held whole
(HTML, DOCX, PPTX, EPUB, e-mail) and files inside archives, by streams.WHOLE_LIMIT. What cannot be read comes as a `Raw` with
the problem, what was left out of a file as a `Raw` with a note, so nothing is lost uncounted. Knows nothing of what makes a
text good.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO

from luosi.text.decoding import pieces, text_blocks
from luosi.text.ebook import epub_text
from luosi.text.mail import mbox_messages, read_mail
from luosi.text.markup import html_text
from luosi.text.notes import Noted
from luosi.text.pdf import pdf_text
from luosi.text.sheets import xlsx_text
from luosi.text.slides import pptx_text
from luosi.text.streams import Unreadable, damage_named, opened, whole, zip_members
from luosi.text.tables import Row, csv_cells, jsonl_rows, named_cells, parquet_rows, table_text
from luosi.text.word import docx_text

DOCUMENT_CHARS = 20_000
TEXT_FIELD = "text"
NOT_TEXT = "not a text format"
"""The problem of pictures and the like inside archives and messages."""
MAIL_DEPTH = 8
"""A message within a message is opened so many times."""

FORMATS: dict[str, str] = {
    **dict.fromkeys((".txt", ".text", ".md", ".markdown", ".rst", ".tex", ".log"), "text"),
    **dict.fromkeys((".html", ".htm", ".xhtml"), "html"),
    **dict.fromkeys((".jsonl", ".ndjson"), "jsonl"),
    **dict.fromkeys((".csv", ".tsv"), "csv"),
    ".parquet": "parquet",
    ".pdf": "pdf",
    **dict.fromkeys((".docx", ".docm"), "docx"),
    **dict.fromkeys((".pptx", ".pptm"), "pptx"),
    **dict.fromkeys((".xlsx", ".xlsm"), "xlsx"),
    ".epub": "epub",
    ".eml": "eml",
    ".mbox": "mbox",
    ".zip": "zip",
}
"""Format by suffix; anything else that is named outright is read as text."""

REFUSED: dict[str, tuple[str, str]] = {
    ".doc": ("old Word format (.doc)", "save it as .docx"),
    ".xls": ("old Excel format (.xls)", "save it as .xlsx"),
    ".ppt": ("old PowerPoint format (.ppt)", "save it as .pptx"),
    ".msg": ("Outlook's own format (.msg)", "save it as .eml"),
    ".rtf": ("rich text format (.rtf)", "save it as .docx"),
    ".odt": ("OpenDocument text (.odt)", "save it as .docx"),
    ".ods": ("OpenDocument sheet (.ods)", "save it as .xlsx"),
    ".odp": ("OpenDocument slides (.odp)", "save it as .pptx"),
    ".wps": ("WPS format (.wps)", "save it as .docx"),
}
"""By suffix: formats that hold text and are not read, and what to do about it."""

_TEXTS: dict[str, Callable[[IO[bytes], list[Noted]], Iterator[str]]] = {
    "text": lambda stream, notes: text_blocks(stream),
    "html": html_text,
    "pdf": pdf_text,
    "docx": docx_text,
    "pptx": pptx_text,
    "xlsx": xlsx_text,
    "epub": epub_text,
}
_PAGED = frozenset({"pdf", "pptx"})
_SEEKING = frozenset({"pdf", "parquet", "zip"})


@dataclass(frozen=True, slots=True)
class Raw:
    """A document as found, or why there is none, or what was left out of a file.

    Attributes:
        name: Unique in its source: "a/b.txt", "rows.jsonl#12", "book.txt#part3", "all.zip/a.txt", "mail.eml/bill.pdf".
        text: With PAGE_BREAK between pages where `page` is not 0.
        whole: Name of the text it is a piece of; the same as `name` for an uncut one.
        problem: Why there is no text, countable; "" if there is.
        detail: More of the problem or the note, for people.
        file: The file as people know it: "rows.jsonl", "all.zip/a.txt", "mail.eml/bill.pdf".
        page: Page or slide of its first character, from 1; 0 where the format has none.
        note: What was left out of `file`, countable; then this is no document.
    """

    name: str
    text: str = ""
    whole: str = ""
    problem: str = ""
    detail: str = ""
    file: str = ""
    page: int = 0
    note: str = ""


def format_of(name: str) -> str:
    """The format by the name's suffix, compression looked through; "" if it is not one of FORMATS.

    >>> format_of("a.JSONL.gz"), format_of("photo.jpg")
    ('jsonl', '')
    """
    path = PurePosixPath(name.lower())
    found = FORMATS.get(PurePosixPath(path.stem).suffix if path.suffix in (".gz", ".zst") else path.suffix, "")
    return "" if found == "zip" and path.suffix != ".zip" else found


def refusal(name: str) -> tuple[str, str] | None:
    """Why a file of this name is not read and what to do about it, if it is of a known format that is not read."""
    return REFUSED.get(PurePosixPath(name.lower()).suffix)


def read_file(
    name: str, path: Path, *, text_field: str = TEXT_FIELD, document_chars: int = DOCUMENT_CHARS
) -> Iterator[Raw]:
    """The documents of one file, in order.

    Args:
        name: What documents are called after.
        text_field: Field of JSONL, CSV and Parquet rows that holds the text. A CSV file that lacks TEXT_FIELD, where no
            other was asked for, is read as one table.
        document_chars: Longer texts are cut into pieces of at most so many characters.

    Raises:
        MissingDependency: The format's library is not installed.
    """
    reader = _Reader(text_field, document_chars)
    try:
        with opened(path) as stream:
            yield from reader.documents(name, stream, outright=True)
    except Unreadable as error:
        yield Raw(name, problem=error.reason, detail=error.detail, file=name)
    except OSError as error:  # no path: bytes must not depend on it
        yield Raw(name, problem="cannot be opened", detail=error.strerror or "", file=name)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads streams of any format; archives and messages lead to more of them."""

    text_field: str
    limit: int

    def documents(
        self, name: str, stream: IO[bytes], *, outright: bool = False, packed: bool = False, depth: int = 0
    ) -> Iterator[Raw]:
        """Documents of one file; a problem that ends it comes last.

        Args:
            outright: It was named by the user, so an unknown format is taken for text; and its compression is undone already.
            packed: It comes out of an archive.
            depth: Of messages around it.
        """
        kind = format_of(name)
        if refused := refusal(name):
            yield Raw(name, problem=refused[0], detail=refused[1], file=name)
            return
        if not outright and (not kind or name.lower().endswith((".gz", ".zst")) or (kind == "zip" and packed)):
            yield Raw(name, problem=NOT_TEXT, file=name)
            return
        count = 0
        try:
            with damage_named(PurePosixPath(name).suffix):
                for raw in self._contents(name, kind or "text", stream, depth):
                    yield raw
                    count += 1
        except Unreadable as error:
            yield Raw(f"{name}#rest" if count else name, problem=error.reason, detail=error.detail, file=name)

    def _contents(self, name: str, kind: str, stream: IO[bytes], depth: int) -> Iterator[Raw]:
        if kind in _SEEKING and not stream.seekable():
            stream = whole(stream)
        if kind == "zip":
            for member, content in zip_members(stream):
                inner = f"{name}/{member}"
                if isinstance(content, Unreadable):
                    yield Raw(inner, problem=content.reason, detail=content.detail, file=inner)
                else:
                    with content:
                        yield from self.documents(inner, content, packed=True, depth=depth)
        elif kind == "eml":
            yield from self._mail(name, whole(stream).getvalue(), name, depth)
        elif kind == "mbox":
            for number, message in enumerate(mbox_messages(stream), 1):
                yield from self._mail(f"{name}#{number}", message, name, depth)
        elif kind in _TEXTS:
            notes: list[Noted] = []
            yield from cut(name, _TEXTS[kind](stream, notes), self.limit, file=name, paged=kind in _PAGED)
            for note in notes:
                yield Raw(name, note=note.what, detail=note.detail, file=name)
        else:
            yield from self._rows(name, kind, stream)

    def _mail(self, name: str, data: bytes | Unreadable, file: str, depth: int) -> Iterator[Raw]:
        """A message's text and its attachments."""
        try:
            if isinstance(data, Unreadable):
                raise data
            if depth == MAIL_DEPTH:
                raise Unreadable("too many messages within messages", f"more than {MAIL_DEPTH}")
            mail = read_mail(data)
        except Unreadable as error:
            yield Raw(name, problem=error.reason, detail=error.detail, file=file)
            return
        yield from cut(name, [mail.text], self.limit, file=file)
        for attachment, content in mail.attachments:
            yield from self.documents(f"{name}/{attachment}", io.BytesIO(content), packed=depth > 0, depth=depth + 1)

    def _rows(self, name: str, kind: str, stream: IO[bytes]) -> Iterator[Raw]:
        if kind == "csv":
            rows = csv_cells(stream)
            first = next(rows, (0, []))
            header, rows = first[1], itertools.chain([first], rows)
            if self.text_field == TEXT_FIELD and isinstance(header, list) and TEXT_FIELD not in map(str.strip, header):
                yield from cut(name, table_text(_sound(rows)), self.limit, file=name)
            else:
                yield from self._row_documents(name, named_cells(rows))
        elif kind == "jsonl":
            yield from self._row_documents(name, jsonl_rows(stream))
        else:
            yield from self._row_documents(name, parquet_rows(stream, self.text_field))

    def _row_documents(self, name: str, rows: Iterable[tuple[int, Row]]) -> Iterator[Raw]:
        for number, row in rows:
            if isinstance(row, Unreadable):
                yield Raw(f"{name}#{number}", problem=row.reason, detail=row.detail, file=name)
            elif not isinstance(text := row.get(self.text_field), str):
                detail = f"has: {', '.join(row)}"[:200]
                yield Raw(f"{name}#{number}", problem=f"no field {self.text_field!r}", detail=detail, file=name)
            else:
                yield from cut(f"{name}#{number}", [text], self.limit, file=name)


def _sound(rows: Iterable[tuple[int, list[str] | Unreadable]]) -> Iterator[list[str]]:
    for _, values in rows:
        if isinstance(values, Unreadable):
            raise values
        yield values


def cut(name: str, blocks: Iterable[str], limit: int, *, file: str, paged: bool = False) -> Iterator[Raw]:
    """One document `name`, or pieces `name#part1`, `name#part2`, ... where the text is longer than `limit` characters.

    Args:
        blocks: The text; with PAGE_BREAK between pages if it is `paged`.
    """
    page = int(paged)
    first: Raw | None = None
    count = 0
    for piece in pieces(blocks, limit):
        count += 1
        raw = Raw(name if count == 1 else f"{name}#part{count}", piece, name, file=file, page=page)
        page += piece.count("\f") if paged else 0
        if count == 1:
            first = raw
            continue
        if first is not None:
            yield replace(first, name=f"{name}#part1")
            first = None
        yield raw
    if count < 2:
        yield first or Raw(name, whole=name, file=file, page=page)
