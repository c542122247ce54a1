"""Question files as people have them: every style read, every bad row answered with what was seen and expected."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luosi.artifacts import Question
from luosi.errors import InputError
from luosi.grading.near import near_pairs
from luosi.grading.questions import OwnQuestions, question_of, questions_of, read_questions, row_of
from luosi.grading.rows import BadRow

CHOICES = ["red", "green", "blue"]


def read(*rows: dict[str, Any]) -> OwnQuestions:
    return questions_of(enumerate(rows, 1), "q.jsonl")


@pytest.mark.parametrize(
    ("row", "right"),
    [
        ({"question": "q", "choices": CHOICES, "answer": "B"}, "green"),
        ({"question": "q", "choices": CHOICES, "answer": "(c)"}, "blue"),
        ({"question": "q", "choices": "red | green | blue", "answer": "GREEN"}, "green"),
        ({"question": "q", "choices": CHOICES, "answer": 0}, "red"),
        ({"question": "q", "choices": CHOICES, "answer": 3}, "blue"),
        ({"question": "q", "choices": [10, 20, 2], "answer": 2}, "2"),
        ({"Question": "q", "choice_a": "red", "choice_b": "green", "Answer": "a."}, "red"),
        ({"prompt": "q", "A": "red", "B": "green", "C": "", "answer": "B"}, "green"),
        ({"题目": "q", "选项A": "红", "选项 B": "绿", "正确答案": "Ｂ"}, "绿"),
        ({"question": "q", "choices": {"text": CHOICES, "label": ["A", "B", "C"]}, "answer": "C"}, "blue"),
    ],
)
def test_choices_in_every_style(row: dict[str, Any], right: str) -> None:
    (question,) = read(row).questions
    assert question.answer is not None and question.choices[question.answer] == right and question.grader == "choice"


@pytest.mark.parametrize(
    ("row", "answers", "grader"),
    [
        ({"question": "q", "answer": "25 days | 25"}, ("25 days", "25"), "number"),
        ({"question": "q", "answers": ["25 days", 25.0]}, ("25 days", "25"), "number"),
        ({"问题": "q", "答案": "二十五天｜25"}, ("二十五天", "25"), "number"),
        ({"Q": "q", "A": "Paris"}, ("Paris",), "f1"),
        ({"question": "q", "answer": "a|b"}, ("a|b",), "f1"),
        ({"question": "q", "answer": True}, ("true",), "f1"),
        ({"question": "q", "answer": "2021-03-03", "文件": "a.pdf", "页": "第 12 页"}, ("2021-03-03",), "date"),
        ({"question": "q", "answer": "Paris", "grader": "Judge"}, ("Paris",), "judge"),
        ({"question": "q", "答案": "巴黎", "评分方式": "精确"}, ("巴黎",), "exact"),
        ({"question": "q", "段落": "Paris is the capital."}, (), "passage"),
        ({"question": "q", "passage": "Paris is the capital.", "grader": "judge"}, (), "judge"),
    ],
)
def test_answers_in_every_style(row: dict[str, Any], answers: tuple[str, ...], grader: str) -> None:
    (question,) = read(row).questions
    assert (question.answers, question.grader, question.source) == (answers, grader, "own")
    assert question.page == (12 if "页" in row else 0)


BAD = [
    ({"text": "what is this"}, "no question; expected a column `question` (问题), saw text"),
    ({"question": "q"}, "no answer; expected one in `answer`"),
    ({"question": "q", "choices": CHOICES}, "no answer; expected A to C"),
    ({"question": "q", "choices": CHOICES, "answer": "D"}, "answer 'D'; expected A to C"),
    ({"question": "q", "choices": CHOICES, "answer": 7}, "answer '7'; expected A to C"),
    ({"question": "q", "choices": CHOICES, "answer": "A | B"}, "two answers to one question: A and B"),
    ({"question": "q", "choices": ["red"], "answer": "A"}, "1 choice"),
    ({"question": "q", "choices": ["red", "Red "], "answer": "A"}, "two choices are the same"),
    ({"question": "q", "A": "red", "C": "blue", "answer": "C"}, "choices A, C without B"),
    ({"question": "q", "answer": "03/04/2021"}, "may be 2021-04-03 or 2021-03-04"),
    ({"question": "q", "answer": "x", "grader": "vote"}, "grader 'vote'; expected choice, exact"),
    ({"question": "q", "answer": "x", "grader": "number"}, "'x' is no number"),
    ({"question": "q", "answer": "x", "grader": "choice"}, "without choices"),
    ({"question": "q", "answer": "x", "grader": "passage"}, "grader passage without one"),
    ({"question": "q", "passage": "x", "grader": "f1"}, "grader f1 without an answer"),
    ({"question": "q", "answer": "x", "page": "12-14", "file": "a"}, "page '12-14'; expected one number"),
    ({"question": "q", "answer": "x", "page": 3}, "page 3 of no file"),
]


@pytest.mark.parametrize(("row", "message"), BAD)
def test_a_bad_row_says_what_was_seen_and_expected(row: dict[str, Any], message: str) -> None:
    found = read({"question": "Good?", "answer": "yes"}, row)
    assert len(found.questions) == 1 and [one.row for one in found.refused] == [2]
    assert message in found.refused[0].reason


def test_repeated_rows_and_two_answers_to_one_question() -> None:
    found = read(
        {"question": "Who?", "answer": "Arthur"},
        {"question": " who? ", "answer": "ARTHUR"},
        {"question": "Where?", "answer": "here"},
        {"question": "Where?", "answer": "there"},
        {"question": "Where?", "answer": "here"},
        {"question": "Which?", "choices": CHOICES, "answer": "A"},
        {"question": "Which?", "choices": ["green", "blue", "red"], "answer": "B"},
        {"question": "Which?", "choices": ["up", "down"], "answer": "B"},
        {"question": "One", "answer": "1", "id": 7},
        {"question": "Two", "answer": "2", "id": "7"},
    )
    assert [question.origin for question in found.questions] == [f"q.jsonl row {row}" for row in (1, 8, 9)]
    reasons = {one.row: one.reason for one in found.refused}
    assert reasons[2] == "the same question as row 1"
    assert all("two answers to one question" in reasons[row] for row in (3, 4, 5, 6, 7))
    assert "'here' here, 'there' in row 4" in reasons[3] and "'there' here, 'here' in row 3" in reasons[4]
    assert "'red' here, 'blue' in row 7" in reasons[6] and "the id '7' is that of row 9" in reasons[10]
    assert len(reasons) + len(found.questions) == 10


def test_a_question_keeps_its_id_when_rows_move() -> None:
    rows = [{"question": f"Question {n}?", "answer": str(n)} for n in range(4)]
    ids = {question.prompt: question.id for question in read(*rows).questions}
    assert {question.prompt: question.id for question in read(*reversed(rows)).questions} == ids
    assert len(set(ids.values())) == 4


@pytest.mark.parametrize(
    ("numbers", "message"), [((1,), "may count from 0 or from 1"), ((0, 3), "count both from 0 and from 1")]
)
def test_numbers_that_cannot_be_counted_are_refused(numbers: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(*({"question": f"q{number}", "choices": CHOICES, "answer": number} for number in numbers))
    if numbers == (1,):
        with pytest.raises(BadRow, match=message):
            question_of({"question": "q", "choices": CHOICES, "answer": 1}, "page")


def test_files_of_every_format_give_the_same_questions(tmp_path: Path) -> None:
    rows = [["问题", "A", "B", "C", "答案", "文件", "页"], ["哪个？", "红", "绿", "", "B", "", ""], ["多少天？", "", "", "", "25", "a.pdf", "3"]]  # fmt: skip
    (tmp_path / "q.csv").write_text("\n".join(";".join(row) for row in rows), encoding="utf-8-sig")
    objects = [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, objects)))
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in rows:
        book.active.append([int(cell) if cell.isdigit() else cell for cell in row])
    book.save(tmp_path / "q.xlsx")
    found = [read_questions(tmp_path / f"q.{kind}") for kind in ("csv", "jsonl", "xlsx")]
    assert all(not one.refused for one in found)
    first, *others = [[q.model_copy(update={"origin": ""}) for q in one.questions] for one in found]
    assert first == others[0] == others[1] and [question.grader for question in first] == ["choice", "number"]
    assert found[2].questions[1].origin == "q.xlsx row 3"


def test_damaged_files_are_answered(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text('{broken\n{"question": "Good?", "answer": "\\ud800 yes"}\n[1]\n')
    found = read_questions(tmp_path / "q.jsonl")
    assert [one.row for one in found.refused] == [1, 3] and found.questions[0].answers == ("? yes",)
    (tmp_path / "q.xlsx").write_bytes(b"PK no workbook")
    (only,) = read_questions(tmp_path / "q.xlsx").refused
    assert only.row == 0 and str(only) == only.reason
    for name, message in (("none.csv", "does not exist"), ("q.txt", "neither JSONL nor CSV nor XLSX")):
        (tmp_path / "q.txt").touch()
        with pytest.raises(InputError, match=message):
            read_questions(tmp_path / name)


WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12).filter(
    lambda text: text.strip()
)


@settings(max_examples=150, deadline=None)
@given(WORDS, st.lists(WORDS, max_size=4), st.booleans(), st.integers(0, 3), WORDS)
def test_a_question_written_out_is_read_back(
    prompt: str, answers: list[str], choose: bool, right: int, file: str
) -> None:
    row: dict[str, object] = {"question": prompt, "file": file, "page": right}
    row |= (
        {"choices": answers, "answer": [answers[right % len(answers)]]} if choose and answers else {"answer": answers}
    )
    try:
        question = question_of(row, "page")
    except BadRow:
        return
    assert (
        question_of(json.loads(json.dumps(row_of(question))), "elsewhere").model_copy(update={"origin": "page"})
        == question
    )


@given(st.dictionaries(st.sampled_from(["question", "answer", "choices", "A", "B", "page", "file", "grader", "passage", "x"]),
                       st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.lists(st.text(max_size=5), max_size=3)),
                       max_size=6))  # fmt: skip
def test_no_row_is_an_error(row: dict[str, object]) -> None:
    found = questions_of([(1, row)] if row.get("answer") != 1 else [], "f")
    assert len(found.questions) + len(found.refused) == (row.get("answer") != 1)
    for question in found.questions:
        assert Question.model_validate(question.model_dump()) == question


def test_questions_that_ask_nearly_the_same_are_paired() -> None:
    asked = ["How many days of annual leave?", "How many annual leave days are there?", "How many days of sick leave?",
             "年假有多少天？", "一年有多少天年假？", "病假工资怎样计算？"]  # fmt: skip
    assert [(first, second) for first, second, _ in near_pairs(asked)] == [(0, 1), (3, 4)]
    assert not near_pairs([f"What is the definition of {term}?" for term in "ataxia chorea tremor gout asthma fever cough pain rash edema".split()])  # noqa: SIM905  # fmt: skip
