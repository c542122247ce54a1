"""Curating files as people have them: a 1,000-page PDF, 10,000 small files, 200 mixed files of 50 MB; one killed and resumed.

    python benchmarks/files.py [pdf] [many] [mixed]

The text is of licensedcode-data (the demo extra), the pictures are noise. Needs reportlab, python-docx, python-pptx, openpyxl.
Builds in a temporary folder, curates in a process of its own, writes benchmarks/results/files.json. CPU seconds and peak
memory are that process's; a silence is the longest time between two reports of progress, in the same seconds.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from email.message import EmailMessage
from importlib import metadata
from pathlib import Path
from typing import Any

GOAL_RSS_BYTES = 2_000_000_000
GOAL_MIXED_CPU_S = 180
PAGES = 1_000
SCANNED = (13, 400, 401, 402, 777)
MANY = 10_000
MIXED = 200
MIXED_BYTES = 50_000_000
KILL_AT = 0.4


def texts() -> list[str]:
    """Licence texts, in one order on every machine."""
    files = metadata.distribution("licensedcode-data").files or []
    found = sorted((f for f in files if str(f).endswith(".LICENSE")), key=str)
    whole = [Path(str(f.locate())).read_text(encoding="utf-8", errors="replace").split("\n---\n")[-1] for f in found]
    random.Random(0).shuffle(whole)
    return whole


def paragraphs(seed: int) -> Iterator[str]:
    """Paragraphs without end."""
    dice = random.Random(seed)
    source = texts()
    while True:
        yield from (part for part in dice.choice(source).split("\n\n") if part.strip())


def passage(source: Iterator[str], chars: int) -> list[str]:
    """Paragraphs of about so many characters together."""
    taken: list[str] = []
    while sum(map(len, taken)) < chars:
        taken.append(next(source))
    return taken


def noise(dice: random.Random, size: int) -> io.BytesIO:
    """A picture that does not compress, of about `size` bytes."""
    from PIL import Image

    side = max(8, round((size / 3) ** 0.5))
    data = io.BytesIO()
    Image.frombytes("RGB", (side, side), dice.randbytes(3 * side * side)).save(data, "PNG")
    data.seek(0)
    return data


def make_pdf(path: Path, pages: list[list[str]], scanned: tuple[int, ...], picture: io.BytesIO) -> None:
    """Pages of lines; those in `scanned` are a picture only."""
    from reportlab.lib.utils import ImageReader
    from reportlab.pdfgen.canvas import Canvas

    canvas = Canvas(str(path), pageCompression=1)
    reader = ImageReader(picture)
    for number, lines in enumerate(pages, 1):
        if number in scanned or number == 1:
            canvas.drawImage(reader, 0, 0, 400, 400)
        if number not in scanned:
            text = canvas.beginText(40, 800)
            text.setFont("Helvetica", 9)
            for line in lines:
                text.textLine(line.encode("latin-1", "replace").decode("latin-1"))
            canvas.drawText(text)
        canvas.showPage()
    canvas.save()


def lines_of(parts: list[str]) -> list[str]:
    """Paragraphs as lines that fit a page."""
    words = " ".join(parts).split()
    return [" ".join(words[start : start + 14]) for start in range(0, len(words), 14)]


def build_pdf(folder: Path) -> None:
    source = paragraphs(1)
    pages = [lines_of(passage(source, 3_000))[:70] for _ in range(PAGES)]
    make_pdf(folder / "handbook.pdf", pages, SCANNED, noise(random.Random(1), 100_000))


def build_many(folder: Path) -> None:
    source = paragraphs(2)
    for number in range(MANY):
        place = folder / f"{number // 500:02}"
        place.mkdir(exist_ok=True)
        parts = passage(source, 1_500)
        kind = number % 4
        if kind == 0:
            (place / f"{number}.txt").write_text("\n\n".join(parts), encoding="utf-8")
        elif kind == 1:
            body = "".join(f"<p>{part}</p>" for part in parts)
            (place / f"{number}.html").write_text(
                f"<html><body><h1>{number}</h1>{body}</body></html>", encoding="utf-8"
            )
        elif kind == 2:
            (place / f"{number}.eml").write_bytes(mail(number, parts).as_bytes())
        else:
            make_docx(place / f"{number}.docx", parts, None)


def mail(number: int, parts: list[str]) -> EmailMessage:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = f"Notice {number}", "a@example.com", "b@example.com"
    message.set_content("\n\n".join(parts), cte="base64")
    return message


def make_docx(path: Path, parts: list[str], picture: io.BytesIO | None) -> None:
    import docx

    document = docx.Document()
    for number, part in enumerate(parts):
        if number % 8 == 0:
            document.add_heading(" ".join(part.split()[:6]), 1 + number % 3)
        document.add_paragraph("".join(char for char in part if char.isprintable() or char == "\n"))
    table = document.add_table(4, 3)
    for place, cell in enumerate(cell for row in table.rows for cell in row.cells):
        cell.text = f"{parts[0].split()[0]} {place}"
    if picture:
        document.add_picture(picture)
    document.save(str(path))


def make_pptx(path: Path, parts: list[str], picture: io.BytesIO) -> None:
    import pptx

    deck = pptx.Presentation()
    for part in parts:
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = " ".join(part.split()[:5])
        slide.placeholders[1].text = " ".join(part.split())
    deck.slides[0].shapes.add_picture(picture, 0, 0)
    deck.save(str(path))


def make_xlsx(path: Path, parts: list[str]) -> None:
    import openpyxl

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Clauses")
    sheet.append(["number", "first words", "text", "characters"])
    for number, part in enumerate(parts):
        text = "".join(char for char in part if char.isprintable() or char == "\n")
        sheet.append([number, " ".join(text.split()[:3]), text, len(text)])
    book.save(path)


def make_epub(path: Path, parts: list[str]) -> None:
    from xml.sax.saxutils import escape

    chapters = [parts[start : start + 20] for start in range(0, len(parts), 20)]
    names = [f"c{number}.xhtml" for number in range(len(chapters))]
    items = "".join(f'<item id="{name}" href="{name}"/>' for name in names)
    spine = "".join(f'<itemref idref="{name}"/>' for name in names)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("mimetype", "application/epub+zip")
        book.writestr(
            "META-INF/container.xml", '<container><rootfiles><rootfile full-path="book.opf"/></rootfiles></container>'
        )
        book.writestr("book.opf", f"<package><manifest>{items}</manifest><spine>{spine}</spine></package>")
        for name, chapter in zip(names, chapters, strict=True):
            body = "".join(f"<p>{escape(part)}</p>" for part in chapter)
            book.writestr(name, f"<html><body><h1>{name}</h1>{body}</body></html>")


def build_mixed(folder: Path) -> None:
    """200 files of 11 MB of text in all; pictures fill them up to 50 MB."""
    source, dice = paragraphs(3), random.Random(3)
    fill = (MIXED_BYTES - 7_000_000) // (MIXED * 7 // 10)
    for number in range(MIXED):
        parts = passage(source, 55_000)
        kind = ("pdf", "docx", "pdf", "docx", "pptx", "pdf", "docx", "xlsx", "html", "epub")[number % 10]
        path = folder / f"{number:03}.{kind}"
        if kind == "pdf":
            lines = lines_of(parts)
            pages = [lines[start : start + 60] for start in range(0, len(lines), 60)]
            make_pdf(path, pages, (len(pages),) if number % 20 == 0 else (), noise(dice, fill))
        elif kind == "docx":
            make_docx(path, parts, noise(dice, fill))
        elif kind == "pptx":
            make_pptx(path, parts, noise(dice, fill))
        elif kind == "xlsx":
            make_xlsx(path, parts)
        elif kind == "epub":
            make_epub(path, parts)
        else:
            path.write_text("<html><body>" + "".join(f"<p>{p}</p>" for p in parts) + "</body></html>", encoding="utf-8")


BUILD = {"pdf": build_pdf, "many": build_many, "mixed": build_mixed}


def curate_here(folder: Path, out: Path, scratch: Path) -> None:
    """Curate in this process and print what it took; run by `curate`."""
    from luosi.stages.curate.collect import source_spec
    from luosi.stages.curate.config import Config, Source
    from luosi.stages.curate.work import curate
    from luosi.text import sources

    start, silence, reports = time.monotonic(), 0.0, 0
    before = time.process_time()

    def progress(done: float, total: float, unit: str) -> None:
        nonlocal before, silence, reports
        now = time.process_time()
        silence, before, reports = max(silence, now - before), now, reports + 1

    source = Source(name="files", paths=(str(folder),), sha256="0" * 64)
    spec = source_spec(source, 20_000)
    source = source.model_copy(update={"sha256": sources.digest(spec)})
    said: list[str] = []
    curate(Config(sources=(source,)), out, scratch, progress=progress, say=said.append)
    used = resource.getrusage(resource.RUSAGE_SELF)
    report = json.loads((out / "report.json").read_bytes())["sources"]["files"]
    result = {
        "cpu_s": round(used.ru_utime + used.ru_stime, 2),
        "wall_s": round(time.monotonic() - start, 2),
        "peak_rss_bytes": used.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        "longest_silence_cpu_s": round(silence, 2),
        "progress_reports": reports,
        "text_bytes": report["train_bytes"] + report["heldout_bytes"],
        "documents": report["read"],
        "dropped": report["dropped"],
        "noted": [f"{note['file']}: {note['detail']}" for note in report["noted"]][:3],
    }
    print(json.dumps(result))


def command(*arguments: object) -> list[str]:
    return [sys.executable, __file__, *map(str, arguments)]


def curate(folder: Path, place: Path) -> dict[str, Any]:
    """Curate `folder` into `place` in a process of its own; goes on with what `place` holds."""
    for name in ("out", "scratch"):
        (place / name).mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        command("--curate", folder, place / "out", place / "scratch"), check=True, stdout=subprocess.PIPE, text=True
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def digests(place: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted((place / "out").iterdir())}


def files_read(place: Path) -> int:
    journal = place / "scratch" / "read.jsonl"
    return sum(line.startswith(b'{"end"') for line in journal.open("rb")) if journal.exists() else 0


def kill_and_resume(folder: Path, place: Path, whole: Path, count: int) -> dict[str, Any]:
    """Kill a run when KILL_AT of the files are read, run it again, compare with the run `whole`."""
    for name in ("out", "scratch"):
        (place / name).mkdir(parents=True)
    process = subprocess.Popen(command("--curate", folder, place / "out", place / "scratch"), stdout=subprocess.DEVNULL)
    while files_read(place) < KILL_AT * count and process.poll() is None:
        time.sleep(0.05)
    process.kill()
    process.wait()
    kept = files_read(place)
    again = curate(folder, place)
    return {"files_kept": kept, "cpu_s": again["cpu_s"], "same_bytes": digests(place) == digests(whole)}


def measure(name: str, root: Path) -> dict[str, Any]:
    """Build, curate, print."""
    folder = root / name
    folder.mkdir()
    subprocess.run(command("--build", name, folder), check=True)
    files = [path for path in folder.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    result = {"files": len(files), "file_bytes": size, **curate(folder, root / f"{name}-whole")}
    result["file_mb_per_cpu_s"] = round(size / 1e6 / result["cpu_s"], 2)
    result["text_mb_per_cpu_s"] = round(result["text_bytes"] / 1e6 / result["cpu_s"], 2)
    print(
        f"{name:<6} {len(files):>6,} files {size / 1e6:6.1f} MB, {result['text_bytes'] / 1e6:5.1f} MB of text: "
        f"{result['cpu_s']:6.1f} CPU s, peak {result['peak_rss_bytes'] / 1e6:,.0f} MB, "
        f"longest silence {result['longest_silence_cpu_s']:.1f} s; {'; '.join(result['noted'])}"
    )
    if len(files) > 1:
        result["killed"] = kill_and_resume(folder, root / f"{name}-killed", root / f"{name}-whole", len(files))
        print(f"       killed after {result['killed']['files_kept']:,} files and resumed: {result['killed']}")
    return result


def main(names: list[str]) -> None:
    """Measure and write."""
    with tempfile.TemporaryDirectory() as root:
        found = {name: measure(name, Path(root)) for name in names or BUILD}
    result = {
        "cases": found,
        "goals": {"peak_rss_bytes": GOAL_RSS_BYTES, "mixed_cpu_s": GOAL_MIXED_CPU_S},
        "versions": {name: metadata.version(name) for name in ("pypdfium2", "python-docx", "python-pptx", "openpyxl")},
        "python": sys.version.split()[0],
        "machine": machine(),
    }
    path = Path(__file__).parent / "results" / "files.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n")


def machine() -> str:
    from luosi import Workspace

    return Workspace().machine().name


if __name__ == "__main__":
    if sys.argv[1:2] == ["--build"]:
        BUILD[sys.argv[2]](Path(sys.argv[3]))
    elif sys.argv[1:2] == ["--curate"]:
        curate_here(*map(Path, sys.argv[2:5]))
    else:
        main(sys.argv[1:])
