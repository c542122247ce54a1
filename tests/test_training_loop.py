"""The loop: a frozen loss curve, going on after any interruption in the same bits, and stopping for a reason that is told."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
import torch

from luosi.artifacts import ModelShape
from luosi.errors import BudgetExceeded, InputError, Interrupted, StageError
from luosi.models.transformer import Transformer
from luosi.training.checkpoints import Checkpoints
from luosi.training.loop import train, warn_of_epochs
from luosi.training.loss import Words
from luosi.training.optimizers import muon_and_adamw
from luosi.training.schedules import Step
from tests.training_kit import (
    MACHINE,
    SHAPE,
    Recorder,
    counting_rows,
    killable_training,
    settings,
    small_training,
)

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


def drawn() -> Words:
    """Eight words beside a chunk's own, for the first three quarters of the text."""
    return Words(8, torch.arange(SHAPE.vocab_size).float(), seed=3, rows=60)


def test_a_loss_over_drawn_words_teaches_nearly_as_much(tmp_path: Path) -> None:
    _, whole = small_training(Recorder(tmp_path / "whole"))
    _, estimated = small_training(Recorder(tmp_path / "drawn"), words=drawn())
    assert estimated.losses[0] != whole.losses[0]
    assert estimated.losses[-1] == pytest.approx(whole.losses[-1], abs=0.4)
    assert estimated.losses[-1] < whole.losses[0] - 2


@pytest.mark.parametrize("words", [None, drawn()])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_budget_stop_saves_and_the_next_start_ends_in_the_same_bits(
    tmp_path: Path, precision: str, words: Words | None
) -> None:
    def stop(step: int) -> None:
        if step == 7:
            raise BudgetExceeded("stop")

    whole, uninterrupted = small_training(Recorder(tmp_path / "whole"), precision=precision, words=words)
    with pytest.raises(BudgetExceeded):
        small_training(
            Recorder(tmp_path / "cut", at_step=stop), precision=precision, words=words, checkpoint_every_s=1e9
        )
    again = Recorder(tmp_path / "cut")
    resumed, result = small_training(again, precision=precision, words=words, threads=2)
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
    assert newest is not None and (newest.notes["threads"], newest.notes["compiled"]) == (1, False)
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_compiled_run_goes_on_without_a_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(step: int) -> None:
        if step == 3:
            raise BudgetExceeded("stop")

    with pytest.raises(BudgetExceeded):
        small_training(Recorder(tmp_path, at_step=stop))
    checkpoints = Checkpoints(tmp_path / "scratch" / "checkpoints")
    saved = checkpoints.newest()
    assert saved is not None
    checkpoints.save(replace(saved, notes={**saved.notes, "compiled": True}))
    monkeypatch.setenv("CXX", "no-such-compiler")
    context = Recorder(tmp_path)
    _, result = small_training(context)
    assert len(result.losses) == 20
    assert any(
        "begun compiled, and no C++ compiler is found here: it goes on uncompiled" in one for one in context.said
    )


@pytest.mark.skipif(sys.platform != "linux", reason="the system does not say what is mapped")
def test_a_resumed_run_holds_no_checkpoint_open(tmp_path: Path) -> None:
    """A dropped file that is still mapped gives no disk back."""
    mapped: list[str] = []

    def look(step: int) -> None:
        mapped.extend(one for one in Path("/proc/self/maps").read_text().splitlines() if str(tmp_path) in one)
        if step == 7 and not mapped:
            raise BudgetExceeded("stop")

    with pytest.raises(BudgetExceeded):
        small_training(Recorder(tmp_path, at_step=look))
    small_training(Recorder(tmp_path, at_step=lambda step: look(step) if step > 8 else None))
    assert not mapped


