"""The exam stage: questions that can be answered, balanced and reproducible; the user's own rows checked one by one."""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from luosi.artifacts import Corpus, Document, Exam, Facts
from luosi.artifacts.base import file_sha256, write_json, write_jsonl
from luosi.cost import Machine
from luosi.errors import InputError
from luosi.stages.exam.config import Config
from luosi.stages.exam.make import next_passage_questions
from luosi.stages.exam.own import own_questions
from luosi.stages.exam.passages import TOLERANCE, Text
from luosi.stages.exam.stage import ExamStage
from luosi.stages.exam.work import make_exam
from luosi.text.words import jaccard, shingles


def prose(seed: int, sentences: int, *, chinese: bool = False) -> str:
    draw = random.Random(seed)
    if chinese:
        return "".join("".join(chr(draw.randrange(0x4E00, 0x5E00)) for _ in range(draw.randrange(8, 40))) + "。" for _ in range(sentences))  # fmt: skip
    parts = []
    for _ in range(sentences):
        words = " ".join(f"{draw.choice('abcdefgh')}{draw.randrange(900)}" for _ in range(draw.randrange(5, 25)))
        parts.append(f"The {words}.{draw.choice([' ', ' ', chr(10) * 2])}")
    return "".join(parts).strip()


def corpus(root: Path, heldout: dict[str, list[str]]) -> Corpus:
    root.mkdir(exist_ok=True)
    rows = [
        Document(id=f"{name}/{place}", source=name, text=text).model_dump()
        for name, texts in heldout.items()
        for place, text in enumerate(texts)
    ]
    write_jsonl(root / "heldout.jsonl", rows)
    for name in ("train.jsonl", "dropped.jsonl"):
        (root / name).touch()
    write_json(root / "report.json", {"order": list(heldout), "sources": {}, "leakage": {}})
    return Corpus(root)


def make(tmp_path: Path, config: Config, given_corpus: Corpus) -> tuple[Exam, Facts, list[str]]:
    out = tmp_path / "exam"
    out.mkdir(exist_ok=True)
    said: list[str] = []
    facts = make_exam(config, given_corpus, out, say=said.append)
    return Exam(out), facts, said


@pytest.mark.parametrize("chinese", [False, True])
def test_questions_are_fair(tmp_path: Path, chinese: bool) -> None:
    texts = [prose(seed, 120 if chinese else 60, chinese=chinese) for seed in range(12)]
    exam, facts, said = make(tmp_path, Config(), corpus(tmp_path / "c", {"a": texts}))
    questions = exam.questions()
    assert len(questions) == facts.questions == 60 and not said
    places = Counter(question.answer for question in questions)
    assert set(places) == {0, 1, 2, 3} and max(places.values()) < 28
    assert len(Counter(question.document for question in questions)) == 12
    for question in questions:
        lengths = [len(choice) for choice in question.choices]
        assert max(lengths) <= 1.1 * min(lengths) and min(lengths) >= 270
        text = texts[int(question.document.split("/")[1])]
        right = question.choices[question.answer]
        assert text.index(question.prompt) + len(question.prompt) <= text.index(right)
        assert not text[text.index(question.prompt) + len(question.prompt) : text.index(right)].strip()
        assert 200 <= len(question.prompt) <= 600
        for wrong in question.choices:
            assert wrong is right or (
                jaccard(shingles(wrong, 3), shingles(right, 3)) < 0.3 and wrong not in question.prompt
            )


def test_same_documents_give_the_same_exam(tmp_path: Path) -> None:
    given_corpus = corpus(tmp_path / "c", {"a": [prose(seed, 40) for seed in range(6)]})
    exams = []
    for seed in (0, 0, 1):
        exam, _, _ = make(tmp_path, Config(seed=seed), given_corpus)
        exams.append((exam.path / "questions.jsonl").read_bytes())
    assert exams[0] == exams[1] != exams[2]


def test_right_answers_do_not_overlap() -> None:
    documents = [Document(id=str(seed), source="a", text=prose(seed, 80)) for seed in range(3)]
    questions, _ = next_passage_questions(documents, Config(questions=500), lambda done: None)
    spans = sorted((q.document, int(q.id.split("@")[1]), len(q.choices[q.answer])) for q in questions)
    for (document, start, length), (other, later, _) in itertools.pairwise(spans):
        assert document != other or start + length <= later


def test_too_little_text_tells_why(tmp_path: Path) -> None:
    texts = [prose(seed, 25) for seed in range(3)] + ["A short one."]
    exam, facts, said = make(tmp_path, Config(), corpus(tmp_path / "c", {"a": texts, "b": [prose(9, 90)]}))
    told: Any = exam.json("report.json")["sources"]
    assert told["a"]["asked"] == 60 > told["a"]["made"] > 0
    assert told["a"]["fewer_because"]["documents too short"] >= 1
    assert facts.questions == told["a"]["made"] + told["b"]["made"] and "instead of 60" in said[0]


def test_identical_passages_make_no_question() -> None:
    text = "The same sentence stands here again and again, word for word. " * 60
    documents = [Document(id=str(place), source="a", text=text) for place in range(4)]
    questions, failures = next_passage_questions(documents, Config(), lambda done: None)
    assert not questions and failures["too few other passages that differ"] > 0


def test_no_question_at_all_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not one question"):
        make(tmp_path, Config(), corpus(tmp_path / "c", {"a": ["Short."]}))
    with pytest.raises(InputError, match="no source 'b'; it has a"):
        make(tmp_path, Config(sources=("b",)), corpus(tmp_path / "c", {"a": ["Short."]}))


