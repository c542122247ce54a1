"""Text out of PDF files, page by page, through PDFium. Reads the text layer only: a picture of a page has none, and is named.

Memory holds one page. Knows nothing of where the bytes come from, nor of headings or tables, which a PDF does not mark.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any

from luosi.text.decoding import PAGE_BREAK
from luosi.text.notes import Noted, of_pages
from luosi.text.streams import Unreadable, missing


def pdf_text(stream: IO[bytes], notes: list[Noted]) -> Iterator[str]:
    """The text of a PDF (a seekable stream), with PAGE_BREAK between pages; pages that gave none are noted.

    Raises:
        Unreadable: It is encrypted, damaged, or has no text on any page.
    """
    document = _document(stream)
    held = ""
    silent: list[int] = []
    broken: list[int] = []
    try:
        count = len(document)
        for number in range(1, count + 1):
            text = _page_text(document, number)
            if text:
                yield held + text
                held = ""
            elif text is None:
                broken.append(number)
            else:
                silent.append(number)
            held += PAGE_BREAK
    finally:
        document.close()
    if len(broken) == count:
        raise Unreadable("damaged PDF", f"none of its {count:,} pages can be opened")
    if len(silent) + len(broken) == count:
        raise Unreadable("scanned PDF, no text layer", f"{count:,} pages; run text recognition (OCR) on it first")
    if silent:
        notes.append(Noted("pages without a text layer", of_pages(silent, count, "no text layer")))
    if broken:
        notes.append(Noted("damaged pages", of_pages(broken, count, "damage and could not be read")))


def _document(stream: IO[bytes]) -> Any:
    try:
        import pypdfium2
        import pypdfium2.raw as pdfium
    except ImportError:
        raise missing("pypdfium2", "reading PDF files") from None
    try:
        return pypdfium2.PdfDocument(stream)
    except pypdfium2.PdfiumError as error:
        code = pdfium.FPDF_GetLastError() if getattr(error, "err_code", None) is None else error.err_code
        locked = code in (pdfium.FPDF_ERR_PASSWORD, pdfium.FPDF_ERR_SECURITY)
        raise Unreadable("encrypted PDF" if locked else "damaged PDF", str(error)) from error


def _page_text(document: Any, number: int) -> str | None:
    """The text of a page, "" if it has none, None if the page is damaged."""
    import pypdfium2

    try:
        page = document[number - 1]
        layer = page.get_textpage()
        text = str(layer.get_text_range())
        layer.close()
        page.close()
    except pypdfium2.PdfiumError:
        return None
    text = text.replace("\ufffe", "").replace("\r\n", "\n")  # U+FFFE: a hyphen that only breaks a line
    return text.replace("\f", "\n").strip("\n") if text.strip() else ""
