"""The loop: a frozen loss curve, going on after any interruption in the same bits, and stopping for a reason that is told."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import random
import signal
from pathlib import Path

import pytest
import torch

from luosi.errors import BudgetExceeded, TrainingDiverged
from luosi.training.checkpoints import Checkpoints
from luosi.training.loop import train, warn_of_epochs
from luosi.training.optimizers import adamw
from tests.training_kit import Recorder, counting_rows, killable_training, settings, small_model, small_training

GOLDEN = Path(__file__).parent / "golden" / "loss.json"


def test_twenty_steps_give_the_frozen_losses(tmp_path: Path) -> None:
    _, result = small_training(Recorder(tmp_path))
    assert result.losses == pytest.approx(json.loads(GOLDEN.read_text())["losses"], rel=2e-3)
    assert list(result.curve())[-1] == {"step": 20, "tokens": 20 * 4 * 32, "loss": result.losses[-1]}


def test_pieces_of_a_batch_add_up_to_the_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, whole = small_training(Recorder(tmp_path / "whole"), steps=5)
    monkeypatch.setattr("luosi.training.loop.MICRO_TOKENS", 64)
    _, pieces = small_training(Recorder(tmp_path / "pieces"), steps=5)
    assert pieces.losses == pytest.approx(whole.losses, rel=1e-3)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_budget_stop_saves_and_the_next_start_ends_in_the_same_bits(tmp_path: Path, precision: str) -> None:
    def stop(step: int) -> None:
        if step == 7:
            raise BudgetExceeded("stop")

    whole, uninterrupted = small_training(Recorder(tmp_path / "whole"), precision=precision)
    with pytest.raises(BudgetExceeded):
        small_training(Recorder(tmp_path / "cut", at_step=stop), precision=precision, checkpoint_every_s=1e9)
    again = Recorder(tmp_path / "cut")
    resumed, result = small_training(again, precision=precision, threads=2)
    assert again.said == ["going on from the checkpoint of step 7 of 20"]
    assert again.steps == list(range(7, 21))
    assert again.cost.tokens == 13 * 4 * 32
    assert result.losses == uninterrupted.losses
    for name, parameter in whole.named_parameters():
        assert torch.equal(parameter, resumed.get_parameter(name)), name


def test_threads_and_mode_of_the_first_start_are_obeyed(tmp_path: Path) -> None:
    seen: list[int] = []

    def look(step: int) -> None:
        seen.append(torch.get_num_threads())
        if len(seen) == 3:
            raise BudgetExceeded("stop")

    outside = torch.get_num_threads()
    for threads in (1, 2):
        try:
            small_training(Recorder(tmp_path, at_step=look), threads=threads)
        except BudgetExceeded:
            seen.append(0)
    assert seen[1:3] == [1, 1] and set(seen[5:]) == {1}
    assert torch.get_num_threads() == outside
    newest = Checkpoints(tmp_path / "scratch" / "checkpoints").newest()
    assert newest is not None and newest.notes == {"threads": 1, "compiled": False}
    assert not torch.are_deterministic_algorithms_enabled()


def test_killed_at_any_moment_the_weights_end_in_the_same_bytes(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
    run_training(whole, kill_at=None)
    moment = random.Random(0)
    for _ in range(4):
        assert run_training(killed, kill_at=moment.randint(2, 8)) < 40
    assert run_training(killed, kill_at=None) == 40
    for name in ("end.safetensors", "curve.json"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()


def run_training(folder: Path, kill_at: int | None) -> int:
    """Train in a process of its own; with `kill_at` it gets SIGKILL after so many steps, wherever it then is. The last step told."""
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["torch._dynamo", "tests.training_kit"])  # torch is imported once, not five times
    hear, tell = processes.Pipe(duplex=False)
    process = processes.Process(target=killable_training, args=(folder, tell))
    process.start()
    tell.close()
    told = []
    try:
        while True:
            told.append(hear.recv())
            if len(told) == kill_at:
                os.kill(process.pid or 0, signal.SIGKILL)
    except EOFError:
        process.join()
    assert process.exitcode == (0 if kill_at is None else -signal.SIGKILL)
    return int(told[-1])


def test_a_loss_that_is_not_a_number_stops_and_names_step_and_documents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("luosi.training.loop.CHECKPOINT_SHARE", math.inf)
    model, optimizers = small_model()
    context = Recorder(tmp_path, at_step=lambda step: poison() if step == 5 else None)

    def poison() -> None:
        with torch.no_grad():
            model.model.norm.weight[3] = float("nan")

    with pytest.raises(TrainingDiverged, match=r"step 6: the loss is nan.*document-\d+") as raised:
        train(model, counting_rows(), optimizers, settings(checkpoint_every_s=0.0), context)
    assert "learning rate" in raised.value.hint
    told = json.loads((context.scratch / "diverged.json").read_text())
    assert told["step"] == 6 and told["documents"][0] in str(raised.value)
    newest = Checkpoints(context.scratch / "checkpoints").newest()
    assert newest is not None and newest.step == 5
    assert all(tensor.isfinite().all() for tensor in newest.tensors.values())


def test_a_loss_that_runs_away_stops(tmp_path: Path) -> None:
    model, _ = small_model()
    wild = adamw(model, learning_rate=20.0, weight_decay=0.0)
    with pytest.raises(TrainingDiverged, match="the mean loss rose from"):
        train(model, counting_rows(), wild, settings(steps=100, warmup_fraction=0.5), Recorder(tmp_path))


def test_a_disk_that_takes_no_checkpoint_does_not_stop_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("luosi.training.checkpoints.save_file", full)
    context = Recorder(tmp_path)
    _, result = small_training(context)
    assert len(result.losses) == 20
    assert "No space left on device" in context.said[0] and context.said[0].startswith("warning: checkpoint of step 20")


def test_reading_the_text_too_often_is_said(tmp_path: Path) -> None:
    context = Recorder(tmp_path)
    warn_of_epochs(4.0, context)
    assert context.said == []
    warn_of_epochs(4.5, context)
    assert "4.5 times" in context.said[0]
