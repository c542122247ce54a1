"""Text out of HTML, through resiliparse: headings as Markdown, tables as lines, menus and footers left out where marked so.

A page is not cut down to what looks like its main content: that loses short lists and tables of people's own documents.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO, Any

from luosi.text.decoding import decoded
from luosi.text.notes import Noted
from luosi.text.streams import missing, whole
from luosi.text.tables import table_text

_CHARSET = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([A-Za-z0-9._:-]+)""", re.IGNORECASE)
_FURNITURE = ["nav", "footer", "[role=navigation]", "[role=banner]", "[role=contentinfo]", "[role=search]"]


def html_text(stream: IO[bytes], notes: list[Noted]) -> Iterator[str]:
    """The visible text of an HTML page."""
    data = whole(stream).getvalue()
    yield page_text(decoded(data, declared_encoding(data)))


def declared_encoding(data: bytes) -> str:
    """The encoding an HTML page names, or seems to have where it names none."""
    if match := _CHARSET.search(data[:4096]):
        return match[1].decode("ascii")
    try:
        from resiliparse.parse.encoding import detect_encoding
    except ImportError:
        raise missing("resiliparse", "reading HTML files") from None
    return str(detect_encoding(data))


def page_text(page: str) -> str:
    """The visible text of a decoded page."""
    try:
        from resiliparse.extract.html2text import extract_plain_text
        from resiliparse.parse.html import HTMLTree
    except ImportError:
        raise missing("resiliparse", "reading HTML files") from None
    tree: Any = HTMLTree.parse(page.replace("\0", ""))
    if tree.body is None:
        return ""
    for level in range(1, 7):
        for heading in tree.body.query_selector_all(f"h{level}"):
            if heading.first_child is not None and heading.text.strip():
                heading.insert_before(tree.create_text_node(f"{'#' * level} "), heading.first_child)
    for table in tree.body.query_selector_all("table"):
        if table.query_selector("table, h1, h2, h3, h4, h5, h6, pre") is None:  # else it lays out a page
            _as_lines(tree, table)
    return str(extract_plain_text(tree, skip_elements=_FURNITURE) or extract_plain_text(tree))


def _as_lines(tree: Any, table: Any) -> None:
    """Put a table's text as preformatted lines in its place."""
    for block in table.query_selector_all("br, p, div, li"):
        block.parent.insert_before(tree.create_text_node(" "), block)
    caption = table.query_selector("caption")
    text = "".join(
        table_text([cell.text for cell in row.query_selector_all("td, th")] for row in table.query_selector_all("tr"))
    )
    lines = tree.create_element("pre")
    lines.append_child(tree.create_text_node((f"{caption.text.strip()}\n" if caption else "") + text.rstrip()))
    table.parent.replace_child(lines, table)
