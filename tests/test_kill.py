"""kill -9 on real processes: whatever the moment, the same bytes in the end and every attempt on the bill."""

from __future__ import annotations

from pathlib import Path

import pytest

from luosi import Workspace
from luosi.recipe import without_step
from tests.killing import published, run_with_kills

KILLS = 8


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_runs_end_in_the_same_bytes(small: Workspace, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "killed")
    recipe = small.recipe("small")
    for step in ("score_adapt", "score_xz", "verdict"):
        recipe = without_step(recipe, step)
    snapshot = workspace.root / "recipes" / "small.json"
    snapshot.parent.mkdir(parents=True)
    snapshot.write_text(recipe.model_dump_json())
    hit = run_with_kills(workspace.root, Path("small"), KILLS, seed=1, longest_s=2.0)
    files = published(workspace.root)
    calm = published(small.root)
    assert files and {name: calm[name] for name in files} == files
    kills = sum(hit.values())
    bill = workspace.bill("small")
    assert kills >= 5 and bill.total.killed == kills, hit
    assert all(line.state == "published" for line in bill.steps)
    assert workspace.verify() == []
