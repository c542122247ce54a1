"""Text out of presentations (PPTX, PPTM): a slide is a page, its title a heading; then its texts, tables and speaker's notes.

Pictures, charts and diagrams hold no text here; slides that have nothing else are named.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import IO, Any

from luosi.text.decoding import PAGE_BREAK
from luosi.text.notes import Noted, of_pages
from luosi.text.streams import missing, office_archive, reader_damage
from luosi.text.tables import table_text


def pptx_text(stream: IO[bytes], notes: list[Noted]) -> Iterator[str]:
    """The text of a presentation, with PAGE_BREAK between slides.

    Raises:
        Unreadable: It is damaged, encrypted, a zip bomb, or too large to be held.
    """
    try:
        import pptx
    except ImportError:
        raise missing("python-pptx", "reading PPTX files") from None
    archive = office_archive(stream, "PPTX", notes)
    with reader_damage("PPTX"):
        slides = pptx.Presentation(archive).slides
        silent = []
        for number, slide in enumerate(slides, 1):
            text = "\n\n".join(_blocks(slide)).replace("\f", "\n").replace("\v", "\n")
            if not text:
                silent.append(number)
            yield (PAGE_BREAK if number > 1 else "") + text
        if silent:
            notes.append(Noted("slides without text", of_pages(silent, len(slides), "no text", "slide")))


def _blocks(slide: Any) -> Iterator[str]:
    title = slide.shapes.title
    if title is not None and (text := " ".join(title.text_frame.text.split())):
        yield f"# {text}"
    yield from _shapes(shape for shape in slide.shapes if title is None or shape.shape_id != title.shape_id)
    if slide.has_notes_slide and (frame := slide.notes_slide.notes_text_frame) and (text := frame.text.strip()):
        yield f"Notes: {text}"


def _shapes(shapes: Iterable[Any]) -> Iterator[str]:
    for shape in shapes:
        if hasattr(shape, "shapes"):  # a group
            yield from _shapes(shape.shapes)
        elif getattr(shape, "has_table", False):
            yield "".join(table_text([cell.text for cell in row.cells] for row in shape.table.rows)).rstrip()
        elif shape.has_text_frame:
            lines = [f"{'  ' * line.level}{line.text}".rstrip() for line in shape.text_frame.paragraphs]
            if text := "\n".join(line for line in lines if line):
                yield text
