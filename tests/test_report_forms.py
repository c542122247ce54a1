"""Reports: both forms in both languages hold everything there is to say, whatever is in it, and are written whole or not at all."""

from __future__ import annotations

import io
import re
import sys
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from luosi.artifacts import Answers
from luosi.cost import Estimate, Interval, Rates
from luosi.errors import MissingDependency, UsageError
from luosi.ledger.report import Bill, bill
from luosi.report import render, write_report
from luosi.report.fonts import BOX, Fonts
from luosi.report.words import Language
from luosi.stages.verdict.money import VerdictReport
from luosi.stages.verdict.rows import AnswerRow, ArmAnswer, answer_rows
from tests.evidence_kit import race
from tests.test_stages_verdict import HOURLY, ROUTES, cards
from tests.test_stages_verdict import verdict as scored
from tests.test_stages_verdict_race import drawn, judged, shown

pypdfium2 = pytest.importorskip("pypdfium2")
WHEN = date(2026, 11, 30)
HOSTILE = "<script>window.hacked=1</script><img src=x onerror=hacked=1>\"'&amp;"


@pytest.fixture(scope="module")
def raced(tmp_path_factory: pytest.TempPathFactory) -> tuple[VerdictReport, list[AnswerRow], Bill]:
    """Seven routes, two of them not measured, thirty questions, and a bill."""
    folder = tmp_path_factory.mktemp("raced")
    rates = {"open": 0.2, "open_files": 0.6, "adapt": 0.2, "adapt_files": 0.65, "rent_files": 0.8}
    marks = drawn(rates, 30)
    marks["adapt"] = marks["adapt"][:10]
    given = race(folder, marks, stopped={"adapt": "cannot win"})
    assert isinstance(given.artifact, Answers)
    summary = judged(folder, [given], cards(folder), reference="score_open", routes=ROUTES)
    rows = answer_rows(given.artifact.questions(), given.artifact.answers())
    return shown(summary, given), rows, _bill()


def _bill() -> Bill:
    estimate = Estimate(seconds=Interval.exactly(12.0), joules=Interval.exactly(99.0))
    steps = [("curate", "curate", "k1-a"), ("adapt", "finetune", "k1-b")]
    return bill("my", steps, [], [], {"k1-a": estimate, "k1-b": estimate}, HOURLY, 2)


