"""Shared by all tests: a workspace with two small stages of the tests' own, real files and real processes underneath."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")

import pytest

if TYPE_CHECKING:
    from luosi import Workspace

RECIPE = """
name = "small"
[budget]
seconds = 60
[steps.first]
stage = "slow"
text = "abc"
lines = 30
[steps.second]
stage = "slow"
text = "xyz"
lines = 20
[steps.both]
stage = "join"
inputs = { parts = ["first", "second"] }
separator = "-"
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty workspace that knows the small stages."""
    from luosi import Workspace
    from tests.small_stages import JoinStage, SlowStage

    return Workspace(tmp_path / "work", stages=[SlowStage(), JoinStage()])


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe of three small steps."""
    path = tmp_path / "small.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace in which recipes/small.toml ran through: every stage, on real text, with real engines."""
    from luosi import Workspace
    from luosi.api import shipped_recipe

    workspace = Workspace(tmp_path_factory.mktemp("small") / "work")
    workspace.run(shipped_recipe("small"))
    return workspace
