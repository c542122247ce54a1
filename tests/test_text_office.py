"""Word, PowerPoint and Excel files: structure kept, what is left out said, and every kind of harm refused by name."""

from __future__ import annotations

import datetime
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from luosi.text.reading import Raw, read_file
from luosi.text.streams import Unreadable
from luosi.text.tables import table_text, xlsx_rows

docx = pytest.importorskip("docx")
pptx = pytest.importorskip("pptx")
openpyxl = pytest.importorskip("openpyxl")

OLE = bytes.fromhex("d0cf11e0a1b11ae1")


def read(path: Path) -> list[Raw]:
    return list(read_file(path.name, path))


def only(path: Path) -> Raw:
    (raw,) = read(path)
    return raw


def repacked(path: Path, target: Path, change: Callable[[str, bytes], bytes], **added: bytes) -> Path:
    """A copy of a zip with its members changed, and others added."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
        for name, data in added.items():
            new.writestr(name.replace("__", "/").replace("_dot_", "."), data)
    return target


def same(name: str, data: bytes) -> bytes:
    return data


@pytest.fixture
def word(tmp_path: Path) -> Path:
    document = docx.Document()
    document.add_heading("Handbook", 0)
    document.add_heading("概述 Overview", 1)
    document.add_paragraph("First paragraph.")
    for name in ("apples", "pears"):
        document.add_paragraph(name, style="List Bullet")
    document.add_paragraph("deep", style="List Bullet 2")
    document.add_paragraph("open", style="List Number")
    document.add_paragraph("close", style="List Number")
    table = document.add_table(3, 2)
    for place, text in enumerate(("Name", "Dose", "A\nB", "5 mg", "", "6 mg")):
        table.cell(place // 2, place % 2).text = text
    document.add_heading("Part", 2)
    document.add_paragraph("Last paragraph.")
    document.sections[0].header.paragraphs[0].text = "HEADER"
    document.sections[0].footer.paragraphs[0].text = "FOOTER"
    document.save(str(tmp_path / "a.docx"))
    return tmp_path / "a.docx"


WORD = (
    "# Handbook\n\n# 概述 Overview\n\nFirst paragraph.\n\n- apples\n- pears\n- deep\n1. open\n2. close\n\n"
    "Name | Dose\nA B | 5 mg\n | 6 mg\n\n## Part\n\nLast paragraph."
)


def test_word_keeps_headings_lists_and_tables_in_order(word: Path) -> None:
    raw = only(word)
    assert raw.text == WORD and raw.file == "a.docx" and raw.page == 0


def w(xml: str) -> Any:
    """XML in Word's name space."""
    from docx.oxml.ns import nsdecls
    from docx.oxml.parser import parse_xml

    end = min(place for place in (xml.find(" "), xml.find(">"), xml.find("/>")) if place > 0)
    return parse_xml(f"{xml[:end]} {nsdecls('w')}{xml[end:]}")


def test_word_reads_controls_insertions_and_text_boxes_but_nothing_deleted(tmp_path: Path) -> None:
    document = docx.Document()
    body = document.element.body
    contents = "<w:sdtPr><w:docPartObj><w:docPartGallery w:val='Table of Contents'/></w:docPartObj></w:sdtPr>"
    control = "<w:sdt>{}<w:sdtContent><w:p><w:r><w:t>{}</w:t></w:r></w:p></w:sdtContent></w:sdt>"
    body.insert(0, w(control.format(contents, "Overview ... 3")))
    body.insert(1, w(control.format("", "In a control")))
    paragraph = document.add_paragraph("Was ")._p
    paragraph.append(w("<w:ins w:id='1' w:author='x'><w:r><w:t>inserted</w:t></w:r></w:ins>"))
    paragraph.append(w("<w:del w:id='2' w:author='x'><w:r><w:delText>deleted</w:delText></w:r></w:del>"))
    box = "<w:pict><w:txbxContent><w:p><w:r><w:t>boxed</w:t></w:r></w:p></w:txbxContent></w:pict>"
    document.add_paragraph("Beside ")._p.append(w(f"<w:r>{box}</w:r>"))
    document.save(str(tmp_path / "a.docx"))
    assert only(tmp_path / "a.docx").text == "In a control\n\nWas inserted\n\nBeside boxed"


