"""Bad losses: which ones are, going back past them to the same bits however the way there was, and giving up for a reason."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from luosi.errors import BudgetExceeded, TrainingDiverged
from luosi.models.transformer import Transformer
from luosi.training.batches import Row
from luosi.training.checkpoints import Checkpoints
from luosi.training.faults import CHANCES, LEAST, WINDOW, Faults, above_usual, diverged, fault, ran_away
from luosi.training.loop import Result, train
from luosi.training.optimizers import adamw
from tests.training_kit import Recorder, counting_rows, settings, small_model

BAD_STEP = 90
"""By then the small model has learned its documents."""


class PoisonedRows:
    """The usual rows, but those of the steps from `first` to `last` are noise."""

    def __init__(self, first: int, last: int) -> None:
        self._rows, self._first, self._last = counting_rows(), 4 * first, 4 * last + 4

    def row(self, number: int) -> Row:
        row = self._rows.row(number)
        if not self._first <= number < self._last:
            return row
        noise = np.random.default_rng(number).integers(16, 316, 33)
        return Row(noise[:-1], noise[1:], np.zeros(32, np.int64), (f"poison-{number}",))


def poisoned_training(
    folder: Path, *, last: int = BAD_STEP, stop_at: int | None = None
) -> tuple[Transformer, Result, Recorder]:
    def stop(step: int) -> None:
        if step == stop_at:
            raise BudgetExceeded("stop")

    model, optimizers = small_model()
    context = Recorder(folder, at_step=stop)
    chosen = settings(steps=110, checkpoint_every_s=1e9)
    return model, train(model, PoisonedRows(BAD_STEP, last), optimizers, chosen, context), context


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that was stopped a few steps before the bad one."""
    folder = tmp_path_factory.mktemp("learned")
    with pytest.raises(BudgetExceeded):
        poisoned_training(folder, stop_at=BAD_STEP - 4)
    return folder


def test_poisoned_rows_are_skipped_and_a_resumed_run_skips_the_same(learned: Path, tmp_path: Path) -> None:
    shutil.copytree(learned, tmp_path / "whole")
    shutil.copytree(learned, tmp_path / "cut")
    whole, result, context = poisoned_training(tmp_path / "whole")
    assert list(result.skipped) == [BAD_STEP] and "jumped" in result.skipped[BAD_STEP]
    _, said = context.said
    assert said.startswith("warning: step 91: the loss jumped to")
    assert said.endswith("going back to step 86 and skipping the batch of step 91")
    assert math.isnan(result.losses[BAD_STEP]) and max(result.losses[80:90] + result.losses[91:]) < 3
    curve = list(result.curve())
    assert len(curve) == 109 and curve[-1]["step"] == 110 and math.isfinite(result.final_loss)
    with pytest.raises(BudgetExceeded):
        poisoned_training(tmp_path / "cut", stop_at=100)
    resumed, again, context = poisoned_training(tmp_path / "cut")
    assert context.said == ["going on from the checkpoint of step 100 of 110"]
    assert again.skipped == result.skipped
    assert again.losses[91:] == result.losses[91:]
    for name, parameter in whole.named_parameters():
        assert torch.equal(parameter, resumed.get_parameter(name)), name


def test_text_that_stays_bad_ends_the_training_after_three_times_going_back(learned: Path, tmp_path: Path) -> None:
    shutil.copytree(learned, tmp_path, dirs_exist_ok=True)
    with pytest.raises(TrainingDiverged, match=r"after going back 3 times: the loss jumped .*poison-\d+") as raised:
        poisoned_training(tmp_path, last=110)
    assert "learning rate" in raised.value.hint
    told = json.loads((tmp_path / "scratch" / "diverged.json").read_text())
    assert told["documents"][0].startswith("poison-") and told["documents"][0] in str(raised.value)
    newest = Checkpoints(tmp_path / "scratch" / "checkpoints").newest()
    assert newest is not None and all(t.isfinite().all() for n, t in newest.tensors.items() if n != "losses")


