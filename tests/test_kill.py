"""kill -9 on real processes: whatever the moment, the same bytes in the end and every attempt on the bill."""

from __future__ import annotations

from pathlib import Path

import pytest

from luosi import Workspace
from luosi.recipe import without_step
from tests.killing import published, run_with_kills

KILLS = 5


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_runs_end_in_the_same_bytes(small: Workspace, tmp_path: Path) -> None:
    recipe = small.recipe("small")
    for step in ("score_adapt", "score_xz", "verdict"):
        recipe = without_step(recipe, step)
    calm, hits, rounds = published(small.root), 0, 0
    while hits < KILLS:  # a fast machine may be done before all its kills came
        workspace = Workspace(tmp_path / f"round{rounds}")
        snapshot = workspace.root / "recipes" / "small.json"
        snapshot.parent.mkdir(parents=True)
        snapshot.write_text(recipe.model_dump_json())
        kills = sum(run_with_kills(workspace.root, Path("small"), 8, seed=rounds, longest_s=0.5).values())
        files = published(workspace.root)
        assert files and {name: calm[name] for name in files} == files
        bill = workspace.bill("small")
        assert bill.total.killed == kills
        assert all(line.state == "published" for line in bill.steps)
        assert workspace.verify() == []
        hits, rounds = hits + kills, rounds + 1