def test_word_counts_as_word_does(tmp_path: Path) -> None:
    document = docx.Document()
    level = "<w:lvl w:ilvl='{}'><w:start w:val='1'/><w:numFmt w:val='{}'/><w:lvlText w:val='{}'/></w:lvl>"
    levels = level.format(0, "decimal", "第%1条") + level.format(1, "lowerRoman", "%1.%2)")
    numbering = document.part.numbering_part.element
    numbering.insert(0, w(f"<w:abstractNum w:abstractNumId='77'>{levels}</w:abstractNum>"))
    numbering.append(w("<w:num w:numId='77'><w:abstractNumId w:val='77'/></w:num>"))
    for depth, text in ((0, "总则"), (1, "a"), (1, "b"), (0, "附则"), (1, "c")):
        properties = document.add_paragraph(text)._p.get_or_add_pPr()
        properties.append(w(f"<w:numPr><w:ilvl w:val='{depth}'/><w:numId w:val='77'/></w:numPr>"))
    document.save(str(tmp_path / "a.docx"))
    assert only(tmp_path / "a.docx").text == "第1条 总则\n  1.i) a\n  1.ii) b\n第2条 附则\n  2.i) c"


@pytest.fixture
def slides(tmp_path: Path) -> Path:
    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[1])
    slide.shapes.title.text, slide.placeholders[1].text = "Plan 计划", "one\ntwo"
    slide.placeholders[1].text_frame.paragraphs[1].level = 1
    slide.notes_slide.notes_text_frame.text = "Say hello"
    deck.slides.add_slide(deck.slide_layouts[6])
    slide = deck.slides.add_slide(deck.slide_layouts[6])
    table = slide.shapes.add_table(2, 2, 0, 0, 100, 100).table
    for place, text in enumerate(("Name", "Dose", "A", "5 mg")):
        table.cell(place // 2, place % 2).text = text
    slide.shapes.add_group_shape().shapes.add_textbox(0, 0, 10, 10).text_frame.text = "in a group"
    deck.save(str(tmp_path / "a.pptx"))
    return tmp_path / "a.pptx"


def test_slides_are_pages_with_titles_notes_and_tables(slides: Path) -> None:
    raw, note = read(slides)
    assert raw.page == 1
    assert raw.text.split("\n\f\n") == [
        "# Plan 计划\n\none\n  two\n\nNotes: Say hello",
        "",
        "Name | Dose\nA | 5 mg\n\nin a group",
    ]
    assert (note.note, note.detail) == ("slides without text", "1 of 3 slides has no text (slide 2)")


@pytest.fixture
def book(tmp_path: Path) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Preise"
    sheet.append(["name", "price", None, "since"])
    sheet.append(["Schraube", 1.50, None, datetime.date(2026, 11, 22)])
    sheet.append([])
    sheet.append(["螺母", 3.0, None, True])
    book.create_sheet("Empty")
    book.create_sheet("Long").append(["number", "square"])
    for number in range(65):
        book["Long"].append([number, number**2])
    book.save(tmp_path / "a.xlsx")
    return tmp_path / "a.xlsx"


def test_sheets_are_headings_and_long_ones_repeat_their_header(book: Path) -> None:
    text = only(book).text
    first, second = text.split("# Long\n\n")
    assert first == "# Preise\n\nname | price |  | since\nSchraube | 1.5 |  | 2026-11-22\n螺母 | 3 |  | TRUE\n\n"
    blocks = second.strip().split("\n\n")
    assert [block.count("\n") for block in blocks] == [30, 30, 5]
    assert all(block.startswith("number | square\n") for block in blocks) and "64 | 4096" in blocks[2]


def test_rows_of_a_workbook_by_their_header(book: Path) -> None:
    with book.open("rb") as stream:
        assert list(xlsx_rows(stream)) == [
            (2, {"name": "Schraube", "price": "1.5", "since": "2026-11-22"}),
            (4, {"name": "螺母", "price": "3", "since": "TRUE"}),
        ]
    for damaged in (b"", b"PK\3\4 and then nothing", book.read_bytes()[:3000]):
        with pytest.raises(Unreadable, match="damaged XLSX"):
            list(xlsx_rows(io.BytesIO(damaged)))


def test_the_header_of_a_table_is_its_first_row_with_two_cells() -> None:
    assert "".join(table_text([["Prices of 2026"], [], ["a", "b"], ["1", " "], ["", "2\n3"]])) == (
        "Prices of 2026\na | b\n1\n | 2 3\n"
    )


MACRO_TYPE = (
    b"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml",
    b"application/vnd.ms-word.document.macroEnabled.main+xml",
)


def test_macros_are_left_out_and_said(word: Path, slides: Path, book: Path, tmp_path: Path) -> None:
    repacked(word, tmp_path / "a.docm", lambda name, data: data.replace(*MACRO_TYPE), word__vbaProject_dot_bin=b"x")
    repacked(slides, tmp_path / "a.pptm", same, ppt__vbaProject_dot_bin=b"x")
    repacked(book, tmp_path / "a.xlsm", same, xl__vbaProject_dot_bin=b"x")
    for name, plain in (("a.docm", word), ("a.pptm", slides), ("a.xlsm", book)):
        found = read(tmp_path / name)
        assert found[0].text == read(plain)[0].text
        assert "macros left out" in [raw.note for raw in found[1:]] and found[-1].file == name


def test_old_and_encrypted_files_are_refused_with_what_to_do(tmp_path: Path) -> None:
    for suffix, reason in (
        (".doc", "old Word format"),
        (".xls", "old Excel format"),
        (".ppt", "old PowerPoint format"),
    ):
        (tmp_path / f"a{suffix}").write_bytes(OLE + b"x")
        raw = only(tmp_path / f"a{suffix}")
        assert raw.problem.startswith(reason) and raw.detail == f"save it as {suffix}x" and raw.file == f"a{suffix}"
    for kind in ("docx", "pptx", "xlsx"):
        path = tmp_path / f"a.{kind}"
        path.write_bytes(OLE + bytes(600) + "EncryptedPackage".encode("utf-16-le"))
        assert only(path).problem == f"encrypted {kind.upper()}"
        path.write_bytes(OLE + bytes(600))
        assert only(path).problem == f"not a {kind.upper()} file"


def test_bombs_inside_are_refused(word: Path, slides: Path, book: Path, tmp_path: Path) -> None:
    for path in (word, slides, book):
        bomb = repacked(path, tmp_path / f"bomb{path.suffix}", same, word__more_dot_xml=bytes(90 << 20))
        assert only(bomb).problem == "zip bomb refused"


ENTITIES = (
    b'<!DOCTYPE x [<!ENTITY a "'
    + b"lol" * 100
    + b'">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 50) for n in range(8))
    + b"]>"
)


@pytest.mark.parametrize(
    ("kind", "part", "tag"),
    [
        ("docx", "word/document.xml", b"<w:t>"),
        ("docx", "word/styles.xml", b"<w:qFormat/>"),
        ("pptx", "ppt/slides/slide1.xml", b"<a:t>"),
        ("xlsx", "xl/worksheets/sheet1.xml", b"<t>"),
    ],
)
def test_a_billion_laughs_do_not_hurt(
    kind: str, part: str, tag: bytes, word: Path, slides: Path, book: Path, tmp_path: Path
) -> None:
    def laughing(name: str, data: bytes) -> bytes:
        if name != part:
            return data
        assert tag in data
        return ENTITIES + data[data.find(b"?>") + 2 if data.startswith(b"<?xml") else 0 :].replace(tag, tag + b"&i;")

    plain = {"docx": word, "pptx": slides, "xlsx": book}[kind]
    found = read(repacked(plain, tmp_path / f"lol.{kind}", laughing))
    assert found[-1].problem == f"damaged {kind.upper()}" and sum(len(raw.text) for raw in found) < 10_000


def test_damage_anywhere_is_named(word: Path, slides: Path, book: Path, tmp_path: Path) -> None:
    for path in (word, slides, book):
        data = path.read_bytes()
        damaged = tmp_path / f"bad{path.suffix}"
        for size in (0, 1, 30, len(data) // 2, len(data) - 10):
            damaged.write_bytes(data[:size])
            assert only(damaged).problem == f"damaged {path.suffix[1:].upper()}"
        for name in zipfile.ZipFile(path).namelist():
            repacked(path, damaged, lambda member, content, name=name: b"<x/>" if member == name else content)  # type: ignore[misc]
            assert all(raw.problem in ("", f"damaged {path.suffix[1:].upper()}") for raw in read(damaged))


def test_office_files_inside_a_zip(word: Path, slides: Path, book: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in (word, slides, book):
            archive.write(path, f"in/{path.name}")
        archive.writestr("in/old.doc", OLE)
    found = {raw.name: raw for raw in read(tmp_path / "all.zip") if not raw.note}
    assert found["all.zip/in/a.docx"].text == WORD and found["all.zip/in/a.docx"].file == "all.zip/in/a.docx"
    assert found["all.zip/in/a.pptx"].page == 1 and found["all.zip/in/a.xlsx"].text.startswith("# Preise")
    assert found["all.zip/in/old.doc"].problem == "old Word format (.doc)"
