"""What people said is kept whole, by several threads and processes, and the test is never trained on."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from luosi.artifacts import Question
from luosi.errors import InputError
from luosi.grading.questions import read_questions
from luosi.serve.accounts import MIGRATIONS, Accounts, Charge
from luosi.serve.feedback import Feedback


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "work" / "accounts.db"


def written(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_questions_are_put_changed_and_deleted_and_no_version_is_lost(path: Path) -> None:
    with Feedback(path) as feedback:
        first = feedback.put_question(
            {"question": "How many days?", "answer": "25", "文件": "a.pdf", "page": "3"}, who="wang"
        )
        second = feedback.put_question({"question": "Which?", "choices": ["red", "green"], "answer": "B"})
        changed = feedback.put_question(
            {"question": "How many days of leave?", "answer": "26 | twenty-six"}, id=first.id
        )
        assert changed.id == first.id and feedback.questions() == [changed, second]
        feedback.delete_question(second.id, who="li")
        assert feedback.questions() == [changed]
        with pytest.raises(InputError, match="there is no question"):
            feedback.delete_question(second.id)
    with Feedback(path) as again:
        assert again.questions() == [changed]
    with sqlite3.connect(path) as database:
        rows = database.execute("SELECT question_id, who, body IS NULL, time FROM questions ORDER BY id").fetchall()
    database.close()
    assert [row[:3] for row in rows] == [
        (first.id, "wang", 0),
        (second.id, "", 0),
        (first.id, "", 0),
        (second.id, "li", 1),
    ]
    assert all(row[3].startswith("20") for row in rows)


def test_a_bad_or_repeated_question_is_refused(path: Path) -> None:
    with Feedback(path) as feedback:
        known = feedback.put_question({"question": "Who?", "answer": "Arthur", "id": "king"})
        with pytest.raises(InputError, match="no answer; expected one"):
            feedback.put_question({"question": "What?"})
        with pytest.raises(InputError, match="is asked already") as error:
            feedback.put_question({"question": "who? ", "answer": "Lancelot"})
        assert known.id in error.value.hint and feedback.questions() == [known]


def test_a_files_questions_come_in_once_and_contradictions_are_told(path: Path, tmp_path: Path) -> None:
    file, other = tmp_path / "q.jsonl", tmp_path / "r.jsonl"
    file.write_text('{"question": "Who?", "answer": "Arthur"}\n{"question": "What?"}\n')
    other.write_text('{"question": "who?", "answer": "Lancelot"}\n{"question": "When?", "answer": "2021-03-03"}\n')
    with Feedback(path) as feedback:
        done = feedback.import_questions(file)
        assert (done.added, done.same, [origin for origin, _ in done.refused]) == (1, 0, ["q.jsonl row 2"])
        assert feedback.import_questions(file).same == 1
        done = feedback.import_questions(other)
        ((origin, reason),) = done.refused
        assert done.added == 1 and origin == "r.jsonl row 1" and "says otherwise (q.jsonl row 1)" in reason


def test_a_corrected_verdict_changes_the_accepted_answer_and_is_never_trained_on(path: Path, tmp_path: Path) -> None:
    asked = Question(
        id="own/7", source="own", prompt="Which colour?", choices=("red", "green"), answer=0, file="a.pdf", page=2
    )
    with Feedback(path) as feedback:
        made = feedback.correct(
            asked.prompt, "red", "B", model="open_files", recipe="r", where="verdict", who="li", asked=asked
        )
        (question,) = feedback.questions()
        assert (question.answer, question.file, question.page, question.id) == (1, "a.pdf", 2, "own/7")
        assert question.origin == made.origin == f"correction 1 of {made.time[:10]}, verdict with open_files"
        with pytest.raises(InputError, match="must not be trained on"):
            feedback.set_use(made.id, "pair")
        with pytest.raises(InputError, match="expected A to B"):
            feedback.correct(asked.prompt, "red", "blue", model="m", where="verdict", asked=asked)
        chat = feedback.correct("WHICH  colour?", "blue", "A", model="m")
        assert chat.use == "question" and feedback.questions()[0].answer == 0, (
            "chat corrects a question of the exam too"
        )
        with pytest.raises(InputError, match="made from held-out text"):
            feedback.correct(
                "x", "y", "z", model="m", where="verdict", asked=asked.model_copy(update={"source": "text"})
            )
        assert len(feedback.corrections()) == 2
        assert feedback.pairs_file(tmp_path / "p.jsonl") == (0, [])
        assert feedback.questions_file(tmp_path / "q.jsonl") == 1
        assert read_questions(tmp_path / "q.jsonl").questions == feedback.questions()


def test_chat_corrections_become_questions_and_pairs_by_their_text(path: Path, tmp_path: Path) -> None:
    names = [f"What does the statute of {name} demand?" for name in map(chr, range(0x4E00, 0x4E00 + 90))]
    with Feedback(path) as feedback:
        made = [feedback.correct(name, "?", "Tolls", model="open", recipe="r", who="wang") for name in names]
        uses = [one.use for one in made]
        assert 15 <= uses.count("question") <= 45 and uses.count("pair") == 90 - uses.count("question")
        count, left_out = feedback.pairs_file(tmp_path / "p.jsonl")
        assert count == uses.count("pair") and not left_out
        assert len(feedback.questions()) == uses.count("question")
        pairs, questions = (
            {row["question"] for row in written(tmp_path / "p.jsonl")},
            {q.prompt for q in feedback.questions()},
        )
        assert pairs | questions == set(names) and not pairs & questions
        first = written(tmp_path / "p.jsonl")[0]
        assert (
            first["answer"] == "Tolls"
            and str(first["origin"]).startswith("correction ")
            and "chat with open" in str(first["origin"])
        )
        again = feedback.correct(names[0].upper(), "?", "Taxes", model="open")
        assert again.use == uses[0], "the side is the text's, whoever corrects it and how often"


def pair(feedback: Feedback, subject: str) -> int:
    """Number of a correction that the hash makes a pair."""
    for number in range(100):
        made = feedback.correct(f"{subject} {number}?", "wrong", "right", model="m")
        if made.use == "pair":
            return made.id
    raise AssertionError("one in three became all")


def test_the_use_of_a_correction_may_be_changed_where_the_rule_allows(path: Path, tmp_path: Path) -> None:
    with Feedback(path) as feedback:
        number = pair(feedback, "Whale")
        before = len(feedback.questions())
        assert feedback.set_use(number, "question").question_id == feedback.questions()[-1].id
        assert len(feedback.questions()) == before + 1
        assert feedback.set_use(number, "pair").use == "pair" and len(feedback.questions()) == before
        assert feedback.set_use(number, "none").use == "none"
        assert number not in [one.id for one in feedback.corrections() if one.use == "pair"]
        with pytest.raises(InputError, match="no correction 999"):
            feedback.set_use(999, "none")


def test_taking_back_a_correction_restores_the_answer_before_it(path: Path) -> None:
    with Feedback(path) as feedback:
        known = feedback.put_question({"question": "How many days?", "answer": "25"})
        made = feedback.correct("How many days?", "25", "26", model="m", where="verdict")
        assert feedback.questions()[0].answers == ("26",)
        feedback.set_use(made.id, "none")
        assert feedback.questions() == [known]


def test_a_pair_that_is_a_question_by_now_is_left_out_and_told(path: Path, tmp_path: Path) -> None:
    with Feedback(path) as feedback:
        number = pair(feedback, "How many days of annual leave are there in year")
        text = next(one.question for one in feedback.corrections() if one.id == number)
        count, _ = feedback.pairs_file(tmp_path / "p.jsonl")
        near = Question(id="x", source="own", prompt=f"{text} Tell me!", answers=("1",), grader="f1")
        fewer, left_out = feedback.pairs_file(tmp_path / "p.jsonl", exam=[near])
        assert fewer < count and number in [one.id for one in left_out]


def test_marks_keep_the_latest_word_and_the_answer_it_was_about(path: Path) -> None:
    with Feedback(path) as feedback:
        feedback.mark("r", "open", "own/1", True, answer="Paris", who="li")
        feedback.mark("r", "open", "own/1", False, answer="Rome", who="wang")
        feedback.mark("other", "open", "own/1", True)
        (only,) = feedback.marks("r")
        assert (only.right, only.answer, only.who) == (False, "Rome", "wang")


WRITER = """
import os, sys
from pathlib import Path
from luosi.serve.feedback import Feedback
feedback = Feedback(Path(sys.argv[1]))
for number in range(40):
    feedback.correct(f"{sys.argv[2]} {number}?", "a", "b", model="m")
    print(number, flush=True)
