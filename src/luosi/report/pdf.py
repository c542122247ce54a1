"""A report as PDF, A4, through reportlab: what is longer than a page goes on on the next, tables under their heads again."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any

from luosi.errors import MissingDependency
from luosi.report.content import Asked, Content, Said, Table
from luosi.report.fonts import BOLD, LATIN, Fonts, register
from luosi.report.labels import text_width
from luosi.report.picture import HEIGHT, INK, MUTED, WIDTH, Line, Mark, Picture, Text, picture

MARGIN = 42.0
RULE, BLUE, PALE, SAND = "#dfe5ec", "#0b63a5", "#f2f6fa", "#fdf8e8"
TONES = {"right": "#1d6b3c", "partly": "#8a5a00", "wrong": "#a3253f"}
LEAST_OF_WORDS = 0.16
"""Share of a table's width that its first column, which is words and may break, keeps at least."""


def pdf(content: Content) -> bytes:
    """The document.

    Raises:
        MissingDependency: reportlab is not installed.
    """
    try:
        from reportlab.platypus import SimpleDocTemplate
    except ModuleNotFoundError:
        raise MissingDependency(
            "reportlab", needed_for="a report as PDF", install="pip install 'luosi[pages]', or -o FILE.html"
        ) from None
    register()
    file = io.BytesIO()
    document = SimpleDocTemplate(
        file, pagesize=(595.28, 841.89), leftMargin=MARGIN, rightMargin=MARGIN, topMargin=MARGIN, bottomMargin=MARGIN + 8,
        title=content.title, subject=content.subtitle, author="", creator="Luosi", keywords="AI-generated content", invariant=1,
        lang="zh-Hans" if content.words.language == "zh" else "en",
    )  # fmt: skip
    writer = _Writer(content, document.width)
    document.build(list(writer.story()), onFirstPage=writer.foot, onLaterPages=writer.foot)
    return file.getvalue()


