"""`luosi exam`: what is found of questions in real files and in a corpus, and what the program says and returns."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docx import Document as Docx
from typer.testing import CliRunner

from luosi.cli.exam import app
from luosi.grading.check import Report, Text, check, file_texts
from luosi.grading.needles import written_forms
from luosi.grading.questions import questions_of

PASSAGE = (
    "All keys and access cards must be handed back to the office on the last working day before noon at the latest."
)


def report(rows: list[dict[str, Any]], *texts: Text) -> Report:
    return check(questions_of(enumerate(rows, 2), "q.csv"), texts)


def test_leaked_is_whole_or_by_thirteen_words() -> None:
    long = "By which day exactly and at what time of that day must an employee who leaves return the keys?"
    rows = [
        {"question": long, "answer": "noon"},
        {"question": "Who signs the form?", "answer": "x"},
        {"question": "Why so?", "answer": "x"},
    ]
    quoted = "Quiz. by which day, exactly, and at what time of that day must an EMPLOYEE be told?"
    found = report(
        rows,
        Text("a.txt", quoted, "train"),
        Text("b.txt", "who signs the form", "heldout"),
        Text("c.txt", "By which day exactly and at what time of that? Why so? Who signs the letter?", "train"),
    )
    assert [[(place.where, place.files) for place in one.leaked] for one in found.questions] == [
        [("train", ("a.txt",))],
        [("heldout", ("b.txt",))],
        [],
    ]


def test_an_answer_counts_beside_its_question_only_and_in_every_written_form() -> None:
    rows: list[dict[str, Any]] = [
        {"question": "How large is the archive in Leiden?", "answer": "1200 shelves | 1200"},
        {"question": "When was the archive founded?", "answer": "2001-05-04"},
        {"question": "What must be handed back?", "passage": PASSAGE},
        {"question": "Who painted the ceiling?", "answer": "Nobody knows"},
    ]
    far = "They paid 1,200 guilders. " + "Something else stands here. " * 60
    found = report(
        rows,
        Text("far.txt", far),
        Text("near.txt", "The archive in Leiden is large: 1,200 shelves. It was founded on May 4, 2001, the archive."),
        Text("rules.txt", f"Chapter 3. {PASSAGE} Chapter 4."),
    )
    size, founded, back, painted = found.questions
    assert [place.files for place in size.verbatim] == [("near.txt",)] and size.answer_somewhere
    assert founded.verbatim[0].texts == 1 and back.verbatim[0].files == ("rules.txt",)
    assert painted.answer_somewhere is False and found.count("nowhere") == 1 and found.texts == 3
    assert report(rows).questions[3].answer_somewhere is None


def test_the_forms_of_an_answer() -> None:
    assert written_forms("1.5 million") == ["1.5 million", "1500000", "1,500,000"]
    assert "3 March 2021" in written_forms("2021-03-03") and written_forms("Paris") == ["Paris"]


def test_files_named_and_missing_and_near_questions() -> None:
    rows: list[dict[str, Any]] = [
        {"question": "How many days of annual leave?", "answer": "25", "file": "leave.pdf", "page": 2},
        {"question": "How many annual leave days are there?", "answer": "25 days", "file": "gone.pdf"},
    ]
    found = report(rows, Text("hr/Leave.pdf", "", problem="no text layer"), Text("a.txt", "nothing"))
    assert [one.file_missing for one in found.questions] == [False, True]
    assert found.questions[1].near == (found.questions[0].id,) and found.unread == {"no text layer": 1}


def test_a_finding_keeps_three_file_names_however_many_texts_have_it() -> None:
    def many() -> Iterator[Text]:
        for number in range(3_000):
            yield Text(f"{number}.txt", "Annual leave: 25 days of annual leave are granted in a year. " * 5)

    own = questions_of([(1, {"question": "How many days of annual leave are granted?", "answer": "25 days"})], "q")
    (one,) = check(own, many()).questions
    assert one.verbatim[0].texts == 3_000 and len(one.verbatim[0].files) == 3


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = tmp_path / "files"
    files.mkdir()
    document = Docx()
    document.add_heading("Leave")
    document.add_paragraph("Every employee is granted 25 days of annual leave in a year.")
    document.save(str(files / "handbook.docx"))
    (files / "考勤.txt").write_text("员工每年享有十天带薪年假，累计工作满一年。", encoding="utf-8")
    (files / "broken.pdf").write_bytes(b"%PDF-1.7 nothing")
    rows = "问题,答案,文件\n员工每年享有多少天带薪年假？,十天,考勤.txt\nHow many days of annual leave is an employee granted?,25 days,handbook.docx\n"
    (files / "questions.csv").write_text(rows + "Who?,,\n", encoding="utf-8")
    return tmp_path


def test_real_files_are_looked_through_and_the_question_file_is_not(folder: Path) -> None:
    texts = list(file_texts([str(folder / "files")], folder / "files" / "questions.csv"))
    assert {text.file for text in texts} == {"handbook.docx", "考勤.txt", "broken.pdf", "questions.csv"}
    assert {text.file for text in texts if text.problem} == {"broken.pdf", "questions.csv"}


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.stdout, result.stderr


def test_the_program_tells_of_every_row(folder: Path) -> None:
    questions, files = str(folder / "files" / "questions.csv"), str(folder / "files")
    code, out, _ = run("check", questions, files)
    assert code == 1 and "2 usable (2 number), 1 refused" in out and "row 4  no answer" in out
    assert "answered in the files, 考勤.txt" in out and "answered in the files, handbook.docx" in out
    assert "not looked at, the question file itself: 1" in out
    code, out, _ = run("check", questions, files, "--json")
    told = json.loads(out)
    assert code == 1 and [row for row, _ in told["refused"]] == [4] and told["graders"] == {"number": 2}
    good, bad = folder / "good.jsonl", folder / "bad.jsonl"
    good.write_text('{"question": "Who?", "answer": "I"}')
    bad.write_text('{"question": "Who?"}')
    code, _, err = run("check", str(good))
    assert code == 0 and "no text was looked at" in err
    assert run("check", str(bad))[0] == 2


def test_the_corpus_of_a_recipe_tells_training_from_heldout(folder: Path) -> None:
    from luosi import Workspace
    from luosi.text import sources

    (folder / "files" / "questions.csv").rename(folder / "questions.csv")
    spec = sources.SourceSpec(paths=(str(folder / "files"),))
    recipe = folder / "small.toml"
    recipe.write_text(
        f'[[steps.curate.sources]]\nname = "text"\npaths = ["files"]\nsha256 = "{sources.digest(spec)}"\n'
        '[steps.curate]\nstage = "curate"\nmin_chars = 10\nheldout_fraction = 0\n'
    )
    workspace = Workspace(folder / "work")
    workspace.run(str(recipe))
    code, out, _ = run(
        "check", str(folder / "questions.csv"), "--recipe", str(recipe), "-w", str(folder / "work"), "--json"
    )
    told = json.loads(out)
    assert code == 1 and told["texts"] == 2
    assert {place["where"] for one in told["questions"] for place in one["verbatim"]} == {"train"}


def test_questions_go_in_and_out_of_the_workspace(folder: Path) -> None:
    work, questions = str(folder / "work"), str(folder / "files" / "questions.csv")
    code, _, err = run("import", questions, "-w", work)
    assert (
        code == 1 and "2 questions added, 0 there already, 1 refused" in err and "questions.csv row 4: no answer" in err
    )
    out = folder / "out.jsonl"
    assert run("export", str(out), "--pairs", str(folder / "pairs.jsonl"), "-w", work)[0] == 0
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [row["origin"] for row in rows] == ["questions.csv row 2", "questions.csv row 3"]
    code, _, err = run("import", str(out), "-w", work)
    assert code == 0 and "0 questions added, 2 there already" in err
    assert run("check", str(out), str(folder / "files"))[0] == 0


def test_the_command_starts_light() -> None:
    heavy = "{'torch', 'numpy', 'pyarrow', 'sqlalchemy', 'openpyxl'}"
    code = f"import sys, luosi.cli.exam, luosi.grading; sys.exit(len({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