def damaged_training(folder: Path, damage: Callable[[int], bool], **changes: object) -> tuple[Transformer, Result]:
    """A training whose weights are broken in memory after the steps that `damage` picks."""
    model, optimizers = small_model()

    def at_step(step: int) -> None:
        if damage(step):
            with torch.no_grad():
                model.model.norm.weight[3] = float("nan")

    return model, train(model, counting_rows(), optimizers, settings(**changes), Recorder(folder, at_step=at_step))


def test_broken_weights_are_put_back_from_whatever_checkpoint_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("luosi.training.checkpoints.STANDSTILL", math.inf)
    ends = []
    for every_s in (0.0, 1e9):  # back to the step itself, and back to the very start
        left = [5]

        def once(step: int, left: list[int] = left) -> bool:
            return step in left and left.pop() == step

        ends.append(damaged_training(tmp_path / str(every_s), once, checkpoint_every_s=every_s))
    (one, first), (other, second) = ends
    assert list(first.skipped) == list(second.skipped) == [5] and "nan" in first.skipped[5]
    for name, parameter in one.named_parameters():
        assert parameter.isfinite().all() and torch.equal(parameter, other.get_parameter(name)), name


def test_weights_that_break_again_and_again_end_the_training(tmp_path: Path) -> None:
    with pytest.raises(TrainingDiverged, match=r"step \d+, after going back 3 times: the loss is nan.*document-\d+"):
        damaged_training(tmp_path, lambda step: step >= 5)


def test_a_rate_that_is_far_too_high_ends_the_training(tmp_path: Path) -> None:
    model, _ = small_model()
    wild = adamw(model, learning_rate=20.0, weight_decay=0.0)
    with pytest.raises(TrainingDiverged, match="training diverged at step"):
        train(model, counting_rows(), wild, settings(steps=200, warmup_fraction=0.5), Recorder(tmp_path))


def test_losses_that_creep_up_are_told_from_losses_that_fall() -> None:
    assert ran_away([3.0] * 20 + [3.0 + n / 50 for n in range(100)]).startswith("the mean loss rose from 3.00")
    assert ran_away([8.0 - n / 50 for n in range(100)]) == ""
    assert ran_away([3.0] * 20 + [9.0] * 10) == "" and ran_away([math.nan] * 80) == ""


def test_two_kinds_of_text_make_no_spikes() -> None:
    """Replay: every tenth batch has quite another loss."""
    losses: list[float] = []
    dice = np.random.default_rng(0)
    found = 0
    for step in range(5000):
        loss = (3.0 if step % 10 == 9 else 1.0) + 0.1 * float(dice.standard_normal())
        found += bool(fault(loss, 1.0, losses))
        losses.append(loss)
    assert found == 0
    assert fault(6.0, 1.0, losses) and not fault(0.0, 1.0, losses)


