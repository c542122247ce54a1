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
    third = 3 if chinese else 1
    places = Counter(question.answer for question in questions)
    assert set(places) == {0, 1, 2, 3} and max(places.values()) < 28
    assert len(Counter(question.document for question in questions)) == 12
    for question in questions:
        lengths = [len(choice) for choice in question.choices]
        assert max(lengths) <= 1.1 * min(lengths) and 270 <= third * min(lengths) <= 330
        text = texts[int(question.document.split("/")[1])]
        assert question.answer is not None
        right = question.choices[question.answer]
        assert text.index(question.prompt) + len(question.prompt) <= text.index(right)
        assert not text[text.index(question.prompt) + len(question.prompt) : text.index(right)].strip()
        assert 200 <= third * len(question.prompt) <= 600
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
    spans = sorted((q.document, int(q.id.split("@")[1]), len(q.choices[q.answer or 0])) for q in questions)
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


def test_own_questions_stand_beside_the_self_made_ones(tmp_path: Path) -> None:
    rows = [
        {"question": "Which?", "choices": ["red", "green"], "answer": "B"},
        {"question": "How many days?", "answer": "25 days | 25"},
        {"question": "What about leave?", "passage": "Leave is twenty-five days."},
        {"question": "What about pay?"},
    ]
    config = own(tmp_path / "q.jsonl", rows).model_copy(update={"questions": 5})
    exam, facts, said = make(tmp_path, config, corpus(tmp_path / "c", {"a": [prose(seed, 60) for seed in range(4)]}))
    questions = exam.questions()
    assert [question.source for question in questions] == ["a"] * 5 + ["own"] * 3
    assert [question.grader for question in questions[5:]] == ["choice", "number", "passage"]
    assert questions[6].origin == "q.jsonl row 2" and questions[6].answers == ("25 days", "25")
    told: Any = exam.json("report.json")["own"]
    assert told["graders"] == {"choice": 1, "number": 1, "passage": 1} and told["refused"][0].startswith(
        "row 4: no answer"
    )
    assert "only 3 questions: an accuracy is known to about 37 points" in told["warnings"][0]
    assert said[-2:] == [f"q.jsonl, {told['refused'][0]}", f"q.jsonl, {told['warnings'][0]}"]
    assert facts.questions == 8 and facts.figures["own"] == 3


def test_thirty_questions_are_not_warned_about(tmp_path: Path) -> None:
    config = own(tmp_path / "q.jsonl", [{"question": f"Question {n}?", "answer": f"{n}"} for n in range(30)])
    exam, _, said = make(tmp_path, config, corpus(tmp_path / "c", {"a": ["Short."]}))
    assert not said and len(exam.questions()) == 30


@pytest.mark.parametrize(("rows", "message"), [([], "it has no rows"), ([{"question": "a"}], "row 1: no answer")])
def test_own_files_without_a_usable_question(tmp_path: Path, rows: list[Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        own_questions(own(tmp_path / "q.jsonl", rows))


def test_own_file_missing_changed_or_of_another_kind(tmp_path: Path) -> None:
    config = own(tmp_path / "q.jsonl", [{"question": "a", "answer": "A"}])
    (tmp_path / "q.jsonl").write_text("{}")
    with pytest.raises(InputError, match=config.own_sha256):
        own_questions(config)
    (tmp_path / "q.jsonl").unlink()
    with pytest.raises(InputError, match="does not exist"):
        own_questions(config)
    with pytest.raises(InputError, match="neither JSONL nor CSV nor XLSX"):
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
