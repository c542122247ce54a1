"""Books as PDF, DOCX, PPTX and XLSX."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import docx
import openpyxl
import pptx
from pptx.util import Cm, Pt
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.platypus import Image as Picture
from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, Table

from folders.book import Book, Pages, picture, steady


def styles(chinese: bool) -> dict[int, ParagraphStyle]:
    """By size of the letters: 10 for text, more for headings."""
    if chinese:
        pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))
    font, bold = ("STSong-Light", "STSong-Light") if chinese else ("Helvetica", "Helvetica-Bold")
    text = ParagraphStyle("text", fontName=font, fontSize=10, leading=15, wordWrap="CJK" if chinese else None)
    heads = {
        size: ParagraphStyle(f"{size}", parent=text, fontName=bold, fontSize=size, leading=size * 1.5, spaceBefore=8)
        for size in (18, 14, 11)
    }
    return {10: text, **heads}


def pdf(book: Book, path: Path) -> Pages:
    """Pictures stand among the entries, evenly."""
    style, pages = styles(book.chinese), Pages()

    class Paged(SimpleDocTemplate):  # type: ignore[misc]
        def afterFlowable(self, flowable: Any) -> None:
            if key := getattr(flowable, "entry", ""):
                pages[key] = self.page

    def lines(size: int, *texts: str) -> list[Paragraph]:
        return [Paragraph(html.escape(text), style[size]) for text in texts]

    parts: list[Any] = lines(18, book.title)
    if book.facts:
        parts += [Table([lines(10, *row) for row in book.facts]), Spacer(1, 12)]
    step = len(book.entries) // (len(book.pictures) + 1) + 1
    for number, (entry, opens) in enumerate(book.opened(), 1):
        parts += lines(14, entry.heading) if opens else []
        (head,) = lines(11, entry.name)
        head.entry = entry.key
        parts += [head, *lines(10, *entry.paragraphs)]
        if number % step == 0:
            parts.append(Picture(io.BytesIO(picture(book.pictures[number // step - 1])), width=360, height=270))
    Paged(str(path), title=book.title, invariant=1).build(parts)
    return pages


def word(book: Book, path: Path) -> Pages:
    """DOCX."""
    document = docx.Document()
    document.core_properties.title = book.title
    document.add_heading(book.title, 0)
    if book.facts:
        table = document.add_table(rows=0, cols=2)
        for row in book.facts:
            for cell, value in zip(table.add_row().cells, row, strict=True):
                cell.text = value
    for entry, opens in book.opened():
        if opens:
            document.add_heading(entry.heading, 1)
        document.add_heading(entry.name, 2)
        for line in entry.paragraphs:
            document.add_paragraph(line)
    for seed in book.pictures:
        document.add_picture(io.BytesIO(picture(seed)), width=Cm(12))
    document.save(str(path))
    steady(path)
    return {}


def slides(book: Book, path: Path) -> Pages:
    """PPTX: an entry a slide, its heading in the notes."""
    show, pages = pptx.Presentation(), Pages()
    show.core_properties.title = book.title
    first = show.slides.add_slide(show.slide_layouts[0])
    first.shapes.title.text = book.title
    first.placeholders[1].text = "\n".join(": ".join(row) for row in book.facts)
    for number, entry in enumerate(book.entries):
        slide = show.slides.add_slide(show.slide_layouts[1])
        slide.shapes.title.text = entry.name
        frame = slide.placeholders[1].text_frame
        frame.text = "\n".join(entry.paragraphs)
        for paragraph in frame.paragraphs:
            paragraph.font.size = Pt(14)
        if entry.heading:
            slide.notes_slide.notes_text_frame.text = entry.heading
        pages[entry.key] = number + 2
        if number < len(book.pictures):
            slide.shapes.add_picture(io.BytesIO(picture(book.pictures[number])), Cm(17), Cm(12), width=Cm(7))
    show.save(str(path))
    steady(path)
    return pages


def sheet(book: Book, path: Path) -> Pages:
    """XLSX: an entry a row."""
    names = ("章节", "条目", "内容") if book.chinese else ("Under", "Name", "Text")
    rows = [(entry.heading, entry.name, "\n".join(entry.paragraphs)) for entry in book.entries]
    write_sheet(path, book.title, [names, *rows])
    return {}


def write_sheet(path: Path, title: str, rows: Sequence[Sequence[object]]) -> None:
    """A workbook of one sheet."""
    workbook = openpyxl.Workbook()
    workbook.active.title = re.sub(r"[\\/*?:\[\]]", " ", title)[:31]
    for row in rows:
        workbook.active.append(list(row))
    workbook.save(path)
    steady(path)
