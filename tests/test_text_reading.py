"""Reading files: every format with its real library, every kind of damage named, nothing lost, memory bounded."""

from __future__ import annotations

import csv
import gzip
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luosi.text.decoding import lines, pieces, sniff
from luosi.text.reading import Raw, format_of, read_file

PROSE = "The licensee may copy the work. It shall keep this notice in every copy.\n\nNo warranty is given.\n"


def read(path: Path, **options: int | str) -> list[Raw]:
    return list(read_file(path.name, path, **options))  # type: ignore[arg-type]


def only(path: Path) -> Raw:
    (raw,) = read(path)
    return raw


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_encodings_are_found(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.txt").write_bytes(("Ähnlich: 螺丝. " + PROSE).encode(encoding))
    assert only(tmp_path / "a.txt").text == "Ähnlich: 螺丝. " + PROSE


def test_gb18030_is_read_and_broken_utf8_is_not_taken_for_it(tmp_path: Path) -> None:
    chinese = "第一条 为了保护民事主体的合法权益,调整民事关系,制定本法。" * 20
    assert sniff(chinese.encode("gb18030")) == "gb18030"
    assert sniff(chinese.encode("utf-8")[:-1]) == "utf-8"
    broken = chinese.encode("utf-8").replace("法".encode(), b"\xff", 1)
    assert sniff(broken) == "utf-8"
    (tmp_path / "a.txt").write_bytes(broken)
    assert only(tmp_path / "a.txt").text.count("\ufffd") == 1


@given(st.binary(max_size=400))
def test_any_bytes_are_read(data: bytes) -> None:
    assert isinstance("".join(text for _, text in lines(io.BytesIO(data), 50) if text), str)


@given(st.text(max_size=500), st.integers(1, 60), st.integers(1, 40))
def test_pieces_are_the_text_and_within_the_limit(text: str, limit: int, block: int) -> None:
    cut = list(pieces((text[i : i + block] for i in range(0, len(text), block)), limit))
    assert "".join(cut) == text
    assert all(0 < len(piece) <= limit for piece in cut)


def test_pieces_end_at_paragraphs() -> None:
    text = "\n\n".join("word " * 30 for _ in range(20))
    assert all(piece.endswith("\n\n") for piece in list(pieces([text], 500))[:-1])


def test_a_long_text_is_cut_and_its_pieces_know_the_whole(tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text(PROSE * 100, encoding="utf-8")
    found = read(tmp_path / "book.txt", document_chars=1000)
    assert "".join(raw.text for raw in found) == PROSE * 100
    assert found[1].name == "book.txt#part2" and {raw.whole for raw in found} == {"book.txt"}


@pytest.mark.parametrize("name", ["a.txt.gz", "a.txt.zst"])
def test_compressed_files(tmp_path: Path, name: str) -> None:
    zstandard = pytest.importorskip("zstandard")
    pack = gzip.compress if name.endswith(".gz") else zstandard.ZstdCompressor().compress
    (tmp_path / name).write_bytes(pack(PROSE.encode()) * 2)
    assert only(tmp_path / name).text == PROSE * 2
    for damaged in (pack(PROSE.encode())[:-7], b"no such format"):
        (tmp_path / name).write_bytes(damaged)
        assert read(tmp_path / name)[-1].problem == f"damaged .{name[-3:].strip('.')} file"


@pytest.mark.parametrize("name", ["bomb.txt.gz", "bomb.txt.zst"])
def test_a_bomb_is_refused_and_gives_no_text(tmp_path: Path, name: str) -> None:
    zstandard = pytest.importorskip("zstandard")
    with (
        gzip.open(tmp_path / name, "wb", compresslevel=6)
        if name.endswith("gz")
        else zstandard.open(tmp_path / name, "wb") as file
    ):
        for _ in range(70):
            file.write(b"a" * (1 << 20))
    found = read(tmp_path / name)
    assert found[-1].problem == "zip bomb refused"
    if name.endswith("gz"):  # says at its end how large it gets
        assert len(found) == 1


def test_a_zip_gives_its_safe_members(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("b/good.txt", PROSE)
        archive.writestr("../../evil.txt", PROSE)
        archive.writestr("/etc/evil.txt", PROSE)
        archive.writestr("rows.jsonl", json.dumps({"text": PROSE}) + "\n")
        archive.writestr("inner.zip", b"PK")
        archive.writestr("photo.jpg", b"\xff\xd8")
    found = {raw.name: raw.problem for raw in read(tmp_path / "all.zip")}
    assert found == {
        "all.zip/../../evil.txt": "unsafe name in archive",
        "all.zip//etc/evil.txt": "unsafe name in archive",
        "all.zip/b/good.txt": "",
        "all.zip/inner.zip": "not a text format",
        "all.zip/photo.jpg": "not a text format",
        "all.zip/rows.jsonl#1": "",
    }
    assert not (tmp_path.parent / "evil.txt").exists()


def test_zip_names_of_a_chinese_windows(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("XXXXXXXX.txt", PROSE)
    data = (tmp_path / "all.zip").read_bytes().replace(b"XXXXXXXX", "年度报告".encode("gb2312"))
    (tmp_path / "all.zip").write_bytes(data)
    assert only(tmp_path / "all.zip").name == "all.zip/年度报告.txt"


def test_bad_zips_are_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(10):
            archive.writestr(f"{number}.txt", b"a" * (8 << 20))
    assert only(tmp_path / "bomb.zip").problem == "zip bomb refused"
    (tmp_path / "cut.zip").write_bytes((tmp_path / "bomb.zip").read_bytes()[:-30])
    assert only(tmp_path / "cut.zip").problem == "damaged .zip file"


def test_html_keeps_text_and_drops_markup(tmp_path: Path) -> None:
    pytest.importorskip("resiliparse")
    page = (
        f"<html><head><script>var x = 1;</script></head><body><article><h1>Title é</h1><p>{PROSE}</p></article></body>"
    )
    (tmp_path / "a.html").write_bytes(page.encode("iso-8859-1"))
    text = only(tmp_path / "a.html").text
    assert "Title é" in text and "keep this notice" in text and "var x" not in text and "<" not in text


def minimal_pdf(text: str) -> bytes:
    content = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode()
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Resources<</Font<</F1 5 0 R>>>>/Contents 4 0 R>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(content), content),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    data, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(data))
        data += b"%d 0 obj" % number + body + b"endobj\n"
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    start = len(data)
    data += b"xref\n0 6\n0000000000 65535 f \n" + table
    return data + b"trailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % start


def locked_pdf() -> bytes:
    """The minimal PDF with an encryption dictionary no empty password opens."""
    key = b"<</Filter/Standard/V 1/R 2/P -4/O<" + b"41" * 32 + b">/U<" + b"42" * 32 + b">>>"
    return minimal_pdf("secret").replace(b"/Root 1 0 R", b"/Root 1 0 R/ID[<00><00>]/Encrypt" + key)


def test_pdf(tmp_path: Path) -> None:
    pytest.importorskip("pypdfium2")
    (tmp_path / "a.pdf").write_bytes(minimal_pdf("No warranty is given"))
    assert only(tmp_path / "a.pdf").text.strip() == "No warranty is given"
    (tmp_path / "b.pdf").write_bytes(locked_pdf())
    assert only(tmp_path / "b.pdf").problem == "encrypted PDF"
    (tmp_path / "c.pdf").write_bytes(b"%PDF-1.4 and then nothing")
    assert only(tmp_path / "c.pdf").problem == "damaged PDF"
    (tmp_path / "d.pdf.gz").write_bytes(gzip.compress(minimal_pdf("Packed")))
    assert only(tmp_path / "d.pdf.gz").text.strip() == "Packed"


def test_docx_with_a_table(tmp_path: Path) -> None:
    docx = pytest.importorskip("docx")
    document = docx.Document()
    document.add_paragraph("First paragraph")
    table = document.add_table(1, 2)
    table.cell(0, 0).text, table.cell(0, 1).text = "left", "right"
    document.add_paragraph("Last paragraph")
    document.save(str(tmp_path / "a.docx"))
    assert only(tmp_path / "a.docx").text == "First paragraph\n\nleft | right\n\nLast paragraph"
    (tmp_path / "b.docx").write_bytes((tmp_path / "a.docx").read_bytes()[:900])
    assert only(tmp_path / "b.docx").problem == "damaged DOCX"


def test_jsonl_rows_good_and_bad(tmp_path: Path) -> None:
    rows = [
        json.dumps({"text": PROSE}),
        "",
        "{broken",
        "[1]",
        '{"body": "x"}',
        '{"text": "\\ud800 lone"}',
        '{"text": 3}',
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(rows), encoding="utf-8")
    found = [(raw.name, raw.problem) for raw in read(tmp_path / "a.jsonl")]
    assert found == [
        ("a.jsonl#1", ""),
        ("a.jsonl#3", "not JSON"),
        ("a.jsonl#4", "not a JSON object"),
        ("a.jsonl#5", "no field 'text'"),
        ("a.jsonl#6", ""),
        ("a.jsonl#7", "no field 'text'"),
    ]
    assert read(tmp_path / "a.jsonl", text_field="body")[3].text == "x"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_with_quoted_lines(tmp_path: Path, delimiter: str) -> None:
    with (tmp_path / "a.csv").open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file, delimiter=delimiter).writerows([["id", "text"], ["1", PROSE], ["2", f'a "b"{delimiter} c']])
    assert [(raw.name, raw.text) for raw in read(tmp_path / "a.csv")] == [
        ("a.csv#2", PROSE),
        ("a.csv#3", f'a "b"{delimiter} c'),
    ]


def test_a_csv_without_a_text_column_is_one_table(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('\ufeffname;dose\n螺丝;5 mg\n\n"a\nb";6 mg\n', encoding="utf-8")
    assert only(tmp_path / "a.csv").text == "name | dose\n螺丝 | 5 mg\na b | 6 mg\n"
    assert [raw.problem for raw in read(tmp_path / "a.csv", text_field="body")] == ["no field 'body'"] * 2
    (tmp_path / "a.csv").write_bytes(b"name,dose\na,1\n" + b"x" * (17 << 20) + b"\nb,2\n")
    found = read(tmp_path / "a.csv")
    assert found[-1].problem == "line too long" and found[-1].name == "a.csv"
    (tmp_path / "a.csv").write_bytes(b"")
    assert only(tmp_path / "a.csv").text == ""


def test_parquet(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"text": [PROSE, None, "b"], "n": [1, 2, 3]}), tmp_path / "a.parquet")
    assert [(raw.text, raw.problem) for raw in read(tmp_path / "a.parquet")] == [
        (PROSE, ""),
        ("", "no field 'text'"),
        ("b", ""),
    ]
    assert "has: text, n" in read(tmp_path / "a.parquet", text_field="body")[0].detail
    (tmp_path / "b.parquet").write_bytes(b"PAR1 nothing PAR1")
    assert only(tmp_path / "b.parquet").problem == "damaged Parquet file"


