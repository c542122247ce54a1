"""Docs cannot rot: commands, stages, settings, rooms and examples named in them exist, and those that exist are named."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from luosi import Workspace
from luosi.api import STAGES
from luosi.cli.main import program

ROOT = Path(__file__).parents[1]
READMES = ("README.md", "README.zh-CN.md")
COMMANDS = dict(get_command(program()).commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", READMES)
def test_every_command_is_described_and_every_described_one_exists(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert set(re.findall(r"`luosi ([a-z]+)", text)) == set(COMMANDS)


def _options(command: Any) -> Iterator[str]:
    """Of a command, and of those in it."""
    for parameter in command.params:
        yield from parameter.opts
    for part in getattr(command, "commands", {}).values():
        yield from _options(part)


@pytest.mark.parametrize("name", [*READMES, "docs/all-of-luosi.md"])
def test_every_option_named_exists(name: str) -> None:
    known = {option for command in COMMANDS.values() for option in _options(command)}
    text = (ROOT / name).read_text(encoding="utf-8")
    assert set(re.findall(r"(?<=[\s`])--[a-z][a-z-]+", text)) <= known


@pytest.mark.parametrize("name", [*READMES, "docs/all-of-luosi.md", "CONTRIBUTING.md"])
def test_links_and_paths_lead_somewhere(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert ((ROOT / name).parent / target).exists(), target
    for path in re.findall(r"`((?:docs|examples|recipes|benchmarks|src|tests)/[\w./-]+)`", text):
        assert (ROOT / path).exists(), path


def test_every_stage_setting_and_room_is_described() -> None:
    page = (ROOT / "docs/all-of-luosi.md").read_text(encoding="utf-8")
    for stage in STAGES:
        assert f"`{stage.name}`" in page, stage.name
    for variable in set(
        re.findall(r"LUOSI_[A-Z_]+", "".join(p.read_text(encoding="utf-8") for p in (ROOT / "src").rglob("*.py")))
    ):
        assert variable in page, variable
    for name in READMES:
        text = (ROOT / name).read_text(encoding="utf-8")
        for room in (ROOT / "src/luosi").iterdir():
            if (room / "__init__.py").exists():
                assert f"{room.name}/" in text, f"{name} does not say what {room.name} is"


def test_every_configuration_field_has_a_line_of_doc() -> None:
    for stage in STAGES:
        for kind in (stage.Config, stage.Runtime):
            source = Path(sys.modules[kind.__module__].__file__ or "").read_text(encoding="utf-8")
            for field in kind.__annotations__:
                assert re.search(rf'^    {field}: [^\n]*\n(?:        [^\n]*\n|    \)[^\n]*\n)*    """', source, re.M), (
                    f"{kind.__module__}.{field}"
                )


def test_the_quick_start_runs(small: Workspace, tmp_path: Path) -> None:
    """The README's five lines, word for word, on a workspace where the work is done."""
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)
    assert code and len([line for line in code[1].splitlines() if line]) == 5
    program = code[1].replace('"luosi-work"', repr(str(small.root)))
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "(" in done.stdout and "tiny" in done.stdout


def test_nothing_names_a_path_of_one_machine() -> None:
    leak = re.compile(r"(?<![\w.])/(?:root|home|Users)/[\w.-]+")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    for name in listed:
        path = ROOT / name
        if path.suffix in (".py", ".md", ".toml", ".txt", ".json", "") and path.is_file():
            assert not leak.search(path.read_text(encoding="utf-8")), name