class _Writer:
    """Makes reportlab's flowing parts of a content."""

    def __init__(self, content: Content, width: float) -> None:
        self.content, self.words, self.width = content, content.words, width
        self.fonts = Fonts()

    def story(self) -> Iterator[Any]:
        """Everything in order."""
        content, words = self.content, self.words
        yield self.text(content.title, size=19, bold=True, after=3)
        yield self.text(content.subtitle, size=8.5, colour=MUTED, after=2)
        yield self.title(words("advice"))
        yield self.boxed(content.lead, BLUE, PALE, size=12)
        if content.reasons:
            yield self.text(words("why"), size=8.5, colour=MUTED, before=7)
            yield from self.bullets(content.reasons)
        yield from self.picture()
        yield from self.table(words("routes"), content.table)
        if content.findings:
            yield self.title(words("findings"))
            yield from self.bullets(content.findings)
        if content.marking:
            yield from self.table(words("marking"), content.marking)
        if content.scores:
            yield from self.table(words("scores"), content.scores)
        if content.bill:
            yield from self.table(words("bill"), content.bill, total=True)
        if content.questions:
            yield self.title(words("questions"))
            yield self.boxed(words("ai"), "#d9c48b", SAND, size=8.5)
            for asked in content.questions:
                yield from self.asked(asked)
        yield self.title(words("notes"))
        yield from self.bullets(content.notes)
        if self.fonts.missing:
            yield from self.bullets([words("no_glyph", count=f"{self.fonts.missing:,}")])

    def style(
        self, words: str, *, size: float = 9.5, bold: bool = False, colour: str = INK, before: float = 0, after: float = 0, indent: float = 0,
        keep: bool = False, **more: Any,
    ) -> Any:  # fmt: skip
        """How a paragraph of `words` is set; lines of Chinese may end anywhere."""
        from reportlab.lib.styles import ParagraphStyle

        return ParagraphStyle(
            "any", fontName=BOLD if bold else LATIN, fontSize=size, leading=size * 1.42, textColor=colour, spaceBefore=before,
            spaceAfter=after, leftIndent=indent, keepWithNext=keep, wordWrap="CJK" if _mostly_chinese(words) else None, **more,
        )  # fmt: skip

    def text(self, words: str, *, bullet: str | None = None, **more: Any) -> Any:
        """One paragraph, set as `style` says."""
        from reportlab.platypus import Paragraph

        style = self.style(words, **more)
        return Paragraph(self.fonts.markup(words, style.fontName), style, bulletText=bullet)

    def title(self, words: str) -> Any:
        """A section's title."""
        return self.text(words, size=12.5, bold=True, before=15, after=5, keep=True)

    def bullets(self, lines: Iterable[str]) -> Iterator[Any]:
        """One paragraph a line."""
        for line in lines:
            yield self.text(
                line, bullet="\u2022", size=9.2, before=2.4, indent=10, bulletIndent=1, bulletFontName=LATIN
            )

    def boxed(self, words: str, edge: str, ground: str, *, size: float) -> Any:
        """A paragraph on a ground with an edge at its left."""
        from reportlab.platypus import Table as Grid
        from reportlab.platypus import TableStyle

        style = [
            ("BACKGROUND", (0, 0), (-1, -1), ground), ("LINEBEFORE", (0, 0), (0, -1), 3, edge), ("LEFTPADDING", (0, 0), (-1, -1), 10),
            ("TOPPADDING", (0, 0), (-1, -1), 6), ("BOTTOMPADDING", (0, 0), (-1, -1), 8),
        ]  # fmt: skip
        return Grid([[self.text(words, size=size)]], colWidths=[self.width], style=TableStyle(style))

    def table(self, title: str, table: Table, *, total: bool = False) -> Iterator[Any]:
        """A titled table; its heads stand again on every page it reaches."""
        from reportlab.platypus import LongTable, TableStyle

        size = 7.2 if len(table.heads) > 7 else 8.2
        heads = [
            self.text(head, size=size, bold=True, colour=MUTED, alignment=2 if number else 0)
            for number, head in enumerate(table.heads)
        ]
        rows = [
            [
                self.text(cell, size=size, bold=total and last == 0, alignment=2 if number else 0)
                for number, cell in enumerate(cells)
            ]
            for last, cells in zip(range(len(table.rows) - 1, -1, -1), table.rows, strict=True)
        ]
        style = [
            ("VALIGN", (0, 0), (-1, 0), "BOTTOM"), ("VALIGN", (0, 1), (-1, -1), "TOP"), ("LINEBELOW", (0, 0), (-1, -1), 0.5, RULE),
            ("LEFTPADDING", (0, 0), (-1, -1), 2), ("RIGHTPADDING", (0, 0), (-1, -1), 2), ("TOPPADDING", (0, 0), (-1, -1), 2.5),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 3.5),
        ]  # fmt: skip
        yield self.title(title)
        widths = _widths(table, size, self.width)
        yield LongTable([heads, *rows], colWidths=widths, style=TableStyle(style), repeatRows=1, splitInRow=1)

    def asked(self, asked: Asked) -> Iterator[Any]:
        """A question, and its answers below it."""
        yield self.text(f"{asked.number}. {asked.prompt}", size=9.8, bold=True, before=10, after=1, keep=True)
        for fact in asked.facts:
            yield self.text(fact, size=8.2, colour=MUTED, after=1, keep=True)
        for said in asked.answers:
            yield self.said(said)

    def said(self, said: Said) -> Any:
        """An answer: who, its mark, what was said, on what it rests."""
        from reportlab.platypus import Paragraph

        style = self.style(said.text, size=8.8, before=2, indent=112, bulletIndent=8, bulletFontSize=8.2)
        who, mark, text, note = (self.fonts.markup(words) for words in (said.who, said.mark, said.text, said.note))
        beside = f' <font color="{MUTED}" size="7.6">[{note}]</font>' if said.note else ""
        colour = TONES[said.tone]
        return Paragraph(f'<bullet>{who}</bullet><font color="{colour}">{mark}</font>  {text}{beside}', style)

    def picture(self) -> Iterator[Any]:
        """The picture with its title and hints."""
        words, drawn = self.words, picture(self.content.routes, self.words)
        if drawn is None:
            return
        from reportlab.platypus import KeepTogether

        hints = [words("picture_hint"), *([words("not_drawn", names=", ".join(drawn.absent))] if drawn.absent else [])]
        yield KeepTogether(
            [
                self.title(words("picture")),
                self.drawing(drawn),
                *(self.text(hint, size=8, colour=MUTED, before=2) for hint in hints),
            ]
        )

    def drawing(self, drawn: Picture) -> Any:
        """The shapes as a drawing of the text's width, y turned upwards."""
        from reportlab.graphics import shapes

        whole = shapes.Drawing(self.width, self.width * HEIGHT / WIDTH)
        group = shapes.Group(transform=(self.width / WIDTH, 0, 0, self.width / WIDTH, 0, 0))
        for shape in drawn.shapes:
            group.add(self.words_at(shape) if isinstance(shape, Text) else _figure(shape))
        whole.add(group)
        return whole

    def words_at(self, text: Text) -> Any:
        """A text of the picture, run by run."""
        from reportlab.graphics.shapes import Group, String
        from reportlab.pdfbase.pdfmetrics import stringWidth

        runs = self.fonts.runs(text.words)
        widths = [stringWidth(run, font, text.size) for font, run in runs]
        x = -{"start": 0.0, "middle": 0.5, "end": 1.0}[text.anchor] * sum(widths)
        turn = (0, 1, -1, 0) if text.turned else (1, 0, 0, 1)
        group = Group(transform=(*turn, text.x, HEIGHT - text.y))
        for (font, run), width in zip(runs, widths, strict=True):
            group.add(String(x, 0, run, fontName=font, fontSize=text.size, fillColor=_colour(text.colour)))
            x += width
        return group

    def foot(self, canvas: Any, document: Any) -> None:
        """The page's number and the document's name below it."""
        canvas.saveState()
        canvas.setFillColor(_colour(MUTED))
        x = MARGIN
        for words, right in ((self.content.subtitle, False), (self.words("page", page=document.page), True)):
            runs = self.fonts.runs(words)
            if right:
                x = MARGIN + self.width - sum(canvas.stringWidth(run, font, 7.5) for font, run in runs)
            for font, run in runs:
                canvas.setFont(font, 7.5)
                canvas.drawString(x, MARGIN - 10, run)
                x += canvas.stringWidth(run, font, 7.5)
        canvas.restoreState()


