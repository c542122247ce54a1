"""Workers that share out the model: each holds its part, and curve, checkpoints and result are those of workers that do not."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from luosi.errors import BudgetExceeded, Interrupted, StageError
from luosi.models.first_weights import initialise
from luosi.models.lora import add_lora, merged_state
from luosi.models.precision import Precision, autocast
from luosi.models.transformer import Transformer
from luosi.training import sharding
from luosi.training.batches import Row
from luosi.training.loop import Result, train
from luosi.training.muon import Muon
from luosi.training.optimizers import Optimizers, adamw, muon_and_adamw
from luosi.training.workers import everywhere, here
from tests.training_kit import SHAPE, Recorder, counting_rows, settings

multiprocessing.set_forkserver_preload(["torch._dynamo", "torch.distributed.fsdp", "tests.training_kit"])

Trained = tuple[Result, dict[str, torch.Tensor], torch.Tensor]

TOKENS = torch.arange(16).view(2, 8) * 7


class Logged:
    """Rows that log which were asked for, and in whose seventh step the final norm's gain is damaged if a model is given."""

    def __init__(self, log: Path, damaged: Transformer | None) -> None:
        self._rows, self._log, self._damaged = counting_rows(), log, damaged

    def row(self, number: int) -> Row:
        with self._log.open("a") as file:
            file.write(f"{number}\n")
        if number == 24 and self._damaged is not None:
            with torch.no_grad():
                sharding.own(self._damaged.model.norm.weight)[:3] = float("nan")
            self._damaged = None
        return self._rows.row(number)


def scratch_model() -> Transformer:
    model = Transformer(SHAPE)
    initialise(model, 0)
    return model


def scratch_optimizers(model: Transformer) -> Optimizers:
    return muon_and_adamw(model, matrix_lr=0.01, vector_lr=0.01, weight_decay=0.1)


def adapted_model(precision: Precision) -> Transformer:
    """Adapters of rank 2 in the upper layer of a frozen model, which is rounded for bf16."""
    model = scratch_model()
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2 and "embed" not in name:
            noise = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)) / 6
            parameter.data = noise.bfloat16() if precision == "bf16" else noise
    add_lora(model, rank=2, alpha=8.0, targets=["q_proj", "down_proj"], seed=1, top_layers=1)
    return model


def adapted_optimizers(model: Transformer, precision: Precision) -> Optimizers:
    """AdamW for fp32; for bf16 Muon, so that both meet matrices of fewer rows than workers."""
    if precision == "fp32":
        return adamw(model, learning_rate=0.03, weight_decay=0.1)
    names: dict[torch.Tensor, str] = {p: name for name, p in model.named_parameters() if p.requires_grad}
    return Optimizers([Muon(names, lr=0.03, momentum=0.9, rows=0.0)], names)


def training(
    log: Path,
    context: Any,
    *,
    shard: bool = True,
    adapt: bool = False,
    damage: bool = False,
    precision: Precision = "fp32",
) -> Trained:
    """A training; of its model the weights and what it then computes."""
    model = adapted_model(precision) if adapt else scratch_model()
    size = sum(one.numel() for one in model.parameters())
    if shard:
        sharding.share_out(model)
        assert sum(sharding.own(one).numel() for one in model.parameters()) < size / here().count + 40 * 64
    optimizers = adapted_optimizers(model, precision) if adapt else scratch_optimizers(model)
    log.mkdir(exist_ok=True)
    rows = Logged(log / f"rank-{here().rank}", model if damage else None)
    result = train(model, rows, optimizers, settings(precision=precision), context)
    if shard:
        state = [one for one in optimizers.state().values() if one.ndim == 2]
        assert (
            sum(sharding.own(one).numel() for one in state) < sum(one.numel() for one in state) / here().count + 40 * 64
        )
    with torch.no_grad(), autocast(precision, "cpu"):
        return result, merged_state(model), model(TOKENS)


def rows_read(log: Path) -> list[list[int]]:
    return [[int(line) for line in path.read_text().split()] for path in sorted(log.iterdir())]


def alike(found: Trained, expected: Trained, rel: float = 5e-3, atol: float = 2e-2) -> None:
    assert found[0].losses == pytest.approx(expected[0].losses, rel=rel, nan_ok=True)
    for name, weight in expected[1].items():
        torch.testing.assert_close(found[1][name], weight, rtol=0, atol=atol, msg=name)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("alone")
    return everywhere(1, partial(training, folder / "log"), Recorder(folder))


