"""PDF, HTML, EPUB and e-mail: pages named, structure kept, English and Chinese in any encoding, harm refused by name."""

from __future__ import annotations

import base64
import gzip
import zipfile
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luosi.text import markup
from luosi.text.decoding import decoded
from luosi.text.mail import MESSAGE_LIMIT, read_mail
from luosi.text.markup import page_text
from luosi.text.notes import of_pages, ranges
from luosi.text.reading import Raw, read_file
from luosi.text.streams import Unreadable

LAW = "第一条 为了保护民事主体的合法权益,调整民事关系,制定本法。朱镕基"


def read(path: Path) -> list[Raw]:
    return list(read_file(path.name, path))


def only(path: Path) -> Raw:
    (raw,) = read(path)
    return raw


def make_pdf(path: Path, pages: list[str], **options: object) -> Path:
    """A page for each text; "scan" is a picture of one."""
    pytest.importorskip("pypdfium2")
    canvas = pytest.importorskip("reportlab.pdfgen.canvas").Canvas(str(path), **options)
    from reportlab.pdfbase import cidfonts, pdfmetrics

    pdfmetrics.registerFont(cidfonts.UnicodeCIDFont("STSong-Light"))
    for page in pages:
        if page == "scan":
            canvas.rect(10, 10, 100, 100, fill=1)
        canvas.setFont("STSong-Light", 12)
        for number, line in enumerate([] if page == "scan" else page.split("\n")):
            canvas.drawString(72, 720 - 14 * number, line)
        canvas.showPage()
    canvas.save()
    return path


def test_pdf_pages_and_those_without_a_text_layer(tmp_path: Path) -> None:
    make_pdf(tmp_path / "a.pdf", ["Page one\nsecond line", "scan", "scan", "第四页", "scan", "Six"])
    raw, note = read(tmp_path / "a.pdf")
    assert raw.text.split("\n\f\n") == ["Page one\nsecond line", "", "", "第四页", "", "Six"] and raw.page == 1
    assert note.note == "pages without a text layer" and note.file == "a.pdf"
    assert note.detail == "3 of 6 pages have no text layer (pages 2-3, 5)"


