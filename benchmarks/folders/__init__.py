"""Writes a book as people would have it: PDF, DOCX, PPTX, XLSX, HTML, EPUB, mail, Markdown, text.

Every writer gives back the page (or slide) on which each entry begins, where the format has pages. Bytes are the same every time:
clocks in files are set, pictures are drawn from a seed. Knows no domain.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from folders import office, texts
from folders.book import Book, Entry, Pages
from folders.office import write_sheet

__all__ = ["WRITERS", "Book", "Entry", "Pages", "write", "write_sheet"]

WRITERS: dict[str, Callable[[Book, Path], Pages]] = {
    "pdf": office.pdf,
    "docx": office.word,
    "pptx": office.slides,
    "xlsx": office.sheet,
    "html": texts.page,
    "epub": texts.ebook,
    "eml": texts.mail,
    "mbox": texts.mailbox,
    "md": texts.markdown,
    "txt": texts.text,
}
"""By file ending."""


def write(book: Book, ending: str, folder: Path) -> Pages:
    """The book as `folder`/name.ending."""
    path = folder / f"{book.name}.{ending}"
    path.parent.mkdir(parents=True, exist_ok=True)
    return WRITERS[ending](book, path)