def test_killed_at_any_moment_the_weights_end_in_the_same_bytes(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
    run_training(whole, kill_at=None)
    moment = random.Random(0)
    for number in range(4):
        assert run_training(killed, kill_at=moment.randint(2, 8), writing=number % 2 == 1) < 40
    assert run_training(killed, kill_at=None) == 40
    for name in ("end.safetensors", "curve.json"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()


def run_training(folder: Path, kill_at: int | None, writing: bool = False) -> int:
    """Train in a process of its own; with `kill_at` it gets SIGKILL after so many steps, wherever it then is, or in the midst of
    writing a checkpoint. The last step told."""
    unfinished = folder / "scratch" / "checkpoints" / "unfinished.tmp"
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
                while writing and not unfinished.exists():
                    time.sleep(0.0002)
                os.kill(process.pid or 0, signal.SIGKILL)
    except EOFError:
        process.join()
    assert process.exitcode == (0 if kill_at is None else -signal.SIGKILL)
    return int(told[-1])


def test_a_disk_that_takes_no_checkpoint_does_not_stop_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("luosi.training.checkpoints.save_file", full)
    context = Recorder(tmp_path)
    _, result = small_training(context)
    assert len(result.losses) == 20
    assert all("No space left on device" in one for one in context.said)
    assert context.said[0].startswith("warning: checkpoint of step 0") and "step 20" in context.said[-1]


def test_reading_the_text_too_often_is_said(tmp_path: Path) -> None:
    context = Recorder(tmp_path)
    warn_of_epochs(3.9, context)
    assert context.said == []
    warn_of_epochs(4.0, context, "the text that is replayed")
    assert "the text that is replayed is read 4.0 times; from 4 times on" in context.said[0]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"precision": "bf16"}, "precision is bf16, it was fp32"),
        ({"seed": 3}, "seed is 3, it was 0"),
        ({"warmup_fraction": 0.5}, "course.warmup_fraction is 0.5, it was 0.1"),
        ({"rows": 2}, "course.rows is 2, it was 4"),
    ],
)
def test_going_on_with_other_settings_names_the_field(tmp_path: Path, changes: dict[str, object], field: str) -> None:
    def stop(step: int) -> None:
        if step == 1:
            raise BudgetExceeded("stop")

    with pytest.raises(BudgetExceeded):
        small_training(Recorder(tmp_path, at_step=stop))
    with pytest.raises(InputError, match=f"the checkpoint of step 1 is of another training: {field}.*\nhint"):
        small_training(Recorder(tmp_path), **changes)


@pytest.mark.parametrize(
    ("rates", "shape", "field"),
    [
        ({"matrix_lr": 0.02}, SHAPE, "group 1: rate is 0.02, it was 0.01"),
        ({"weight_decay": 0.2}, SHAPE, "group 1: weight_decay is 0.2, it was 0.1"),
        (
            {},
            SHAPE.model_copy(update={"ff": 96}),
            "group 1: parameters is 14 tensors of 24,576 numbers, it was 14 tensors",
        ),
    ],
)
def test_going_on_with_another_rate_or_model_names_it(
    tmp_path: Path, rates: dict[str, float], shape: ModelShape, field: str
) -> None:
    def stop(step: int) -> None:
        if step == 1:
            raise BudgetExceeded("stop")

    with pytest.raises(BudgetExceeded):
        small_training(Recorder(tmp_path, at_step=stop))
    model = Transformer(shape)
    optimizers = muon_and_adamw(model, **{"matrix_lr": 0.01, "vector_lr": 0.01, "weight_decay": 0.1, **rates})
    with pytest.raises(InputError, match=f"the checkpoint of step 1 is of another training: optimizer {field}"):
        train(model, counting_rows(), optimizers, settings(), Recorder(tmp_path))


@pytest.mark.parametrize("source", ["measured", "catalogue"])
def test_the_share_of_a_peak_is_told_where_it_was_measured(tmp_path: Path, source: str) -> None:
    context = Recorder(tmp_path)
    context.machine = MACHINE.model_copy(update={"source": source})
    small_training(context, steps=2)
    assert context.told[-1].get("mfu") == (context.told[-1]["flop_per_s"] / 1e11 if source == "measured" else None)


