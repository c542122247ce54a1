"""Text out of HTML, through resiliparse: headings as Markdown, tables as lines, menus and footers left out where marked so.

A page is not cut down to what looks like its main content: that loses short lists and tables of people's own documents.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import IO, Any

from luosi.text.decoding import decoded
from luosi.text.notes import Noted
from luosi.text.streams import Unreadable, missing, reader_damage, whole
from luosi.text.tables import table_text

PAGE_CHARS = 100_000_000
"""Of one page, which is held as a tree of some ten times its size."""

_CHARSET = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([A-Za-z0-9._:-]+)""", re.IGNORECASE)
_FURNITURE = ["nav", "footer", "[role=navigation]", "[role=banner]", "[role=contentinfo]", "[role=search]"]


def html_text(stream: IO[bytes], notes: list[Noted]) -> Iterator[str]:
    """The visible text of an HTML page.

    Raises:
        Unreadable: It is too large to be held.
    """
    data = whole(stream).getvalue()
    with reader_damage("HTML"):
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
    """The visible text of a decoded page.

    Raises:
        Unreadable: It is longer than PAGE_CHARS.
    """
    if len(page) > PAGE_CHARS:
        raise Unreadable("too large for its format", f"{len(page):,} characters of HTML, the limit is {PAGE_CHARS:,}")
    try:
        from resiliparse.extract.html2text import extract_plain_text
        from resiliparse.parse.html import HTMLTree
    except ImportError:
        raise missing("resiliparse", "reading HTML files") from None
    tree: Any = HTMLTree.parse(page.replace("\0", ""))
    if tree.body is None:
        return ""
    for level in range(1, 7):
        for heading in _all(tree.body, f"h{level}"):
            if heading.first_child is not None and heading.text.strip():
                heading.insert_before(tree.create_text_node(f"{'#' * level} "), heading.first_child)
    for table in _all(tree.body, "table"):
        if table.query_selector("table, h1, h2, h3, h4, h5, h6, pre") is None:  # else it lays out a page
            _as_lines(tree, table)
    return str(extract_plain_text(tree, skip_elements=_FURNITURE) or extract_plain_text(tree))


def _all(node: Any, selector: str) -> Sequence[Any]:
    """The elements below a node, taken at once: going through resiliparse's own list takes time by the square of its length."""
    return node.query_selector_all(selector)[:]  # type: ignore[no-any-return]


def _as_lines(tree: Any, table: Any) -> None:
    """Put a table's text as preformatted lines in its place."""
    for block in _all(table, "br, p, div, li"):
        block.parent.insert_before(tree.create_text_node(" "), block)
    caption = table.query_selector("caption")
    rows = ([cell.text for cell in _all(row, "td, th")] for row in _all(table, "tr"))
    text = "".join(table_text(rows))
    lines = tree.create_element("pre")
    lines.append_child(tree.create_text_node((f"{caption.text.strip()}\n" if caption else "") + text.rstrip()))
    table.parent.replace_child(lines, table)