os.kill(os.getpid(), 9)
"""


def test_threads_and_killed_processes_lose_no_row(path: Path) -> None:
    with Feedback(path) as feedback:
        writers = [
            subprocess.Popen([sys.executable, "-c", WRITER, str(path), name], stdout=subprocess.PIPE)
            for name in ("a", "b")
        ]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: feedback.mark("r", f"arm {n % 4}", f"own/{n}", bool(n % 2)), range(80)))
        told = [len(writer.communicate(timeout=60)[0].splitlines()) for writer in writers]
        assert [writer.returncode for writer in writers] == [-9, -9] and told == [40, 40]
        assert len(feedback.marks("r")) == 80
        assert len(feedback.corrections()) == 80


def test_an_older_database_is_migrated_with_its_charges(path: Path, tmp_path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE versions (version INTEGER PRIMARY KEY)")
        for statement in MIGRATIONS[0]:
            database.execute(statement)
        database.execute("INSERT INTO versions VALUES (1)")
        database.execute("INSERT INTO charges (time, model, upstream, status) VALUES ('2026', 'm', 'u', 'done')")
    database.close()
    with Feedback(path) as feedback, Accounts(path) as accounts:
        feedback.put_question({"question": "Who?", "answer": "Arthur"})
        accounts.record(Charge("m", "u", "done", None, None)).result(timeout=10)
        assert accounts.totals()[0].requests == 2 and len(feedback.questions()) == 1
    foreign = tmp_path / "foreign.db"
    foreign.write_bytes(b"my diary, not a database\n" * 100)
    with pytest.raises(InputError, match="cannot be used as the accounts database"):
        Feedback(foreign)
