"""Text out of EPUB books: the chapters in the order of the spine, headings and tables kept. Knows no other kind of book."""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator
from typing import IO
from urllib.parse import unquote
from xml.etree import ElementTree

from luosi.text.decoding import decoded
from luosi.text.markup import declared_encoding, page_text
from luosi.text.notes import Noted
from luosi.text.streams import Unreadable, office_archive, reader_damage

_FONT_KEYS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")


def epub_text(stream: IO[bytes], notes: list[Noted]) -> Iterator[str]:
    """The chapters of a book.

    Raises:
        Unreadable: It is damaged, protected, a zip bomb, or too large to be held.
    """
    archive = office_archive(stream, "EPUB", notes)
    with reader_damage("EPUB"), zipfile.ZipFile(archive) as book:
        names = set(book.namelist())
        if "META-INF/encryption.xml" in names:
            methods = _xml(book, "META-INF/encryption.xml").iterfind(".//{*}EncryptedData/{*}EncryptionMethod")
            if any(method.get("Algorithm") not in _FONT_KEYS for method in methods):
                raise Unreadable("encrypted EPUB", "the shop's protection (DRM) locks its chapters")
        lost = []
        for number, chapter in enumerate(chapters := list(_chapters(book)), 1):
            if chapter not in names:
                lost.append(number)
                continue
            data = book.read(chapter)
            if text := page_text(decoded(data, declared_encoding(data))):
                yield text + "\n\n"
        if lost:
            notes.append(Noted("chapters missing", f"{len(lost)} of {len(chapters)} chapters are not in the file"))


def _xml(book: zipfile.ZipFile, name: str) -> ElementTree.Element:
    data = book.read(name)
    if b"<!ENTITY" in data:  # expat has a guard against bombs of entities, but only since 2.4.1
        raise Unreadable("damaged EPUB", f"{name} defines entities")
    return ElementTree.fromstring(data)


def _chapters(book: zipfile.ZipFile) -> Iterator[str]:
    """Names in the archive of the documents of the spine, in order."""
    rootfile = _xml(book, "META-INF/container.xml").find(".//{*}rootfile")
    if rootfile is None:
        raise Unreadable("damaged EPUB", "its container names no package")
    place = rootfile.get("full-path", "")
    package = _xml(book, place)
    hrefs = {item.get("id"): item.get("href", "") for item in package.iterfind(".//{*}manifest/{*}item")}
    for reference in package.iterfind(".//{*}spine/{*}itemref"):
        if href := hrefs.get(reference.get("idref")):
            yield posixpath.normpath(posixpath.join(posixpath.dirname(place), unquote(href)))