def course_of_faults(kinds: Callable[[int, np.random.Generator], float], steps: int = 4000, every: int = 10) -> Faults:
    """What `fault` and `Faults` make of losses that depend on the step's rows alone, checkpoints being saved every few steps."""
    faults, losses, dice = Faults(), [], np.random.default_rng(0)
    drawn = [kinds(step, dice) for step in range(steps)]
    while len(losses) < steps:
        step = len(losses)
        if step in faults.skipped:
            losses.append(math.nan)
        elif what := fault(drawn[step], 1.0, losses, faults.odd(losses)):
            back = faults.skip(step, what, above_usual(drawn[step], losses))
            assert back is not None, f"gave up at step {step} after faults at {faults.met}"
            del losses[back // every * every :]
        else:
            losses.append(drawn[step])
    return faults


@pytest.mark.parametrize("share", [0.005, 0.01, 0.02, 0.04, 0.1])
def test_text_of_a_rare_kind_is_not_taken_for_broken_weights(share: float) -> None:
    """One row a step, a few of which are of another language: skipped at first, then learned from."""

    def strewn(step: int, dice: np.random.Generator) -> float:
        return (6.0 if dice.random() < share else 2.5) + 0.3 * float(dice.standard_normal())

    def evenly(step: int, dice: np.random.Generator) -> float:
        return (6.0 if step % round(1 / share) == 0 else 2.5) + 0.3 * float(dice.standard_normal())

    for kinds in (strewn, evenly):
        faults = course_of_faults(kinds)
        assert len(faults.met) <= 3 and len(faults.skipped) == len(faults.met)


def test_only_a_batch_that_was_skipped_alone_is_odd_text() -> None:
    losses = [2.5] * 40
    faults = Faults()
    faults.skip(40, "jumped", 3.0)
    assert faults.odd(losses) == 0.0, "what comes after it is not known yet"
    assert faults.odd([*losses, math.nan]) == 0.0 and faults.odd([*losses, math.nan, 2.6]) == 3.0
    assert fault(6.0, 1.0, losses) and not fault(6.0, 1.0, losses, odd=3.0) and fault(8.0, 1.0, losses, odd=3.0)
    faults.skip(41, "jumped", 3.5)  # the next one too, so that 39 is skipped as well: it was the weights
    assert faults.odd([*losses[:39], math.nan, math.nan, math.nan, 2.6]) == 0.0
    faults.skip(60, "nan")
    assert 60 not in faults.above


def test_few_losses_do_not_tell_what_is_usual() -> None:
    """One row a step: text of another kind comes before much is known."""
    usual = [2.9 + 0.05 * (step % 5) for step in range(LEAST)]
    assert fault(4.0, 1.0, usual) and not fault(4.0, 1.0, usual[:20])


@given(st.lists(st.floats(0.1, 12.0), min_size=LEAST, max_size=100), st.floats(0.1, 10.0))
def test_a_loss_like_those_before_is_no_fault_and_one_that_is_no_number_is(losses: list[float], norm: float) -> None:
    assert fault(max(losses[-WINDOW:]), norm, losses) == ""
    for loss, size in ((math.nan, norm), (math.inf, norm), (losses[0], math.inf), (losses[0], math.nan)):
        assert fault(loss, size, losses)


def test_what_is_skipped_grows_backwards_while_skipping_does_not_help() -> None:
    faults = Faults()
    assert faults.skip(7, "bad") == 7
    assert faults.skip(8, "bad") == 6  # 7 was skipped, and 8 is bad all the same: 6 did it
    assert faults.skip(9, "bad") == 5
    assert sorted(faults.skipped) == [5, 6, 7, 8, 9]
    assert faults.skip(10, "bad") is None and CHANCES == 3
    assert faults.skip(9 + WINDOW, "bad") == 9 + WINDOW  # long ago is forgiven


def test_a_fault_now_and_then_is_no_accident_in_the_end() -> None:
    faults = Faults()
    met = [faults.skip(step, "bad") for step in range(WINDOW // 2, 1000, WINDOW // 2)]
    assert met[:5] == [32, 64, 96, 128, 160] and met[5] is None, "one step in 32, though never four in a window"
    seldom = Faults()
    assert None not in [seldom.skip(step, "bad") for step in range(150, 6000, 150)]


def test_a_full_disk_does_not_hide_why_a_training_ended(tmp_path: Path) -> None:
    error = diverged(5, "the loss is nan", Faults(), ["a"], tmp_path / "gone")
    assert error.message.startswith("training diverged at step 6: the loss is nan")
    assert error.hint and "diverged.json could not be written" in error.hint


def test_at_the_very_start_there_is_nothing_before_to_skip() -> None:
    faults = Faults()
    assert faults.skip(0, "bad") == 0 and faults.skip(1, "bad") == 1 and sorted(faults.skipped) == [0, 1]


def test_a_training_all_of_whose_batches_are_bad_does_not_end_as_if_it_had_learned(tmp_path: Path) -> None:
    with pytest.raises(TrainingDiverged, match="the loss is nan"):
        damaged_training(tmp_path, lambda step: True, steps=2)
