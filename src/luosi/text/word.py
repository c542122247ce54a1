"""Text out of Word documents (DOCX, DOCM): headings as Markdown, numbered and bulleted lists, tables, notes, in their order.

python-docx opens the package; the text is taken from the XML itself, because python-docx passes over content controls,
tracked insertions and text boxes. Headers, footers, comments, deleted text and tables of contents are left out; pages are
not known, since Word lays them out when it opens a file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any

from luosi.text.notes import Noted
from luosi.text.streams import missing, office_archive, reader_damage
from luosi.text.tables import table_text
from luosi.text.word_lists import Lists, Styles

_INLINE = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
_NOT_TEXT = frozenset({"del", "moveFrom", "Fallback", "pPr", "rPr", "sectPr", "tblPr", "trPr", "tcPr", "sdtPr"})
_WRAPPERS = frozenset({"sdt", "sdtContent", "customXml", "ins", "moveTo", "smartTag"})


def docx_text(stream: IO[bytes], notes: list[Noted]) -> Iterator[str]:
    """The paragraphs, lists, tables, footnotes and endnotes of a Word document.

    Raises:
        Unreadable: It is damaged, encrypted, a zip bomb, or too large to be held.
    """
    try:
        import docx.package
        from docx.opc.constants import RELATIONSHIP_TYPE as KIND
    except ImportError:
        raise missing("python-docx", "reading DOCX files") from None
    archive = office_archive(stream, "DOCX", notes)
    with reader_damage("DOCX"):
        main = docx.package.Package.open(archive).main_document_part
        parts = {part.reltype: part.target_part for part in main.rels.values() if not part.is_external}
        styles, lists = Styles(_root(parts.get(KIND.STYLES))), Lists(_root(parts.get(KIND.NUMBERING)))
        (body,) = _children(_root(main), "body")
        item_before, gap = False, ""
        for text, is_item in _blocks(body, styles, lists):
            yield ("\n" if is_item and item_before else gap) + text
            item_before, gap = is_item, "\n\n"
        for kind in (KIND.FOOTNOTES, KIND.ENDNOTES):
            for note in _root(parts.get(kind)):
                if text := "".join(_inline(note)).strip():
                    yield f"\n\n[{text}]"


def _root(part: Any) -> Any:
    """A part's XML, () if it is not there; python-docx parses only parts it knows, and one with macros is none of them."""
    from docx.oxml.parser import parse_xml

    if part is None:
        return ()
    root = getattr(part, "element", None)
    return parse_xml(part.blob) if root is None else root


def _name(node: Any) -> str:
    return node.tag.rpartition("}")[2] if isinstance(node.tag, str) else ""


def _children(node: Any, *names: str) -> Iterator[Any]:
    """Children of these names, those in content controls and tracked insertions included, tables of contents left out."""
    for child in node:
        if (name := _name(child)) in names:
            yield child
        elif name in _WRAPPERS:
            gallery = child.find("{*}sdtPr/{*}docPartObj/{*}docPartGallery")
            if gallery is None or "Table of Contents" not in gallery.values():
                yield from _children(child, *names)


def _blocks(body: Any, styles: Styles, lists: Lists) -> Iterator[tuple[str, bool]]:
    """(text, whether it is an item of a list) of each paragraph and table that is not empty."""
    for node in _children(body, "p", "tbl"):
        if _name(node) == "tbl":
            text = "".join(table_text(list(_cells(row)) for row in _children(node, "tr")))
            yield from [(text.rstrip(), False)] if text else []
        elif text := "".join(_inline(node)).strip():
            properties = node.find("{*}pPr")
            depth, label = lists.label(styles.numbering(properties))
            if level := styles.level(properties):
                yield f"{'#' * level} {label}{' '.join(text.split())}", False
            else:
                yield f"{'  ' * depth}{label}{text}", bool(label)


def _cells(row: Any) -> Iterator[str]:
    for cell in _children(row, "tc"):
        yield "".join(_inline(cell))
        span = cell.find("{*}tcPr/{*}gridSpan")
        yield from [""] * (min(int(next(iter(span.values()))), 64) - 1 if span is not None else 0)


def _inline(node: Any) -> Iterator[str]:
    for child in node:
        name = _name(child)
        if name == "t":
            yield child.text or ""
        elif name in _INLINE:
            yield _INLINE[name]
        elif name not in _NOT_TEXT:
            yield from _inline(child)
            if name == "p":
                yield "\n"