def test_long_lines_are_dropped_and_the_next_is_read() -> None:
    data = b"first\n" + b"x" * 2_000_000 + b"\nlast"
    assert list(lines(io.BytesIO(data), 1000)) == [(1, "first\n"), (2, None), (3, "last")]


def test_a_100_mb_line_takes_little_memory(tmp_path: Path) -> None:
    with (tmp_path / "a.txt").open("wb") as file:
        for number in range(116):
            file.write(b"%07d words without an end " % number * 30_000)
    (tmp_path / "b.jsonl").write_bytes(b'{"text": "' + b"x" * 50_000_000 + b'"}\n{"text": "short"}\n')
    script = f"""
import resource
from pathlib import Path
from luosi.text.reading import read_file
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
parts = chars = 0
for raw in read_file("a.txt", Path({str(tmp_path / "a.txt")!r})):
    parts, chars = parts + 1, chars + len(raw.text)
    assert len(raw.text) <= 20_000
rows = [raw.problem or raw.text for raw in read_file("b.jsonl", Path({str(tmp_path / "b.jsonl")!r}))]
print(parts, chars, rows, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    head, memory_mib = output.rsplit(maxsplit=1)
    assert head.endswith(f"{(tmp_path / 'a.txt').stat().st_size} ['line too long', 'short']")
    assert int(memory_mib) < 300


def test_missing_dependency_names_the_pip_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from luosi.errors import MissingDependency

    (tmp_path / "a.docx").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "docx", None)
    with pytest.raises(MissingDependency, match=r"pip install 'luosi\[files\]'"):
        read(tmp_path / "a.docx")


def test_formats_by_suffix() -> None:
    names = ["A.TXT", "a.jsonl.zst", "a.zip.gz", "a.gz", "a", "x.tar.gz", "b.Html.GZ"]
    assert [format_of(name) for name in names] == ["text", "jsonl", "", "", "", "", "html"]