def _widths(table: Table, size: float, width: float) -> list[float]:
    """A column as wide as its longest line, and as the longest word of its head; the first takes what is left."""
    others = []
    for head, *cells in list(zip(table.heads, *table.rows, strict=True))[1:]:
        parts = [*(line for cell in cells for line in cell.split("\n")), *(head.split() if " " in head else [head[:6]])]
        others.append(max(text_width(part, size) for part in parts) + 8)
    room = width * (1 - LEAST_OF_WORDS)
    shrunk = [one * min(1.0, room / sum(others)) for one in others]
    spare = width * 0.6 - sum(shrunk)
    wide = [one + max(0.0, spare) / len(shrunk) for one in shrunk]
    return [width - sum(wide), *wide]


def _figure(shape: Line | Mark) -> Any:
    from reportlab.graphics import shapes

    colour = _colour(shape.colour)
    if isinstance(shape, Line):
        return shapes.Line(
            shape.x1, HEIGHT - shape.y1, shape.x2, HEIGHT - shape.y2, strokeColor=colour, strokeWidth=shape.width
        )
    x, y, radius = shape.x, HEIGHT - shape.y, shape.radius
    if shape.kind == "square":
        return shapes.Rect(x - radius, y - radius, 2 * radius, 2 * radius, fillColor=colour, strokeColor=None)
    if shape.kind == "ring":
        return shapes.Circle(x, y, radius, fillColor=None, strokeColor=colour, strokeWidth=1.4)
    return shapes.Circle(x, y, radius, fillColor=colour, strokeColor=None)


def _colour(name: str) -> Any:
    from reportlab.lib.colors import HexColor

    return HexColor(name)


def _mostly_chinese(words: str) -> bool:
    """Whether lines are to be broken between any two characters; Western words would be torn."""
    chinese = sum("\u3000" <= character <= "\u9fff" for character in words)
    return chinese * 4 > len(words)
