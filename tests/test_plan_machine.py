"""The machine as measured, guessed, kept and corrected."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luosi.cost import Factor, Machine
from luosi.errors import InputError
from luosi.ledger.learning import Run
from luosi.plan import machine as room
from luosi.plan.machine import calibrate, catalogue, load, measure, save, usable_cores, usable_memory


def groups(root: Path, own: str, files: dict[str, str]) -> Path:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(f"0::{own}\n")
    (root / "sys/fs/cgroup" / own.strip("/")).mkdir(parents=True)
    for name, text in files.items():
        (root / "sys/fs/cgroup" / name).write_text(text)
    return root


def test_a_control_group_bounds_cores_and_memory_from_any_level(tmp_path: Path) -> None:
    root = groups(tmp_path, "/a/b", {"a/cpu.max": "50000 100000\n", "a/b/cpu.max": "max 100000\n"})
    (root / "sys/fs/cgroup/a/memory.max").write_text("1048576\n")
    (root / "sys/fs/cgroup/a/b/memory.max").write_text("max\n")
    assert usable_cores(root) == 1
    assert usable_memory(root) == 1048576


def test_no_control_group_leaves_the_machine_as_it_is(tmp_path: Path) -> None:
    assert usable_cores(tmp_path) >= 1
    assert usable_memory(tmp_path) > 2**28


def test_a_guessed_machine_says_so_and_its_intervals_are_wide() -> None:
    guess = catalogue(["finetune"])
    assert guess.source == "catalogue"
    seconds = guess.estimate("finetune", seconds=100.0).seconds
    assert seconds.p50 == pytest.approx(100)
    assert seconds.p90 > 300 > 100 > 33 > seconds.p10


def test_measuring_gives_real_speeds_and_does_not_load_torch() -> None:
    pytest.importorskip("torch")
    code = (
        "import sys; from luosi.plan.machine import measure; m = measure(0.4); print(m.model_dump_json());"
        "assert 'torch' not in sys.modules and 'numpy' not in sys.modules"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    machine = Machine.model_validate_json(found.stdout)
    assert machine.source == "measured" and machine.date
    assert machine.fp32_flops > 1e9
    assert machine.bf16_flops >= machine.fp32_flops


def test_a_probe_that_fails_leaves_the_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert measure(0.1, ["curate"]) == catalogue(["curate"])


class FakeCounter:
    """1,000 W, as a counter would see them."""

    def __init__(self) -> None:
        self.start = room.time.monotonic()

    def joules(self) -> float:
        return 1000.0 * (room.time.monotonic() - self.start)


def test_power_is_taken_from_the_counter_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "EnergyCounter", FakeCounter)
    found = {"device": "cpu", "device_name": "", "memory_bytes": 0, "fp32_flops": 2e11, "bf16_flops": 8e11}
    script = f"import time, json; time.sleep(0.8); print(json.dumps({found}))"
    start = subprocess.Popen
    monkeypatch.setattr(room.subprocess, "Popen", lambda _, **options: start([sys.executable, "-c", script], **options))
    machine = measure(0.5)
    assert 100 < machine.watts_busy < 10_000  # readings on a busy machine are not exact; the model would say 3.5 a core
    assert (machine.fp32_flops, machine.bf16_flops) == (2e11, 8e11)


def test_a_machine_is_kept_and_found_again(tmp_path: Path) -> None:
    path = tmp_path / "machine.json"
    assert load(path) is None
    machine = catalogue(["curate"])
    save(machine, path)
    assert load(path) == machine
    assert [p.name for p in tmp_path.iterdir()] == ["machine.json"]


def test_a_broken_file_is_named_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "machine.json"
    path.write_text('{"name": "x", "cores": 0}')
    with pytest.raises(InputError, match=r"machine\.json.*cores.*\nhint: delete it"):
        load(path)


MACHINE = Machine(
    name="m", cores=2, memory_bytes=2**30, fp32_flops=1e11, bf16_flops=1e11, watts_busy=7, source="measured"
)
DEFAULT = Factor()


def observed(
    ratio: float, *, loaded: bool = False, stage: str = "finetune", step: str = "adapt", estimated: float = 10.0
) -> Run:
    return Run(stage, step, "k1", estimated, estimated, 10.0 * ratio, loaded)


@given(st.floats(0.1, 10), st.integers(1, 40))
def test_runs_pull_the_factor_towards_what_they_took_and_narrow_it(ratio: float, runs: int) -> None:
    once = calibrate(MACHINE, [observed(ratio)]).factors["finetune"]
    often = calibrate(MACHINE, [observed(ratio)] * runs).factors["finetune"]
    assert abs(math.log(once.ratio)) <= abs(math.log(often.ratio)) + 1e-9 <= abs(math.log(ratio)) + 2e-9
    assert (once.ratio - 1) * (ratio - 1) >= 0
    assert often.sigma <= once.sigma + 1e-9 < DEFAULT.sigma
    assert often.runs == min(runs, room.REMEMBERED)


def test_a_step_learns_its_own_factor_at_once_and_lends_its_stage_part_of_it() -> None:
    """An estimate eight times too high for one step, right for another of the same stage."""
    runs = [observed(0.125 * noise, stage="export", step="ship_base") for noise in (1.02, 0.97, 1.0, 1.05, 0.96)]
    machine = calibrate(MACHINE, [runs[0], observed(1.0, stage="export", step="ship_large")])
    seconds = machine.for_step("export", "ship_base").estimate("export", seconds=10.0).seconds
    assert seconds.p50 == pytest.approx(1.25, rel=0.15) and seconds.p90 < 1.3 * seconds.p50
    other = machine.for_step("export", "ship_large").estimate("export", seconds=10.0).seconds
    assert other.p50 == pytest.approx(10.0, rel=0.1)
    stage = machine.factors["export"]
    unknown = machine.for_step("export", "ship_other").estimate("export", seconds=10.0).seconds
    assert 1.25 < unknown.p50 < 10.0 and unknown.p50 == 10.0 * stage.ratio
    assert stage.sigma > 3 * machine.steps["export/ship_base"].sigma
    after = calibrate(MACHINE, runs).for_step("export", "ship_base").estimate("export", seconds=10.0).seconds
    assert after.p50 == pytest.approx(1.25, rel=0.02) and after.p10 < 1.25 < after.p90


def test_the_latest_runs_count_most() -> None:
    """A program that became twice as fast is believed after a few runs."""
    runs = [observed(1.0)] * 10 + [observed(0.5)] * 5
    assert calibrate(MACHINE, runs).steps["finetune/adapt"].ratio < 0.66


@given(st.lists(st.floats(0.2, 5), max_size=8), st.lists(st.floats(0.1, 50), min_size=1, max_size=8))
def test_loaded_runs_teach_nothing_and_widen(quiet: list[float], loaded: list[float]) -> None:
    clean = calibrate(MACHINE, [observed(r) for r in quiet]).factors.get("finetune", DEFAULT)
    mixed = calibrate(MACHINE, [observed(r) for r in quiet] + [observed(r, loaded=True) for r in loaded])
    assert mixed.factors["finetune"].ratio == pytest.approx(clean.ratio)
    assert mixed.factors["finetune"].sigma > clean.sigma
    assert mixed.factors["finetune"].runs == clean.runs


def test_runs_that_disagree_leave_the_interval_wide_and_stages_do_not_mix() -> None:
    even = calibrate(MACHINE, [observed(1.0)] * 6 + [observed(3.0, stage="curate")])
    uneven = calibrate(MACHINE, [observed(0.3), observed(3.3)] * 3)
    assert uneven.factors["finetune"].sigma > 1.5 * even.factors["finetune"].sigma
    assert uneven.steps["finetune/adapt"].sigma > 3 * even.steps["finetune/adapt"].sigma
    assert even.factors["finetune"].ratio == pytest.approx(1.0)
    assert even.factors["curate"].ratio > 2
    assert calibrate(MACHINE, [observed(1.0, estimated=0.0)]).factors == {}