class Stopping(Recorder):
    """Is asked to stop while it works on the seventh step, which is in two pieces."""

    asked = 0

    @property
    def stop_reason(self) -> str:  # type: ignore[override]
        self.asked += 1
        return "signal SIGTERM" if self.asked >= 14 else ""

    def progress(self, done: float, total: float, unit: str, **metrics: float) -> None:
        super().progress(done, total, unit, **metrics)
        if self.asked >= 14:
            raise Interrupted("stopped")


class Asked(Recorder):
    """Counts how often the loop asks whether to stop."""

    asked = 0

    @property
    def stop_reason(self) -> str:  # type: ignore[override]
        self.asked += 1
        return ""


def test_pieces_are_smaller_the_more_a_token_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {}
    for rows in (4, 1):
        monkeypatch.setattr("luosi.training.loop.PIECE_FLOP", 6 * SHAPE.parameters * 32 * rows)
        context = Asked(tmp_path / str(rows))
        small_training(context, steps=5)
        asked[rows] = context.asked
    assert asked == {4: 5, 1: 20}


def test_a_signal_saves_in_the_midst_of_a_step_which_is_then_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("luosi.training.loop.MICRO_TOKENS", 64)
    whole, _ = small_training(Recorder(tmp_path / "whole"))
    with pytest.raises(Interrupted):
        small_training(Stopping(tmp_path / "cut"))
    again = Recorder(tmp_path / "cut")
    resumed, _ = small_training(again)
    assert again.said == ["going on from the checkpoint of step 6 of 20"]
    for name, parameter in whole.named_parameters():
        assert torch.equal(parameter, resumed.get_parameter(name)), name


def test_a_step_that_finds_no_memory_says_so_and_can_be_gone_on_from(tmp_path: Path) -> None:
    def flop(step: Step) -> float:
        return float(torch.empty(1 << 50).sum()) if step.first_row == 5 * 4 else 1.0

    with pytest.raises(StageError, match=r"not enough memory for a step of 4 x 32 tokens.*\nhint: take a shorter seq"):
        small_training(Recorder(tmp_path), flop=flop)
    again = Recorder(tmp_path)
    small_training(again)
    assert again.said == ["going on from the checkpoint of step 0 of 20"]


def test_a_run_begun_on_another_kind_of_device_goes_on(tmp_path: Path) -> None:
    """Words are drawn on CPUs only."""

    def stop(step: int) -> None:
        if step == 3:
            raise BudgetExceeded("stop")

    with pytest.raises(BudgetExceeded):
        small_training(Recorder(tmp_path, at_step=stop), words=drawn())
    with pytest.raises(InputError, match=r"words is \[9, 60\], it was \[8, 60\]"):
        small_training(Recorder(tmp_path), words=replace(drawn(), count=9))
    context = Recorder(tmp_path)
    _, result = small_training(context)
    assert context.said[0].startswith("the run goes on on another kind of device") and len(result.losses) == 20


def test_damaged_checkpoints_are_told(tmp_path: Path) -> None:
    small_training(Recorder(tmp_path))
    newest = max((tmp_path / "scratch" / "checkpoints").iterdir())
    newest.write_bytes(newest.read_bytes()[:-4])
    context = Recorder(tmp_path)
    small_training(context)
    assert context.said[0] == f"warning: the checkpoint {newest.name} is damaged and is passed over"


def test_a_step_tells_its_speed_against_the_machines_peak(tmp_path: Path) -> None:
    class Told(Recorder):
        metrics: ClassVar[list[dict[str, float]]] = []

        def progress(self, done: float, total: float, unit: str, **metrics: float) -> None:
            self.metrics.append(metrics)

    _, result = small_training(Told(tmp_path), steps=3, flop=lambda step: 1e6)
    first, *steps = Told.metrics
    assert first == {} and len(steps) == 3
    for one in steps:
        assert set(one) == {"loss", "tokens_per_s", "flop_per_s", "mfu"}
        assert one["flop_per_s"] == pytest.approx(one["tokens_per_s"] / 128 * 1e6)
        assert one["mfu"] == pytest.approx(one["flop_per_s"] / 1e11)
    assert 0 < result.standstill < 1
