"""Text out of HTML, PDF and DOCX, through the libraries kept for it. Knows nothing of where the bytes come from."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Iterator
from typing import IO

from luosi.text.decoding import sniff
from luosi.text.streams import Unreadable, missing, refuse_bomb, whole


def html_text(stream: IO[bytes]) -> Iterator[str]:
    """The visible text of an HTML page, boilerplate (menus, footers) left out where that leaves something."""
    try:
        from resiliparse.extract.html2text import extract_plain_text
        from resiliparse.parse.encoding import detect_encoding
        from resiliparse.parse.html import HTMLTree
    except ImportError:
        raise missing("resiliparse", "reading HTML files") from None
    data = whole(stream).getvalue()
    encoding = sniff(data[: 1 << 14])
    if encoding == "utf-8" and "\ufffd" in data.decode("utf-8", errors="replace"):
        encoding = detect_encoding(data) or encoding
    tree = HTMLTree.parse(data.decode(encoding, errors="replace").replace("\0", ""))
    yield extract_plain_text(tree, main_content=True) or extract_plain_text(tree)


def pdf_text(stream: IO[bytes]) -> Iterator[str]:
    """The text of a PDF, page by page.

    Raises:
        Unreadable: It is encrypted, or damaged.
    """
    try:
        import pypdfium2
        import pypdfium2.raw as pdfium
    except ImportError:
        raise missing("pypdfium2", "reading PDF files") from None
    try:
        document = pypdfium2.PdfDocument(stream)
    except pypdfium2.PdfiumError as error:
        code = pdfium.FPDF_GetLastError() if getattr(error, "err_code", None) is None else error.err_code
        locked = code in (pdfium.FPDF_ERR_PASSWORD, pdfium.FPDF_ERR_SECURITY)
        raise Unreadable("encrypted PDF" if locked else "damaged PDF", str(error)) from error
    try:
        for number in range(len(document)):
            page = document[number]
            text = page.get_textpage()
            yield text.get_text_range().replace("\r\n", "\n") + "\n\n"
            text.close()
            page.close()
    except pypdfium2.PdfiumError as error:
        raise Unreadable("damaged PDF", str(error)) from error
    finally:
        document.close()


def docx_text(stream: IO[bytes]) -> Iterator[str]:
    """The paragraphs and tables of a Word document, in order; a table row is one line, its cells tab-separated.

    Raises:
        Unreadable: It is damaged, encrypted, or a zip bomb.
    """
    try:
        import docx
    except ImportError:
        raise missing("python-docx", "reading DOCX files") from None
    data: IO[bytes] = stream if isinstance(stream, io.BytesIO) else whole(stream)
    try:
        with zipfile.ZipFile(data) as archive:
            packed = sum(member.compress_size for member in archive.infolist())
            refuse_bomb(sum(member.file_size for member in archive.infolist()), packed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parts = docx.Document(data).iter_inner_content()
            yield from (_docx_part(part) for part in parts)
    except Unreadable:
        raise
    except Exception as error:  # python-docx lets KeyError, ValueError and lxml's errors through
        raise Unreadable("damaged DOCX", f"{type(error).__name__}: {error}"[:200]) from error


def _docx_part(part: object) -> str:
    rows = getattr(part, "rows", None)
    if rows is None:
        return f"{getattr(part, 'text', '')}\n\n"
    return "\n".join("\t".join(cell.text for cell in row.cells) for row in rows) + "\n\n"
