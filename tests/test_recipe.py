"""Recipes: every mistake is named by its field, with the value seen and what was expected."""

from __future__ import annotations

from pathlib import Path

import pytest

from luosi import Workspace
from luosi.errors import RecipeError
from luosi.recipe import config_changes, parse_recipe
from tests.conftest import RECIPE


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("lines = 30", "lines = 0", r"steps\.first\.lines: .*greater than 0, got 0"),
        ("lines = 30", 'lines = "30"', r"steps\.first\.lines: .*integer, got '30'"),
        ("lines = 30", "lines = 1.5", r"steps\.first\.lines: .*integer"),
        ("lines = 30", "liness = 30", r"steps\.first\.(lines: missing|liness: unknown field)"),
        ("lines = 30", "lines = 30\ntxt = 1", r"steps\.first\.txt: unknown field\nhint: did you mean 'text'"),
        (
            'stage = "join"',
            'stage = "joint"',
            r"steps\.both\.stage: there is no stage 'joint'\nhint: did you mean 'join'",
        ),
        (
            '["first", "second"]',
            '["first", "secnd"]',
            r"steps\.both\.inputs\.parts: .*'secnd'\nhint: did you mean 'second'",
        ),
        ("parts =", "part =", r"steps\.both\.inputs: stage join has no input 'part'.*\nhint: did you mean 'parts'"),
        ('inputs = { parts = ["first", "second"] }', "", r"steps\.both\.inputs\.parts: missing; it is a Folder"),
        ('["first", "second"]', '["both"]', r"circle: both -> both"),
        ('["first", "second"]', "7", r"steps\.both\.inputs\.parts: is 7"),
        ('name = "small"', 'name = "../etc"', r"name: '\.\./etc' is not a name"),
        ("[budget]", "[buget]", r"buget: unknown field\nhint: did you mean 'budget'"),
        ("seconds = 60", "secs = 60", r"budget\.secs: unknown field"),
        ('text = "abc"', "text = 2020-01-01", r"dates and times"),
        ("[steps.first]", "[steps.'a/b']", r"steps\.a/b: 'a/b' is not a step's name"),
        ("lines = 30", "lines = 30\n[steps.first.runtime]\nmax_seconds = 'x'", r"steps\.first\.runtime\.max_seconds"),
        ("[budget]", "[budget", r"not TOML"),
    ],
)
def test_mistakes_are_named(workspace: Workspace, tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in RECIPE
    path = tmp_path / "wrong.toml"
    path.write_text(RECIPE.replace(old, new, 1))
    with pytest.raises(RecipeError) as caught:
        workspace.plan(path)
    import re

    assert re.search(message, str(caught.value)), str(caught.value)
    assert not workspace.root.exists(), "nothing half-written"


def test_missing_and_unreadable_files(workspace: Workspace, tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(RecipeError):
            workspace.plan(path)
    latin = tmp_path / "latin.toml"
    latin.write_bytes('name = "caf\xe9"'.encode("latin-1"))
    with pytest.raises(RecipeError, match="cannot be read"):
        workspace.plan(latin)


def test_overrides(workspace: Workspace, recipe: Path) -> None:
    graph = workspace.graph(recipe, ["steps.first.lines=3", "steps.first.text=plain words", "steps.second.rate=2"])
    first, second = graph.step("first").config, graph.step("second").config
    assert (first.lines, first.text, second.rate) == (3, "plain words", 2.0)  # type: ignore[attr-defined]
    with pytest.raises(RecipeError, match="did you mean 'first'"):
        workspace.graph(recipe, ["steps.frst.lines=3"])
    with pytest.raises(RecipeError, match="path=value"):
        workspace.graph(recipe, ["steps.first.lines"])


def test_relative_paths_start_from_the_recipe(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    path = tmp_path / "deep" / "r.toml"
    path.write_text('[steps.a]\nstage = "slow"\ntext = "a"\nlines = 1\nwhere = "../data"\n')
    config = workspace.graph(path).step("a").config
    assert config.where == str(tmp_path / "deep" / "../data")  # type: ignore[attr-defined]


def test_steps_run_in_the_recipes_order_where_they_may(workspace: Workspace) -> None:
    text = "\n".join(f'[steps.{n}]\nstage = "slow"\ntext = "a"\nlines = 1' for n in "zya")
    recipe = parse_recipe(
        f'[steps.j]\nstage = "join"\nseparator = ""\ninputs = {{ parts = ["a"] }}\n{text}', name="o", base=Path()
    )
    assert [step.name for step in workspace.graph(recipe).steps] == ["z", "y", "a", "j"]


def test_config_changes_by_field() -> None:
    old = {"a": 1, "b": [1, {"c": 2}], "d": "x"}
    assert config_changes(old, {"a": 1, "b": [1, {"c": 3}], "e": None}, "s") == [
        "s.b[1].c 2 -> 3",
        "s.d x -> (absent)",
        "s.e (absent) -> null",
    ]
    assert config_changes(old, old, "s") == []