@given(st.text(alphabet="ab .!?\n。字", max_size=300), st.integers(5, 80), st.integers(0, 250))
def test_passages_end_at_words_and_are_long_enough(text: str, length: int, start: int) -> None:
    document = Text("x", text)
    assert all(0 <= place < max(1, len(text)) for place in document.starts)
    span = document.passage(min(start, len(text)), length)
    if span:
        assert abs(span[1] - span[0] - length) <= TOLERANCE * length
        after, before = text[span[1] : span[1] + 1], text[span[1] - 1]
        assert not before.isspace() and (not after or after.isspace() or before in "。字")


def own(path: Path, rows: list[Any] | str) -> Config:
    text = (
        rows if isinstance(rows, str) else "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)
    )
    path.write_text(text, encoding="utf-8")
    return Config(questions=0, own=str(path), own_sha256=file_sha256(path))


CHOICES = ["red", "green", "blue"]


@pytest.mark.parametrize(
    ("row", "right"),
    [
        ({"question": "q", "choices": CHOICES, "answer": "B"}, "green"),
        ({"question": "q", "choices": CHOICES, "answer": "(c)"}, "blue"),
        ({"question": "q", "choices": CHOICES, "answer": "green"}, "green"),
        ({"question": "q", "choices": CHOICES, "answer": 0}, "red"),
        ({"question": "q", "choices": CHOICES, "answer": 3}, "blue"),
        ({"question": "q", "choices": [10, 20, 2], "answer": 2}, "2"),
        ({"Question": "q", "choice_a": "red", "choice_b": "green", "Answer": "a."}, "red"),
        ({"prompt": "q", "A": "red", "B": "green", "C": "", "answer": "B"}, "green"),
        ({"question": "q", "choices": {"text": CHOICES, "label": ["A", "B", "C"]}, "answer": "C"}, "blue"),
    ],
)
def test_own_questions_in_every_style(tmp_path: Path, row: dict[str, Any], right: str) -> None:
    (question,), problems = own_questions(own(tmp_path / "q.jsonl", [row]))
    assert question.choices[question.answer] == right and not problems and question.source == "own"


def test_own_questions_from_csv(tmp_path: Path) -> None:
    config = own(tmp_path / "q.csv", "question;A;B;C;answer\nWhich?;red;green;blue;B\nWhat?;1;2;3;3\n")
    questions, problems = own_questions(config)
    assert [question.choices[question.answer] for question in questions] == ["green", "3"] and not problems


def test_every_bad_row_says_what_is_wrong(tmp_path: Path) -> None:
    rows = [
        {"question": "Good?", "choices": CHOICES, "answer": "A"},
        {"question": "good? ", "choices": CHOICES, "answer": "B"},
        {"question": "No answer?", "choices": CHOICES},
        {"question": "Wrong letter?", "choices": CHOICES, "answer": "D"},
        {"question": "Few?", "choices": ["red"], "answer": "A"},
        {"question": "Twins?", "choices": ["red", "red"], "answer": "A"},
        {"text": "what is this"},
        "{broken",
        {"question": "Far?", "choices": CHOICES, "answer": 7},
    ]
    config = own(tmp_path / "q.jsonl", rows)
    exam, facts, said = make(tmp_path, config, corpus(tmp_path / "c", {"a": ["Short."]}))
    assert facts.questions == 1 and facts.figures["own"] == 1
    told: Any = exam.json("report.json")["own"]
    refused = told["refused"]
    assert [message.split(":")[0] for message in refused] == [f"row {number}" for number in range(2, 10)]
    for part, message in zip(["as row 1", "no answer", "'D'; expected A to C", "1 choices", "the same", "saw text", "not JSON", "'7'"], refused, strict=True):  # fmt: skip
        assert part in message
    assert len(said) == 8


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"question": "a", "choices": CHOICES, "answer": 1}], "may count from 0 or from 1"),
        (
            [
                {"question": "a", "choices": CHOICES, "answer": 0},
                {"question": "b", "choices": CHOICES, "answer": 3},
            ],
            "count both from 0 and from 1",
        ),
        ([], "it has no rows"),
        ([{"question": "a"}], "row 1: 0 choices"),
    ],
)
def test_own_files_that_cannot_be_used(tmp_path: Path, rows: list[Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        own_questions(own(tmp_path / "q.jsonl", rows))


def test_own_file_missing_changed_or_of_another_kind(tmp_path: Path) -> None:
    config = own(tmp_path / "q.jsonl", [{"question": "a", "choices": CHOICES, "answer": "A"}])
    (tmp_path / "q.jsonl").write_text("{}")
    with pytest.raises(InputError, match=config.own_sha256):
        own_questions(config)
    (tmp_path / "q.jsonl").unlink()
    with pytest.raises(InputError, match="does not exist"):
        own_questions(config)
    with pytest.raises(InputError, match="neither JSONL nor CSV"):
        own_questions(own(tmp_path / "q.txt", "x"))


def test_wrong_configs_are_refused() -> None:
    for fields in ({"own": "q.csv"}, {"questions": 0}, {"own": "q.csv", "own_sha256": "12"}, {"questions": -1}):
        with pytest.raises(ValidationError):
            Config(**fields)


def test_prediction() -> None:
    machine = Machine(name="m", cores=2, memory_bytes=1, fp32_flops=1e11, bf16_flops=1e11, watts_busy=40.0)
    facts = Facts(heldout_bytes=50_000, source_bytes={"a": 1, "b": 1})
    stage = ExamStage()
    assert stage.predict(Config(), {"corpus": [facts]}).questions == 120
    assert stage.predict(Config(sources=("a",)), {"corpus": [facts]}).questions == 60
    assert stage.estimate(Config(), {"corpus": [facts]}, machine).seconds.p50 < 5