@pytest.mark.parametrize("count", [2, 4])
def test_they_read_the_same_rows_learn_the_same_and_end_as_a_plain_model(
    tmp_path: Path, alone: Trained, count: int
) -> None:
    context = Recorder(tmp_path)
    found = everywhere(count, partial(training, tmp_path / "log"), context)
    assert rows_read(tmp_path / "log") == [list(range(80))] * count
    alike(found, alone)
    plain = scratch_model()
    plain.load_state_dict(found[1])
    with torch.no_grad():
        assert torch.equal(plain(TOKENS), found[2])
    assert context.steps == list(range(21)) and context.cost.tokens == 20 * 4 * 32


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_adapters_of_fewer_rows_than_workers_on_a_frozen_model(tmp_path: Path, precision: Precision) -> None:
    work = {n: partial(training, tmp_path / f"log-{n}", adapt=True, precision=precision) for n in (1, 4)}
    single, several = (everywhere(n, one, Recorder(tmp_path / str(n))) for n, one in work.items())
    assert single[0].losses[-1] < single[0].losses[0] - 0.1
    alike(several, single, atol=0.1)


def stop(at: int, step: int) -> None:
    if step == at:
        raise BudgetExceeded("stop")


def test_a_checkpoint_is_taken_up_by_any_number_sharing_or_not(tmp_path: Path, alone: Trained) -> None:
    parts = []
    for count, shard, at in ((2, True, 5), (1, False, 9), (4, True, 13), (2, False, 16), (2, True, 99)):
        log = tmp_path / f"log-{at}"
        context = Recorder(tmp_path, at_step=partial(stop, at))
        work = partial(training, log, shard=shard)
        if at < 20:
            with pytest.raises(BudgetExceeded):
                everywhere(count, work, context)
        else:
            found = everywhere(count, work, context)
        parts += rows_read(log)[0]
    assert parts == list(range(80))
    alike(found, alone)


@pytest.mark.parametrize(("count", "adapt"), [(2, False), (4, True)])
def test_stopped_and_resumed_they_end_in_the_same_bits(tmp_path: Path, count: int, adapt: bool) -> None:
    work = partial(training, tmp_path / "log", adapt=adapt)
    whole = everywhere(count, work, Recorder(tmp_path / "whole"))
    with pytest.raises(BudgetExceeded, match="stop"):
        everywhere(count, work, Recorder(tmp_path / "cut", at_step=partial(stop, 9)))
    again = Recorder(tmp_path / "cut")
    resumed = everywhere(count, work, again)
    assert again.said == ["going on from the checkpoint of step 9 of 20"]
    assert resumed[0].losses == whole[0].losses
    for name, weight in whole[1].items():
        assert torch.equal(weight, resumed[1][name]), name


def dying(log: Path, context: Any) -> Trained:
    """The second worker ends at its fifth step."""
    if here().rank == 1:
        context = Recorder(context.out, at_step=lambda step: sys.exit(9) if step == 5 else None)
    return training(log, context)


def test_a_worker_that_dies_is_named_and_what_was_done_is_kept(tmp_path: Path, alone: Trained) -> None:
    with pytest.raises(StageError, match="worker 2 of 2 ended before its time, with exit code 9"):
        everywhere(2, partial(dying, tmp_path / "log"), Recorder(tmp_path))
    context = Recorder(tmp_path)
    alike(everywhere(1, partial(training, tmp_path / "log"), context), alone)
    assert context.said[-1].startswith("going on from the checkpoint of step")


class Signalled(Recorder):
    """Is asked to stop in the midst of the seventh step."""

    @property
    def stop_reason(self) -> str:  # type: ignore[override]
        return "signal SIGTERM" if self.steps[-1] >= 6 else ""

    def progress(self, done: float, total: float, unit: str, **metrics: float) -> None:
        super().progress(done, total, unit, **metrics)
        if self.steps.count(6) > 1:
            raise Interrupted("stopped")


def test_a_signal_stops_all_of_them_in_the_midst_of_a_step(tmp_path: Path, alone: Trained) -> None:
    work: Callable[[Any], Trained] = partial(training, tmp_path / "log")
    with pytest.raises(Interrupted, match="stopped"):
        everywhere(2, work, Signalled(tmp_path))
    again = Recorder(tmp_path)
    found = everywhere(1, work, again)
    assert again.said[-1] == "going on from the checkpoint of step 6 of 20"
    alike(found, alone)


def test_they_go_back_together(tmp_path: Path) -> None:
    found = everywhere(2, partial(training, tmp_path / "log-2", damage=True), Recorder(tmp_path / "two"))
    single = everywhere(1, partial(training, tmp_path / "log-1", damage=True), Recorder(tmp_path / "one"))
    assert list(found[0].skipped) == list(single[0].skipped) == [6]
    alike(found, single)
