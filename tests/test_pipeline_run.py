"""Running: each step once, whole or not at all, resumed after kills, honest about damage."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from luosi import Workspace
from luosi.errors import ArtifactError, BudgetExceeded, DamagedArtifact, Interrupted, UnknownReference, UsageError
from tests.conftest import RECIPE

PROGRAM = """
import sys
from luosi import Workspace
from tests.small_stages import JoinStage, SlowStage
Workspace(sys.argv[1], stages=[SlowStage(), JoinStage()]).run(sys.argv[2])
"""


def start(workspace: Workspace, recipe: Path) -> subprocess.Popen[bytes]:
    root = Path(__file__).parents[1]
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(workspace.root), str(recipe)], cwd=root, stderr=subprocess.PIPE
    )


def published(workspace: Workspace) -> dict[str, bytes]:
    files = (workspace.root / "store" / "artifacts").glob("*/*/out/**/*")
    return {f.relative_to(workspace.root).as_posix(): f.read_bytes() for f in files if f.is_file()}


def checkpoints(workspace: Workspace) -> list[str]:
    return [path.read_text() for path in sorted((workspace.root / "store" / "staging").glob("*/scratch/lines"))]


def test_second_run_finds_everything(workspace: Workspace, recipe: Path) -> None:
    assert [line.state for line in workspace.plan(recipe).steps] == ["build", "build", "build"]
    manifests = workspace.run(recipe)
    assert (workspace.open("both").path / "joined.txt").read_text().startswith("0 abc\n")
    assert manifests["both"].facts.documents == 50
    plan = workspace.plan(recipe)
    assert [line.state for line in plan.steps] == ["hit", "hit", "hit"] and plan.total.seconds.p90 == 0
    before = published(workspace)
    workspace.run(recipe)
    assert published(workspace) == before
    assert [line.attempts for line in workspace.bill("small").steps] == [1, 1, 1]


def test_a_change_is_named_and_rebuilds_only_what_depends_on_it(workspace: Workspace, recipe: Path) -> None:
    workspace.run(recipe)
    plan = workspace.plan(recipe, ["steps.second.lines=21"])
    assert [(line.step, line.state) for line in plan.steps] == [
        ("first", "hit"),
        ("second", "build"),
        ("both", "build"),
    ]
    assert plan.steps[1].why == "second.lines 20 -> 21"
    assert plan.steps[2].why == "input second will be new"


def test_kills_anywhere_change_no_byte(workspace: Workspace, tmp_path: Path) -> None:
    recipe = tmp_path / "small.toml"
    recipe.write_text(RECIPE + "\n[steps.first.runtime]\npause_s = 0.04\n[steps.second.runtime]\npause_s = 0.04\n")
    calm = Workspace(tmp_path / "calm", stages=list(workspace.stages.values()))
    calm.run(recipe)
    dice = random.Random(0)
    kills = 0
    while kills < 6:
        process = start(workspace, recipe)
        before = checkpoints(workspace)
        while checkpoints(workspace) == before and process.poll() is None:
            time.sleep(0.01)
        time.sleep(dice.uniform(0, 0.25))
        if process.poll() is not None:
            break
        process.kill()
        process.communicate()
        kills += 1
    workspace.run(recipe)
    assert kills >= 3, "the run was meant to be killed on its way"
    assert published(workspace) == published(calm)
    bill = workspace.bill(recipe)
    assert bill.total.killed == kills and bill.total.attempts >= 3 + kills
    assert all(line.state == "published" for line in bill.steps)


def test_two_runs_at_once_build_each_step_once(workspace: Workspace, recipe: Path) -> None:
    processes = [start(workspace, recipe) for _ in range(2)]
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors.decode()
    assert [line.attempts for line in workspace.bill(recipe).steps] == [1, 1, 1]


def test_cap_stops_and_the_next_run_goes_on(workspace: Workspace, tmp_path: Path) -> None:
    recipe = tmp_path / "small.toml"
    recipe.write_text(RECIPE + "\n[steps.first.runtime]\npause_s = 0.05\n")
    with pytest.raises(BudgetExceeded, match="of 30 lines"):
        workspace.run(recipe, cap_s=0.4)
    line = workspace.plan(recipe).steps[0]
    assert line.state == "resume" and 0 < line.done < 1
    assert workspace.bill(recipe).steps[0].state == "budget"
    workspace.run(recipe)
    assert workspace.bill(recipe).steps[0].attempts == 2


def test_what_was_begun_with_other_settings_is_said_field_by_field(workspace: Workspace, tmp_path: Path) -> None:
    recipe = tmp_path / "small.toml"
    slow = RECIPE + "\n[steps.first.runtime]\npause_s = 0.05\n"
    recipe.write_text(slow)
    with pytest.raises(BudgetExceeded):
        workspace.run(recipe, cap_s=0.4)
    done = workspace.plan(recipe).steps[0].done
    recipe.write_text(slow.replace("lines = 30", "lines = 31"))
    (said,) = workspace.plan(recipe).steps[0].warnings
    assert said == (
        f"it was begun otherwise and is {done:.0%} done so: first.lines 30 -> 31; change it back to go on from there"
    )
    recipe.write_text(slow)
    assert workspace.plan(recipe).steps[0].warnings == ()
    workspace.run(recipe)
    assert not list(workspace.store.root.glob("**/begun.json"))


def test_a_run_under_torchrun_is_refused(workspace: Workspace, recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    with pytest.raises(UsageError, match=r"torchrun started this process.*\nhint: .*workers = N"):
        workspace.run(recipe)


def test_a_stop_is_obeyed(workspace: Workspace, recipe: Path) -> None:
    with pytest.raises(Interrupted, match="enough"):
        workspace.run(recipe, stop=lambda: "enough")
    assert workspace.show() == []


def test_damage_is_found_named_refused_and_rebuilt(workspace: Workspace, recipe: Path) -> None:
    workspace.run(recipe)
    whole = published(workspace)
    victim = workspace.open("first").path / "lines.txt"
    victim.write_text(victim.read_text().replace("0 abc", "0 abd", 1))
    (damage,) = workspace.verify()
    assert damage.step == "first" and "lines.txt" in damage.problems[0]
    with pytest.raises(DamagedArtifact, match=r"lines\.txt.*\n.*--rebuild first"):
        workspace.run(recipe, overrides=["steps.both.separator='+'"])
    workspace.run(recipe, rebuild=["first"])
    assert published(workspace) == whole and workspace.verify() == []


def test_truncated_file_is_not_a_hit(workspace: Workspace, recipe: Path) -> None:
    workspace.run(recipe)
    (workspace.open("second").path / "lines.txt").write_text("")
    assert workspace.plan(recipe).steps[1].state == "damaged"
    with pytest.raises(DamagedArtifact):
        workspace.run(recipe)


def test_gc_keeps_what_is_used_and_all_attempts(workspace: Workspace, recipe: Path) -> None:
    workspace.run(recipe)
    workspace.run(recipe, overrides=["steps.second.lines=5"])
    logs = sorted((workspace.root / "store" / "attempts").iterdir())
    would = workspace.gc(dry_run=True)
    assert len(would) == 2 and len(workspace.show()) == 5
    assert workspace.gc() == would and len(workspace.show()) == 3
    assert sorted((workspace.root / "store" / "attempts").iterdir()) == logs
    bill = workspace.bill("small")
    assert sorted(line.state for line in bill.steps) == [
        "abandoned",
        "abandoned",
        "published",
        "published",
        "published",
    ]


def test_runs_db_is_an_index_that_can_be_lost(workspace: Workspace, recipe: Path) -> None:
    import sqlite3

    workspace.run(recipe)
    (workspace.root / "runs.db").unlink()
    workspace.refresh()
    with sqlite3.connect(workspace.root / "runs.db") as connection:
        assert connection.execute("SELECT count(*) FROM artifacts").fetchone() == (3,)
        assert connection.execute("SELECT count(*), min(reason) FROM attempts").fetchone() == (3, "published")
    connection.close()


def test_references(workspace: Workspace, recipe: Path) -> None:
    workspace.run(recipe)
    key = workspace.graph(recipe).keys["both"]
    assert workspace.find("both").key == workspace.find("small/both").key == workspace.find(key[:8]).key == key
    tree = workspace.lineage("both")
    assert [child.manifest.step for child in tree.inputs if child.manifest] == ["first", "second"]
    with pytest.raises(UnknownReference, match="both"):
        workspace.find("bothh")
    with pytest.raises(UnknownReference):
        workspace.run(recipe, rebuild=["nonsense"])


def test_full_disk_says_so(workspace: Workspace, recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(workspace.root.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(ArtifactError, match="0 MB free"):
        workspace.run(recipe)


def test_killed_between_manifest_and_rename_is_finished(
    workspace: Workspace, recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def power_loss(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(workspace.store), "finish_publishing", power_loss)
        with pytest.raises(KeyboardInterrupt):
            workspace.run(recipe)
    assert workspace.show() == []
    workspace.run(recipe)
    assert workspace.bill(recipe).steps[0].attempts == 1, "the finished work was not done again"


def test_sigterm_ends_with_a_checkpoint(tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text('[steps.sleep]\nstage = "command"\ncommand = ["sleep", "60"]\noutputs = []\n')
    process = subprocess.Popen(
        [sys.executable, "-c", "from luosi.cli import main; main()", "run", str(recipe), "-w", str(tmp_path / "w")],
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 30
    while not list((tmp_path / "w").glob("store/attempts/*")) and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1 and b"stopped" in errors, errors.decode()


def test_gc_keeps_what_can_be_resumed_and_removes_trash(workspace: Workspace, tmp_path: Path) -> None:
    recipe = tmp_path / "small.toml"
    recipe.write_text(RECIPE + "\n[steps.first.runtime]\npause_s = 0.05\n")
    with pytest.raises(BudgetExceeded):
        workspace.run(recipe, cap_s=0.4)
    trash = workspace.root / "store" / "trash" / "k1-old"
    trash.mkdir(parents=True)
    abandoned = workspace.store.staging("k1-abandoned")
    abandoned.mkdir(parents=True)
    assert [path for path, _ in workspace.gc()] == ["staging/k1-abandoned", "trash/k1-old"]
    assert workspace.plan(recipe).steps[0].state == "resume"


def test_gc_refuses_to_guess(workspace: Workspace, recipe: Path) -> None:
    workspace.run(recipe)
    (workspace.open("both").path.parent / "manifest.json").write_text("{")
    with pytest.raises(DamagedArtifact):
        workspace.gc()
    assert len(workspace.show()) == 2, "nothing was deleted"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="mounting a small disk needs root on Linux")
def test_a_disk_that_fills_up_on_the_way(workspace: Workspace, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=70m", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("no right to mount here")
    try:
        write = "import sys; open(sys.argv[1] + '/big', 'wb').write(bytes(80_000_000))"
        recipe = tmp_path / "full.toml"
        recipe.write_text(
            f'[steps.fill]\nstage = "command"\ncommand = ["{{python}}", "-c", "{write}", "{{out}}"]\noutputs = ["big"]\n'
        )
        command = [
            sys.executable,
            "-c",
            "from luosi.cli import main; main()",
            "run",
            str(recipe),
            "-w",
            str(disk / "w"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 1 and "No space left" in done.stderr, done.stderr
        assert "a mistake of Luosi's own" not in done.stderr
        assert not list((disk / "w" / "store" / "artifacts").glob("*/*")), "nothing half-written is published"
    finally:
        subprocess.run(["umount", str(disk)], check=True)
