"""Books as HTML, EPUB, mail, Markdown and plain text."""

from __future__ import annotations

import html
import re
import zipfile
from collections.abc import Sequence
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from zlib import crc32

from folders.book import WHEN, Book, Entry, Pages, picture, steady

CONTAINER = """<?xml version="1.0"?><container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>
<rootfile full-path="book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>"""
PACKAGE = """<?xml version="1.0" encoding="utf-8"?>
<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:identifier id="id">{name}</dc:identifier>
<dc:title>{title}</dc:title><dc:language>{language}</dc:language></metadata>
<manifest><item id="c" href="c.xhtml" media-type="application/xhtml+xml"/>{items}</manifest>
<spine><itemref idref="c"/></spine></package>"""


def body(book: Book) -> str:
    """The book in HTML."""
    parts = [f"<h1>{html.escape(book.title)}</h1>"]
    if book.facts:
        rows = ("".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in book.facts)
        parts.append(f"<table>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>")
    for entry, opens in book.opened():
        parts += [f"<h2>{html.escape(entry.heading)}</h2>"] if opens else []
        parts += [f"<h3>{html.escape(entry.name)}</h3>", *(f"<p>{html.escape(line)}</p>" for line in entry.paragraphs)]
    return "\n".join(parts)


def page(book: Book, path: Path) -> Pages:
    """HTML, with a menu about the text."""
    head = f'<head><meta charset="utf-8"><title>{html.escape(book.title)}</title></head>'
    menu = '<nav><a href="/">Home</a> <a href="/index">Index</a></nav>'
    text = f'<!DOCTYPE html><html lang="{language(book)}">{head}<body>{menu}<main>{body(book)}</main></body></html>'
    path.write_text(text, encoding="utf-8")
    return {}


def language(book: Book) -> str:
    """Its code."""
    return "zh" if book.chinese else "en"


def ebook(book: Book, path: Path) -> Pages:
    """EPUB of one chapter, pictures at its end."""
    title, images = html.escape(book.title), {f"{seed}.jpg": picture(seed) for seed in book.pictures}
    items = "".join(f'<item id="i{name}" href="{name}" media-type="image/jpeg"/>' for name in images)
    shown = "".join(f'<img src="{name}" alt=""/>' for name in images)
    parts = {
        "META-INF/container.xml": CONTAINER,
        "book.opf": PACKAGE.format(name=html.escape(book.name), title=title, language=language(book), items=items),
        "c.xhtml": '<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml">'
        f"<head><title>{title}</title></head><body>{body(book)}{shown}</body></html>",
        **images,
    }
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
        for name, content in parts.items():
            archive.writestr(name, content, zipfile.ZIP_DEFLATED)
    steady(path)
    return {}


def letter(book: Book, number: int, subject: str, entries: Sequence[Entry], seeds: Sequence[int] = ()) -> bytes:
    """One mail."""
    message, known = EmailMessage(policy=SMTP), crc32(book.name.encode())
    message["From"] = Address("Office", "office", "example.org")
    message["To"] = Address("Team", "team", "example.org")
    message["Date"] = WHEN.replace(day=5 + number % 20, minute=number % 60)
    message["Message-ID"] = f"<{number}.{known}@example.org>"
    message["Subject"] = subject
    message.set_content(plain(entries) + "\n", cte="base64" if book.chinese else "quoted-printable")
    for seed in seeds:
        message.add_attachment(picture(seed), maintype="image", subtype="jpeg", filename=f"{seed}.jpg")
    if seeds:
        message.set_boundary(f"part-{known}")
    return message.as_bytes()


def plain(entries: Sequence[Entry]) -> str:
    """Entries as text, a blank line between them."""
    return "\n\n".join("\n".join((entry.name, *entry.paragraphs)) for entry in entries)


def mail(book: Book, path: Path) -> Pages:
    """EML, pictures attached."""
    path.write_bytes(letter(book, 0, book.title, book.entries, book.pictures))
    return {}


def mailbox(book: Book, path: Path) -> Pages:
    """MBOX: a mail for each heading."""
    sections: dict[str, list[Entry]] = {}
    for entry in book.entries:
        sections.setdefault(entry.heading, []).append(entry)
    with path.open("wb") as out:
        for number, (heading, entries) in enumerate(sections.items()):
            one = letter(book, number, f"{book.title}: {heading}", entries).replace(b"\r\n", b"\n")
            out.write(
                b"From office@example.org Mon Jan  5 09:00:00 2026\n" + re.sub(rb"(?m)^From ", b">From ", one) + b"\n"
            )
    return {}


def markdown(book: Book, path: Path) -> Pages:
    """MD."""
    lines = [f"# {book.title}", "\n".join(f"- {name}: {value}" for name, value in book.facts)]
    for entry, opens in book.opened():
        lines += [f"## {entry.heading}"] if opens else []
        lines += [f"### {entry.name}", *entry.paragraphs]
    path.write_text("\n\n".join(lines) + "\n", encoding="utf-8")
    return {}


def text(book: Book, path: Path) -> Pages:
    """TXT."""
    facts = "\n".join(": ".join(row) for row in book.facts)
    path.write_text(f"{book.title}\n\n{facts}\n\n{plain(book.entries)}\n", encoding="utf-8")
    return {}