class Page(HTMLParser):
    """What a browser would see: the elements, and the text outside the style."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] != ["style"]:
            self.text += data


def pages(document: bytes) -> list[str]:
    """The text of every page of a PDF."""
    opened = pypdfium2.PdfDocument(io.BytesIO(document))
    found = []
    for page in opened:
        text = page.get_textpage()
        found.append(text.get_text_bounded())
        text.close()
        page.close()
    opened.close()
    return found


@pytest.mark.parametrize("language", ["en", "zh"])
def test_both_forms_say_everything(raced: tuple[VerdictReport, list[AnswerRow], Bill], language: Language) -> None:
    verdict, rows, spent = raced
    page = Page(render("html", "my", verdict, rows, bill=spent, language=language, when=WHEN))
    printed = "".join(pages(render("pdf", "my", verdict, rows, bill=spent, language=language, when=WHEN)))
    dense = [re.sub(r"\s", "", text) for text in (page.text, printed)]
    sentences = [getattr(sentence, language) for sentence in verdict.advice]
    questions = [f"{number}. {row.prompt}" for number, row in enumerate(rows, 1)]
    for wanted in [*sentences, *questions, "2026-01-01,alist", "handbook.pdf,p.3"]:
        for text in dense:
            assert re.sub(r"\s", "", wanted).replace("−", "-") in text.replace("−", "-"), wanted
    assert dense[0].index(re.sub(r"\s", "", sentences[0])) < dense[0].index(re.sub(r"\s", "", sentences[1]))
    assert ("AI-generated content" if language == "en" else "人工智能生成内容") in page.text


def test_a_page_needs_nothing_from_elsewhere(raced: tuple[VerdictReport, list[AnswerRow], Bill]) -> None:
    page = render("html", "my", *raced[:2], when=WHEN)
    seen = Page(page)
    assert not {"script", "img", "link", "iframe", "object"} & set(seen.tags)
    assert not {"src", "href", "xlink:href"} & {name for name, _ in seen.attributes}
    assert b"url(" not in page and b"@import" not in page
    assert seen.tags.count("svg") == 1


def test_the_same_verdict_gives_the_same_bytes(raced: tuple[VerdictReport, list[AnswerRow], Bill]) -> None:
    for form in ("html", "pdf"):
        first, second = (render(form, "my", *raced[:2], bill=raced[2], when=WHEN) for _ in range(2))
        assert first == second


@pytest.mark.parametrize("language", ["en", "zh"])
def test_hostile_text_stays_text(raced: tuple[VerdictReport, list[AnswerRow], Bill], language: Language) -> None:
    verdict, _, _ = raced
    attacked = verdict.model_copy(
        update={"routes": tuple(line.model_copy(update={"model": HOSTILE + line.model}) for line in verdict.routes)}
    )
    rows = [_row(HOSTILE + "\x00\ud800\u202e", HOSTILE, trouble=HOSTILE)]
    page = Page(render("html", HOSTILE, attacked, rows, language=language, when=WHEN))
    assert "script" not in page.tags and "img" not in page.tags
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert page.text.count(HOSTILE) >= 5
    text = "".join(pages(render("pdf", HOSTILE, attacked, rows, language=language, when=WHEN)))
    assert "window.hacked=1</script>" in text


def _row(prompt: str, text: str, **more: Any) -> AnswerRow:
    said = ArmAnswer(arm="open", text=text, mark=0.4, cited=(text[:50],), shown=2, **more)
    return AnswerRow(id="q", prompt=prompt, expected=(text,), grader="f1", answers=(said,))


def test_long_texts_are_cut_with_their_length_and_go_over_pages(
    raced: tuple[VerdictReport, list[AnswerRow], Bill],
) -> None:
    verdict = raced[0]
    rows = [_row("字" * 1999, text) for text in ("x" * 5000, "word " * 399, "长" * 12_345)]
    text = Page(render("html", "my", verdict, rows, when=WHEN)).text
    assert "… and 3,000 more characters" in text and "… and 10,345 more characters" in text
    printed = pages(render("pdf", "my", verdict, rows, when=WHEN))
    assert len(printed) > 5
    assert "10,345 more characters" in re.sub(r"\s+", " ", "".join(printed))


def test_characters_without_a_glyph_are_boxed_and_counted(raced: tuple[VerdictReport, list[AnswerRow], Bill]) -> None:
    text = "".join(pages(render("pdf", "my", raced[0], [_row("汉字 naïve Кир 😀😀", "ok")], when=WHEN)))
    assert "汉字" in text and "naïve" in text and "Кир" in text
    assert "2 characters that this PDF's fonts lack" in text
    fonts = Fonts()
    assert fonts.runs("a汉😀") == [("Helvetica", "a"), ("STSong-Light", "汉" + BOX)] and fonts.missing == 1


def test_a_verdict_without_a_race_is_printed_too(tmp_path: Path) -> None:
    from luosi.stages.verdict.money import report

    verdict = report(scored(tmp_path, cards(tmp_path)), {}, {}, Rates(), {})
    page = Page(render("html", "my", verdict, [], when=WHEN))
    assert "svg" not in page.tags, "no cost is known, so nothing can be drawn"
    assert "Bits per byte of held-out text" in page.text and "Right on your questions" not in page.text
    assert pages(render("pdf", "my", verdict, [], when=WHEN))


def test_reports_are_written_whole_or_not_at_all(
    raced: tuple[VerdictReport, list[AnswerRow], Bill], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdict, rows, _ = raced
    write_report(tmp_path / "a.HTML", "my", verdict, rows)
    write_report(tmp_path / "a.pdf", "my", verdict, rows)
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF-")
    for path, message in (
        (tmp_path / "a.txt", "HTML or PDF, not 'txt'"),
        (tmp_path / "no" / "a.pdf", "there is no folder"),
    ):
        with pytest.raises(UsageError, match=message):
            write_report(path, "my", verdict, rows)
    (tmp_path / "b.html").mkdir()
    with pytest.raises(UsageError, match="cannot be written"):
        write_report(tmp_path / "b.html", "my", verdict, rows)
    monkeypatch.setitem(sys.modules, "reportlab.platypus", None)
    with pytest.raises(MissingDependency, match="reportlab is not installed"):
        write_report(tmp_path / "c.pdf", "my", verdict, rows)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.HTML", "a.pdf", "b.html"]