def test_pdf_that_gives_nothing_says_why(tmp_path: Path) -> None:
    from reportlab.lib.pdfencrypt import StandardEncryption

    make_pdf(tmp_path / "scan.pdf", ["scan"] * 2)
    assert only(tmp_path / "scan.pdf").problem == "scanned PDF, no text layer"
    make_pdf(tmp_path / "locked.pdf", ["x"], encrypt=StandardEncryption("secret", "owner"))
    assert only(tmp_path / "locked.pdf").problem == "encrypted PDF"
    make_pdf(tmp_path / "open.pdf", ["Opens without a password"], encrypt=StandardEncryption("", "owner"))
    assert only(tmp_path / "open.pdf").text == "Opens without a password"
    data = make_pdf(tmp_path / "cut.pdf", ["text"] * 3).read_bytes()
    (tmp_path / "cut.pdf").write_bytes(data[: len(data) // 2])
    assert only(tmp_path / "cut.pdf").problem == "damaged PDF"
    (tmp_path / "a.pdf.gz").write_bytes(gzip.compress((tmp_path / "open.pdf").read_bytes()))
    assert only(tmp_path / "a.pdf.gz").page == 1


def test_a_damaged_page_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    pages = [b"[3 0 R 9 0 R 3 0 R]", b"[9 0 R]"]
    for kids, expected in zip(pages, ["damaged pages", "damaged PDF"], strict=True):
        content = b"BT /F1 12 Tf 72 720 Td (Readable) Tj ET"
        objects = [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids%s/Count %d>>" % (kids, kids.count(b"R")),
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Resources<</Font<</F1 5 0 R>>>>/Contents 4 0 R>>",
            b"<</Length %d>>stream\n%s\nendstream" % (len(content), content),
            b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        ]
        data, places = b"%PDF-1.4\n", []
        for number, body in enumerate(objects, 1):
            places.append(len(data))
            data += b"%d 0 obj" % number + body + b"endobj\n"
        table = b"".join(b"%010d 00000 n \n" % place for place in places)
        end = b"trailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % len(data)
        (tmp_path / "a.pdf").write_bytes(data + b"xref\n0 6\n0000000000 65535 f \n" + table + end)
        found = read(tmp_path / "a.pdf")
        assert expected in (found[-1].note, found[-1].problem)
        if len(found) > 1:
            assert found[0].text == "Readable\n\f\n\n\f\nReadable"
            assert found[1].detail == "1 of 3 pages has damage and could not be read (page 2)"


@given(st.sets(st.integers(1, 60), min_size=1))
def test_ranges_name_every_page_once(numbers: set[int]) -> None:
    ordered = sorted(numbers)
    named: list[int] = []
    for part in ranges(ordered).split(" and ")[0].split(", "):
        first, _, last = part.partition("-")
        named += range(int(first), int(last or first) + 1)
    assert named == ordered[: len(named)] and (named == ordered or "more runs" in ranges(ordered))
    assert of_pages(ordered, 60, "no text").startswith(f"{len(ordered)} of 60 pages ha")


PAGE = """<html><head><meta charset="{}"><title>t</title><script>var x;</script></head><body>
<nav><a href="/">Home</a></nav><h1>Title <em>one</em></h1><p>Text 正文 é</p><h2></h2><h3>
 Deep</h3><ul><li>a</li><li>b</li></ul>
<table><caption>Doses</caption><tr><th>Name</th><th>Dose<br>mg</th></tr><tr><td><a href="x">A</a></td><td><p>5</p><p>6</p></td></tr>
</table><table><tr><td><h2>Layout</h2></td><td><table><tr><td>x</td><td>y</td></tr></table></td></tr></table>
<p>End</p><footer>(c) us</footer></body></html>"""


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_html_keeps_headings_lists_and_tables(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.html").write_bytes(PAGE.format(encoding).encode(encoding))
    text = only(tmp_path / "a.html").text
    assert "# Title one\n" in text and "Text 正文 é" in text and "\n### Deep\n" in text and "• a" in text
    assert "Doses\nName | Dose mg\nA | 5 6\n" in text and "## Layout" in text and "x | y" in text and "End" in text
    assert "Home" not in text and "(c) us" not in text and "var x" not in text and "<" not in text


def test_html_of_very_many_or_very_deep_elements_takes_its_time_once(monkeypatch: pytest.MonkeyPatch) -> None:
    row = "<table><tr><td>a</td><td>b</td></tr></table><h2>c</h2>"  # a minute, where it goes by the square
    assert page_text(row * 4_000).count("a | b") == 4_000
    assert page_text("<table><tr><td>" * 10_000 + "deep").strip() == "deep"
    monkeypatch.setattr(markup, "PAGE_CHARS", 100)
    with pytest.raises(Unreadable, match="too large"):
        page_text("x" * 101)


@pytest.mark.parametrize(
    ("encoding", "declared"),
    [("gb18030", "gb2312"), ("gbk", "GBK"), ("big5", "big5"), ("utf-8", "gb2312"), ("utf-8", ""), ("utf-16", "utf-8")],
)
def test_html_in_chinese_encodings_even_wrongly_named(tmp_path: Path, encoding: str, declared: str) -> None:
    text = "國家的法律" if encoding == "big5" else LAW
    page = (
        f'<html><head><meta http-equiv="Content-Type" content="text/html; charset={declared}"></head><p>{text * 5}</p>'
    )
    (tmp_path / "a.html").write_bytes(page.encode(encoding))
    assert only(tmp_path / "a.html").text.strip() == text * 5


@given(
    st.binary(max_size=300), st.sampled_from(["", "gb2312", "utf-7", "punycode", "idna", "hex", "rot13", "nonsense\0"])
)
def test_any_bytes_and_any_declared_encoding_give_text(data: bytes, declared: str) -> None:
    assert isinstance(decoded(data, declared), str)


def test_a_declared_encoding_is_believed_where_bytes_do_not_tell() -> None:
    assert decoded("日本".encode("iso-2022-jp"), "iso-2022-jp") == "日本"
    assert decoded("café “x”".encode("cp1252"), "iso-8859-1") == "café “x”"


CONTAINER = '<container><rootfiles><rootfile full-path="in/book.opf"/></rootfiles></container>'
OPF = """<package xmlns="http://www.idpf.org/2007/opf"><manifest><item id="b" href="b%20b.xhtml"/><item id="a" href="../a.xhtml"/>
<item id="c" href="gone.xhtml"/></manifest><spine><itemref idref="b"/><itemref idref="a"/>{}</spine></package>"""
DRM = """<encryption xmlns:enc="http://www.w3.org/2001/04/xmlenc#"><enc:EncryptedData>
<enc:EncryptionMethod Algorithm="{}"/></enc:EncryptedData></encryption>"""


def make_epub(path: Path, **added: str) -> Path:
    parts = {
        "META-INF/container.xml": CONTAINER,
        "in/book.opf": OPF.format(""),
        "a.xhtml": "<html><body><h1>第二章</h1><p>Text A</p></body></html>",
        "in/b b.xhtml": "<html><body><h1>First</h1><p>Text B</p><table><tr><td>1</td><td>2</td></tr></table></body></html>",
    }
    with zipfile.ZipFile(path, "w") as book:
        for name, text in (parts | {name.replace("__", "/"): text for name, text in added.items()}).items():
            book.writestr(name, text)
    return path


def test_epub_chapters_in_the_order_of_the_spine(tmp_path: Path) -> None:
    assert only(make_epub(tmp_path / "a.epub")).text == "# First\n\nText B\n\n1 | 2\n\n# 第二章\n\nText A\n\n"
    opf = {"in/book.opf": OPF.format('<itemref idref="c"/>')}
    _, note = read(make_epub(tmp_path / "a.epub", **opf))
    assert note.detail == "1 of 3 chapters are not in the file"


def test_epub_that_is_locked_or_harmful_is_refused(tmp_path: Path) -> None:
    lock = {"META-INF/encryption.xml": DRM.format("http://www.w3.org/2001/04/xmlenc#aes128-cbc")}
    assert only(make_epub(tmp_path / "a.epub", **lock)).problem == "encrypted EPUB"
    fonts = {"META-INF/encryption.xml": DRM.format("http://www.idpf.org/2008/embedding")}
    assert only(make_epub(tmp_path / "a.epub", **fonts)).problem == ""
    for bad in (
        {"in/book.opf": '<!DOCTYPE x [<!ENTITY a "b">]><package>&a;</package>'},
        {"in/book.opf": "<package>"},
        {"META-INF/container.xml": "<container/>"},
    ):
        assert only(make_epub(tmp_path / "a.epub", **bad)).problem == "damaged EPUB"
    with zipfile.ZipFile(make_epub(tmp_path / "a.epub"), "a", zipfile.ZIP_DEFLATED) as book:
        book.writestr("in/z.xhtml", b"a" * (80 << 20))
    assert only(tmp_path / "a.epub").problem == "zip bomb refused"


def make_mail() -> EmailMessage:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = "会议 minutes", "张三 <z@example.com>", "b@example.com"
    message["Date"] = "Mon, 01 Jun 2026 10:00:00 +0800"
    message.set_content("Plain 正文\n")
    message.add_alternative("<p>HTML 正文</p>", subtype="html")
    return message


HEAD = "Subject: 会议 minutes\nFrom: 张三 <z@example.com>\nTo: b@example.com\nDate: Mon, 01 Jun 2026 10:00:00 +0800\n\n"


def test_mail_with_attachments_as_documents_of_their_own(tmp_path: Path) -> None:
    message, inner = make_mail(), EmailMessage()
    inner["Subject"] = "inner"
    inner.set_content("forwarded text\n")
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        archive.writestr("zipped.txt", "zipped text")
        archive.writestr("again.zip", b"PK")
    message.add_attachment("Table | text\n", filename="../etc/报告.txt")
    for _ in range(2):
        message.add_attachment(b"\x89PNG", maintype="image", subtype="png", filename="x.png")
    message.add_attachment(inner)
    data = (tmp_path / "in.zip").read_bytes()
    message.add_attachment(data, maintype="application", subtype="zip", filename="in.zip")
    (tmp_path / "a.eml").write_bytes(message.as_bytes())
    found = [(raw.name, raw.problem or raw.text, raw.file) for raw in read(tmp_path / "a.eml")]
    refused = "not a text format"
    assert found == [
        ("a.eml", HEAD + "Plain 正文\n", "a.eml"),
        ("a.eml/etc_报告.txt", "Table | text\n", "a.eml/etc_报告.txt"),
        ("a.eml/x.png", refused, "a.eml/x.png"),
        ("a.eml/x~2.png", refused, "a.eml/x~2.png"),
        ("a.eml/forwarded.eml", "Subject: inner\n\nforwarded text\n", "a.eml/forwarded.eml"),
        ("a.eml/in.zip/again.zip", refused, "a.eml/in.zip/again.zip"),
        ("a.eml/in.zip/zipped.txt", "zipped text", "a.eml/in.zip/zipped.txt"),
    ]


def gbk_mail() -> bytes:
    subject = base64.b64encode("关于朱镕基".encode("gb18030"))
    head = b"Subject: =?GB2312?B?" + subject + b"?=\nFrom: " + "李四 <l@example.com>".encode("gb18030")
    return head + b"\nContent-Type: text/html; charset=gb2312\n\n" + f"<p>{LAW}</p>".encode("gb18030")


def test_mail_in_gbk_that_says_gb2312(tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(gbk_mail())
    assert only(tmp_path / "a.eml").text.strip() == f"Subject: 关于朱镕基\nFrom: 李四 <l@example.com>\n\n{LAW}"


def test_a_mailbox_gives_its_messages(tmp_path: Path) -> None:
    box = (
        b"From a@b Mon\n"
        + make_mail().as_bytes()
        + b"\nFrom c@d Tue\n"
        + gbk_mail()
        + b"\n>From here\n\nFrom e\nno head"
    )
    (tmp_path / "a.mbox").write_bytes(box)
    found = read(tmp_path / "a.mbox")
    assert [(raw.name, raw.file, raw.problem) for raw in found] == [
        ("a.mbox#1", "a.mbox", ""),
        ("a.mbox#2", "a.mbox", ""),
        ("a.mbox#3", "a.mbox", "damaged e-mail"),
    ]
    assert found[0].text == HEAD + "Plain 正文\n" and LAW in found[1].text and "\nFrom here" in found[1].text


def test_mail_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    locked = b"Subject: x\nContent-Type: multipart/encrypted; boundary=b\n\n--b\n\n--b--\n"
    for data, reason in ((locked, "encrypted e-mail"), (b"\n\njust text", "damaged e-mail")):
        (tmp_path / "a.eml").write_bytes(data)
        assert only(tmp_path / "a.eml").problem == reason
    with pytest.raises(Unreadable, match="message too large"):
        read_mail(b"Subject: x\n\n" + bytes(MESSAGE_LIMIT))
    message = make_mail()
    for _ in range(12):
        outer = EmailMessage()
        outer["Subject"] = "again"
        outer.set_content("see below\n")
        outer.add_attachment(message)
        message = outer
    (tmp_path / "a.eml").write_bytes(message.as_bytes())
    found = read(tmp_path / "a.eml")
    assert len(found) == 9 and found[-1].problem == "too many messages within messages"


@given(st.binary(max_size=300))
def test_any_bytes_are_mail_or_refused(data: bytes) -> None:
    try:
        assert isinstance(read_mail(b"Subject: a\n" + data).text, str)
    except Unreadable as error:
        assert error.reason in ("damaged e-mail", "encrypted e-mail")
