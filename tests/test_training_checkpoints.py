"""Checkpoints written behind training's back: what is written, when, and what a kill in the midst of it leaves."""

from __future__ import annotations

import math
import multiprocessing
import threading
import time
from pathlib import Path

import pytest
import torch

from luosi.training import checkpoints as module
from luosi.training.checkpoints import Checkpoint, Checkpoints, Snapshots


def snapshots(folder: Path, **changes: float) -> Snapshots:
    values = {"failures_every_s": 86_400.0, "most_s": 20.0, **changes}
    return Snapshots(Checkpoints(folder), **values)


def test_what_is_written_is_what_was_there_when_it_was_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held, write = threading.Event(), module.save_file
    monkeypatch.setattr(module, "save_file", lambda *a, **k: (held.wait(), write(*a, **k)))
    taken = snapshots(tmp_path)
    assert taken.due
    weights = torch.arange(5.0)
    taken.take(Checkpoint(3, {"weights": weights}, {"why": "so"}))
    weights.zero_()  # training goes on
    assert not taken.due and list(tmp_path.glob("step-*")) == []
    held.set()
    taken.wait()
    saved = Checkpoints(tmp_path).newest()
    assert saved is not None and saved.step == 3 and saved.notes == {"why": "so"}
    assert saved.tensors["weights"].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_tensors_that_come_and_grow_are_copied_anew(tmp_path: Path) -> None:
    taken = snapshots(tmp_path)
    for step in (1, 2, 3):
        tensors = {"losses": torch.ones(step), "counter": torch.tensor(step)}
        if step > 1:
            tensors["momentum"] = torch.full((2, 2), float(step), dtype=torch.bfloat16)
        taken.take(Checkpoint(step, tensors, {}))
    taken.wait()
    saved = Checkpoints(tmp_path).newest()
    assert saved is not None and saved.tensors["losses"].shape == (3,) and saved.tensors["counter"] == 3
    assert saved.tensors["momentum"].dtype == torch.bfloat16 and saved.tensors["momentum"].tolist() == [[3, 3], [3, 3]]


def test_the_pause_between_two_is_youngs_within_its_bounds(tmp_path: Path) -> None:
    taken = snapshots(tmp_path, failures_every_s=1000.0, most_s=20.0)
    assert taken.due
    taken._copying_s, taken._writing_s = 0.002, 0.048
    assert taken.interval_s == pytest.approx(math.sqrt(2 * 0.05 * 1000))
    taken._writing_s = 10.0
    assert taken.interval_s == 20.0  # no kill may cost more
    taken._copying_s = 0.5
    assert taken.interval_s == pytest.approx(50.0)  # but the copying must not cost more than a hundredth either


def test_a_disk_without_room_leaves_the_last_and_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    taken = snapshots(tmp_path)
    taken.take(Checkpoint(1, {"a": torch.ones(2)}, {}))
    taken.wait()
    monkeypatch.setattr(module, "save_file", full)
    taken.take(Checkpoint(2, {"a": torch.zeros(2)}, {}))
    taken.wait()
    assert "checkpoint of step 2 could not be written" in taken.failure() and taken.failure() == ""
    saved = Checkpoints(tmp_path).newest()
    assert saved is not None and saved.step == 1


def test_a_copy_that_finds_no_memory_leaves_the_last_and_is_told_once(tmp_path: Path) -> None:
    taken = snapshots(tmp_path, failures_every_s=1.0, most_s=7.0)
    taken.take(Checkpoint(1, {"a": torch.ones(2)}, {}))
    taken.take(Checkpoint(2, {"a": torch.ones(2), "huge": torch.ones(1).expand(1 << 50)}, {}))
    assert "checkpoint of step 2 found no memory" in taken.failure() and taken.failure() == ""
    assert not taken.due and taken.interval_s == 7.0
    assert Checkpoints(tmp_path).steps() == [1]
    taken.take(Checkpoint(3, {"a": torch.ones(2)}, {}))
    taken.wait()
    assert Checkpoints(tmp_path).steps() == [3, 1] and taken.interval_s < 7.0


def saved_at(folder: Path, *steps: int) -> Checkpoints:
    checkpoints = Checkpoints(folder)
    for step in steps:
        checkpoints.save(Checkpoint(step, {"a": torch.tensor(step)}, {}))
    return checkpoints


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-4])


def test_damaged_ones_are_named_and_do_not_push_out_new_ones(tmp_path: Path) -> None:
    saved_at(tmp_path, 400, 500)
    cut_short(tmp_path / "step-000000500.safetensors")
    checkpoints = Checkpoints(tmp_path)
    newest = checkpoints.newest()
    assert newest is not None and newest.step == 400
    assert checkpoints.damaged == {"step-000000500.safetensors"} and checkpoints.steps() == [400]
    cut_short(tmp_path / "step-000000400.safetensors")
    assert checkpoints.newest() is None
    checkpoints.save(Checkpoint(0, {"a": torch.tensor(0)}, {}))  # the run begins anew
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000000.safetensors"]
    for step in (400, 410):  # what has a damaged one's name by now is whole
        checkpoints.save(Checkpoint(step, {"a": torch.tensor(step)}, {}))
    assert checkpoints.steps() == Checkpoints(tmp_path).steps() == [410, 400]


def test_a_disk_with_room_for_two_takes_a_newer_one_for_the_older(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files stand for bytes: the disk is full while there are two."""
    write = module.save_file

    def crowded(*a: object, **k: object) -> None:
        if len(list(tmp_path.glob("step-*"))) == 2:
            raise OSError(28, "No space left on device")
        write(*a, **k)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "save_file", crowded)
    checkpoints = saved_at(tmp_path, 0, 10, 20, 30)
    assert checkpoints.steps() == [30, 20]

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "save_file", full)
    with pytest.raises(OSError, match="checkpoint of step 40 could not be written"):
        checkpoints.save(Checkpoint(40, {}, {}))
    newest = checkpoints.newest()
    assert newest is not None and newest.step == 30


def test_going_back_finds_the_newest_of_at_most_so_many_steps(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    for step in (4, 9):
        checkpoints.save(Checkpoint(step, {"a": torch.tensor(step)}, {}))
    found = [checkpoints.newest(most) for most in (9, 8, 4, 3)]
    assert [one and one.step for one in found] == [9, 4, 4, None]
    checkpoints.forget_after(4)
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000004.safetensors"]


def write_for_ever(folder: Path, step: int) -> None:
    taken = snapshots(folder)
    weights = torch.zeros(2_000_000)
    while True:
        step += 1
        taken.take(Checkpoint(step, {"weights": weights.fill_(float(step))}, {}))
        weights.fill_(-1.0)


def test_killed_in_the_midst_of_writing_the_one_before_is_whole(tmp_path: Path) -> None:
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["torch._dynamo", "tests.training_kit"])
    step = 0
    for _ in range(3):
        writer = processes.Process(target=write_for_ever, args=(tmp_path, step))
        writer.start()
        while True:  # some have been finished, and one is being written
            done = [int(path.stem.removeprefix("step-")) for path in tmp_path.glob("step-*")]
            if max(done, default=0) > step + 2 and (tmp_path / "unfinished.tmp").exists():
                break
            time.sleep(0.0005)
        writer.kill()
        writer.join()
        saved = Checkpoints(tmp_path).newest()
        assert saved is not None and saved.step > step
        step = saved.step
        assert torch.equal(saved.tensors["weights"], torch.full((2_000_000,), float(step)))
