"""A recipe with passages, a race of routes and a verdict on it, from files to report, with the tiny models of recipes/small.toml."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from luosi import Workspace
from luosi.api import shipped_recipe
from luosi.artifacts import Answers, Index
from luosi.artifacts.base import file_sha256
from luosi.recipe import Recipe, read_recipe
from luosi.retrieval.search import Searcher

QUESTIONS = [
    {"question": "Which function computes closeness centrality?", "answer": "closeness_centrality"},
    {"question": "What does a clique consist of?", "A": "adjacent nodes", "B": "isolated nodes", "answer": "A"},
    {"question": "How many colours do two adjacent nodes need?", "answer": "2"},
    {
        "question": "What is the clustering of a node?",
        "passage": "the fraction of possible triangles through that node",
    },
]


@pytest.fixture(scope="module")
def raced(small: Workspace, tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Recipe]:
    folder = tmp_path_factory.mktemp("raced")
    shutil.copytree(small.root, folder / "work")
    questions = folder / "questions.jsonl"
    questions.write_text("".join(json.dumps(row) + "\n" for row in QUESTIONS), encoding="utf-8")
    made = read_recipe(shipped_recipe("small"))
    steps = dict(made.steps)
    verdict = steps.pop("verdict")
    steps["asked"] = {
        "stage": "exam", "inputs": {"corpus": "curate"}, "questions": 0, "own": str(questions), "own_sha256": file_sha256(questions),
    }  # fmt: skip
    steps["passages"] = {"stage": "retrieve", "inputs": {"corpus": "curate"}, "passage_chars": 100}
    arms = {
        "open": {"route": "open", "bundle": "base_q8"},
        "open_files": {"route": "open", "bundle": "base_q8", "files": True},
        "adapt_files": {"route": "adapt", "bundle": "adapt_q8", "files": True},
    }
    steps["race"] = {
        "stage": "race", "inputs": {"bundles": ["base_q8", "adapt_q8"], "exam": "asked", "index": "passages"},
        "arms": arms, "reference": "open", "precision": "fp32", "answer_tokens": 12, "passages": 2,
    }  # fmt: skip
    steps["verdict"] = verdict | {"inputs": verdict["inputs"] | {"answers": "race"}}
    workspace = Workspace(folder / "work")
    recipe = made.model_copy(update={"name": "raced", "steps": steps})
    workspace.run(recipe)
    return workspace, recipe


def test_every_arm_answers_every_question_and_cites_a_file(raced: tuple[Workspace, Recipe]) -> None:
    workspace, recipe = raced
    rows = workspace.answers(recipe)
    assert sorted(row["question"].prompt for row in rows) == sorted(row["question"] for row in QUESTIONS)
    for row in rows:
        assert [one.arm for one in row["answers"]] == ["open", "open_files", "adapt_files"]
        assert len(row["answers"][0].passages) == 0
        assert all(len(one.passages) <= 2 for one in row["answers"])  # fewer where the tiny context has no room
        assert all(passage.file.endswith(".py") for one in row["answers"] for passage in one.passages)
    graders = {row["question"].grader for row in rows}
    assert graders == {"choice", "exact", "number", "passage"} or graders == {"choice", "f1", "number", "passage"}


def test_the_verdict_has_each_route_with_its_interval_money_and_a_few_questions_said_to_be_few(
    raced: tuple[Workspace, Recipe],
) -> None:
    workspace, recipe = raced
    found = workspace.verdict(recipe)
    arms = {line.arm: line for line in found.routes if line.arm}
    assert set(arms) == {"open", "open_files", "adapt_files"}
    for line in arms.values():
        assert line.own is not None and line.own_low is not None and line.own_high is not None
        assert line.own_low <= line.own <= line.own_high and not line.leaves_house
        assert line.cost_per_1000 and line.cost_per_1000.nano > 0 and line.latency_s and line.bpb is not None
    makes = {name: line.cost_to_make for name, line in arms.items()}
    assert makes["open_files"].nano > makes["open"].nano  # type: ignore[union-attr]
    assert "Write more questions" in found.advice[0].en and found.advice[0].zh
    assert any(line.route == "scratch" for line in found.routes)


def test_the_report_tells_the_same_in_both_languages(raced: tuple[Workspace, Recipe]) -> None:
    workspace, recipe = raced
    english = workspace.report(recipe, "en", "html").decode()
    chinese = workspace.report(recipe, "zh", "html").decode()
    assert "closeness centrality" in english and "closeness centrality" in chinese and "请先多写些问题" in chinese
    assert workspace.report(recipe, "zh", "pdf").startswith(b"%PDF")


def test_what_people_marked_is_kept_with_the_answer_it_was_meant_for(raced: tuple[Workspace, Recipe]) -> None:
    workspace, recipe = raced
    row = workspace.answers(recipe)[0]
    one = row["answers"][0]
    workspace.feedback().mark(recipe.name, one.arm, one.question, True, answer=one.text)
    workspace.feedback().mark(recipe.name, "open_files", one.question, True, answer="what another run said")
    assert [(mark.arm, mark.right) for mark in workspace.verdicts(recipe).marks()] == [(one.arm, True)]


def test_commands_on_it(raced: tuple[Workspace, Recipe]) -> None:
    workspace, _ = raced

    def luosi(*arguments: str) -> str:
        command = [sys.executable, "-c", "from luosi.cli import main; main()", *arguments, "-w", str(workspace.root)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    assert "closeness" in luosi("search", "passages", "closeness centrality")
    assert "closeness centrality" in luosi("verdict", "raced", "--questions", "--lang", "zh")
    checked = json.loads(
        luosi("exam", "check", str(workspace.root.parent / "questions.jsonl"), "--recipe", "raced", "--json")
    )
    assert len(checked["questions"]) == 4 and checked["texts"] > 0


def test_models_are_served_with_the_files_of_their_recipe(raced: tuple[Workspace, Recipe]) -> None:
    workspace, _ = raced
    served = {one.name: one for one in workspace.served(["raced/base_q8", "raced/adapt_q8"])}
    assert {one.passages for one in served.values()} == {2}
    assert set(served) == {"base_q8", "adapt_q8"}
    for one in served.values():
        assert isinstance(one.index, Index) and Searcher(one.index.path).search("centrality", 1)
    assert isinstance(workspace.open("raced/race"), Answers)
