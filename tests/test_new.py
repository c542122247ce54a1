"""`luosi new`: whatever text it accepts, its recipe can hold out, question and plan; names and paths of all kinds."""

from __future__ import annotations

import ast
import sysconfig
from pathlib import Path

import pytest

from luosi import Workspace
from luosi.errors import InputError, UsageError
from luosi.recipe import parse_recipe


@pytest.fixture(scope="session")
def prose() -> str:
    """Some 300 kB of English: the docstrings of Python's standard library."""
    found = []
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("[a-p]*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        nodes = [node for node in ast.walk(tree) if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))]
        found += [text for node in nodes if len(text := ast.get_docstring(node) or "") > 150]
    return "\n\n".join(found)


@pytest.mark.parametrize("size", [20_000, 60_000, 300_000])
def test_its_recipe_runs_as_far_as_the_questions(prose: str, tmp_path: Path, size: int) -> None:
    file = tmp_path / "text.txt"
    file.write_text(prose[:size], encoding="utf-8")
    workspace = Workspace(tmp_path / "work")
    known = workspace.machine().model_copy(
        update={"source": "measured"}
    )  # measuring would take seconds and change nothing here
    workspace.machine = lambda: known  # type: ignore[method-assign]
    text = workspace.new([file], "10 h", name="mine")
    recipe = parse_recipe(text, name="mine", base=tmp_path)
    assert {line.state for line in workspace.plan(recipe).steps} == {"build"}
    first = recipe.model_copy(update={"steps": {name: recipe.steps[name] for name in ("curate", "exam")}})
    made = workspace.run(first)
    assert (made["curate"].facts.heldout_documents or 0) >= 3
    assert (made["exam"].facts.questions or 0) >= 2


@pytest.mark.parametrize("content", ["", "one line\n", "word " * 2000])
def test_too_little_text_is_refused_with_the_figure(tmp_path: Path, content: str) -> None:
    file = tmp_path / "text.txt"
    file.write_text(content)
    with pytest.raises(UsageError, match=r"bytes|no text"):
        Workspace(tmp_path / "work").new([file], "1 h")


def test_names_that_are_not_utf8(tmp_path: Path, prose: str) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    try:
        (folder / "caf\udce9.txt").write_text(prose[:30_000], encoding="utf-8")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    workspace = Workspace(tmp_path / "work")
    recipe = parse_recipe(workspace.new([folder], "10 h"), name="mine", base=tmp_path)
    first = recipe.model_copy(update={"steps": {"curate": recipe.steps["curate"]}})
    assert (workspace.run(first)["curate"].facts.documents or 0) > 0


def test_models_that_are_none(tmp_path: Path, prose: str) -> None:
    (tmp_path / "text.txt").write_text(prose[:30_000], encoding="utf-8")
    (tmp_path / "model").mkdir()
    for content in ("[]", "null", "{}", "not json"):
        (tmp_path / "model" / "config.json").write_text(content)
        with pytest.raises(InputError, match=r"config|model_type|architecture"):
            Workspace(tmp_path / "work").new([tmp_path / "text.txt"], "1 h", model=tmp_path / "model")
