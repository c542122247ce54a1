"""Several workers: the same rows and the same curve as one, going on with another number of them, and words for what cannot be."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import psutil
import pytest
import torch

from luosi.errors import BudgetExceeded, InputError, StageError
from luosi.training.batches import Row
from luosi.training.checkpoints import Checkpoints
from luosi.training.loop import Result, train
from luosi.training.loss import Words
from luosi.training.workers import Team, everywhere, here
from tests.training_kit import SHAPE, Recorder, counting_rows, settings, small_model

multiprocessing.set_forkserver_preload(["torch._dynamo", "tests.training_kit"])


class Logged:
    """Rows that log which were asked for, by process."""

    def __init__(self, log: Path) -> None:
        self._rows, self._log = counting_rows(), log

    def row(self, number: int) -> Row:
        with self._log.open("a") as file:
            file.write(f"{number}\n")
        return self._rows.row(number)


def training(log: Path, context: Any) -> tuple[Result, dict[str, torch.Tensor]]:
    model, optimizers = small_model()
    log.mkdir(exist_ok=True)
    rows = Logged(log / f"rank-{here().rank}")
    result = train(model, rows, optimizers, settings(), context)
    return result, {name: p.detach() for name, p in model.named_parameters()}


def rows_read(log: Path) -> list[list[int]]:
    return [[int(line) for line in path.read_text().split()] for path in sorted(log.iterdir())]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, dict[str, torch.Tensor]]:
    folder = tmp_path_factory.mktemp("alone")
    return everywhere(1, partial(training, folder / "log"), Recorder(folder))


@pytest.mark.parametrize("count", [2, 4])
def test_several_workers_read_the_same_rows_and_learn_the_same(
    tmp_path: Path, alone: tuple[Result, dict[str, torch.Tensor]], count: int
) -> None:
    context = Recorder(tmp_path)
    result, weights = everywhere(count, partial(training, tmp_path / "log"), context)
    assert rows_read(tmp_path / "log") == [list(range(80))] * count
    assert result.losses == pytest.approx(alone[0].losses, rel=5e-3)
    for name, weight in weights.items():
        torch.testing.assert_close(weight, alone[1][name], rtol=0, atol=2e-2, msg=name)
    assert context.steps == list(range(21)) and context.cost.tokens == 20 * 4 * 32
    assert here() == Team()


def drawing(context: Any) -> list[float]:
    """Six steps of 64 rows, two chunks of the loss, over 24 words beside a chunk's own."""
    model, optimizers = small_model()
    words = Words(24, torch.ones(SHAPE.vocab_size), seed=3, rows=1_000)
    return train(model, counting_rows(), optimizers, settings(steps=6, rows=64, words=words), context).losses


def test_the_words_of_the_loss_are_the_same_with_any_number_of_workers(tmp_path: Path) -> None:
    alone = everywhere(1, drawing, Recorder(tmp_path / "one"))
    assert everywhere(2, drawing, Recorder(tmp_path / "two")) == pytest.approx(alone, rel=1e-4)


def test_going_on_with_another_number_of_workers_loses_and_repeats_no_row(
    tmp_path: Path, alone: tuple[Result, dict[str, torch.Tensor]]
) -> None:
    def stop(at: int, step: int) -> None:
        if step == at:
            raise BudgetExceeded("stop")

    for count, at in ((2, 7), (1, 12)):
        with pytest.raises(BudgetExceeded):
            everywhere(count, partial(training, tmp_path / str(count)), Recorder(tmp_path, at_step=partial(stop, at)))
    context = Recorder(tmp_path)
    result, _ = everywhere(2, partial(training, tmp_path / "last"), context)
    parts = [rows_read(tmp_path / name)[0] for name in ("2", "1", "last")]
    assert [number for part in parts for number in part] == list(range(80))
    assert result.losses == pytest.approx(alone[0].losses, rel=1e-3)
    assert "workers = 1 and goes on with 2" in context.said[0]


def test_two_workers_stopped_and_resumed_end_in_the_same_bits(tmp_path: Path) -> None:
    def stop(step: int) -> None:
        if step == 9:
            raise BudgetExceeded("stop")

    _, whole = everywhere(2, partial(training, tmp_path / "log"), Recorder(tmp_path / "whole"))
    with pytest.raises(BudgetExceeded):
        everywhere(2, partial(training, tmp_path / "log"), Recorder(tmp_path / "cut", at_step=stop))
    _, resumed = everywhere(2, partial(training, tmp_path / "log"), Recorder(tmp_path / "cut"))
    for name, weight in whole.items():
        assert torch.equal(weight, resumed[name]), name


class Damaging:
    """Rows that break the weights, once, when row 24 is asked for: in the seventh step."""

    def __init__(self, weight: torch.Tensor) -> None:
        self._rows, self._weights = counting_rows(), [weight]

    def row(self, number: int) -> Row:
        if number == 24 and self._weights:
            with torch.no_grad():
                self._weights.pop()[3] = float("nan")
        return self._rows.row(number)


def damaged(context: Any) -> tuple[Result, dict[str, torch.Tensor]]:
    model, optimizers = small_model()
    result = train(model, Damaging(model.model.norm.weight), optimizers, settings(), context)
    return result, {name: p.detach() for name, p in model.named_parameters()}


def test_workers_go_back_together(tmp_path: Path) -> None:
    result, weights = everywhere(2, damaged, Recorder(tmp_path / "two"))
    single, expected = everywhere(1, damaged, Recorder(tmp_path / "one"))
    assert list(result.skipped) == list(single.skipped) == [6]
    assert result.losses == pytest.approx(single.losses, rel=1e-3, nan_ok=True)
    for name, weight in weights.items():
        torch.testing.assert_close(weight, expected[name], rtol=0, atol=2e-2, msg=name)


def test_a_batch_that_does_not_divide_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"a batch of 4 rows does not divide among 3 workers\nhint: take 6 rows, or runtime.workers"
    ):
        everywhere(3, partial(training, tmp_path / "log"), Recorder(tmp_path))


def dying(context: Any) -> None:
    """The second worker ends at its fifth step."""
    model, optimizers = small_model()
    if here().rank == 1:
        context = Recorder(context.out, at_step=lambda step: sys.exit(9) if step == 5 else None)
    train(model, counting_rows(), optimizers, settings(), context)


def test_a_worker_that_dies_is_named_and_what_was_done_is_kept(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="worker 2 of 2 ended before its time, with exit code 9"):
        everywhere(2, dying, Recorder(tmp_path))
    context = Recorder(tmp_path)
    everywhere(1, partial(training, tmp_path / "log"), context)
    assert context.said[-1].startswith("going on from the checkpoint of step")


def endless(folder: Path, context: Any) -> None:
    (folder / f"pid-{here().rank}").write_text(str(os.getpid()))
    model, optimizers = small_model()
    train(model, counting_rows(), optimizers, settings(steps=10**6), context)


def two_endless(folder: Path) -> None:
    everywhere(2, partial(endless, folder), Recorder(folder))


@pytest.mark.slow
def test_helpers_do_not_outlive_a_killed_run(tmp_path: Path) -> None:
    first = multiprocessing.get_context("forkserver").Process(target=two_endless, args=(tmp_path,))
    first.start()
    while not list(tmp_path.glob("scratch/checkpoints/step-*")):
        time.sleep(0.05)
        assert first.is_alive()
    helper = psutil.Process(int((tmp_path / "pid-1").read_text()))
    first.kill()
    first.join()
    helper.wait(60)
    assert not helper.is_running()


SCRIPT = """
import sys
from pathlib import Path
import orjson
from luosi.training.workers import here
from tests.test_training_workers{kind} import training
from tests.training_kit import Recorder
folder = Path(sys.argv[1])
result, *_ = training(folder / "log", Recorder(folder))
(folder / f"losses-{here().rank}.json").write_bytes(orjson.dumps(result.losses))
"""


def under_torchrun(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Two processes run the script `text`, which is told the folder."""
    script = folder / "script.py"
    script.write_text(text)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    place = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    return subprocess.run([*command, str(script), str(folder)], env=place, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["", "_sharded"])
def test_torchruns_processes_are_workers(
    tmp_path: Path, alone: tuple[Result, dict[str, torch.Tensor]], kind: str
) -> None:
    ended = under_torchrun(SCRIPT.replace("{kind}", kind), tmp_path)
    assert ended.returncode == 0, ended.stderr
    losses = [orjson.loads((tmp_path / f"losses-{rank}.json").read_bytes()) for rank in range(2)]
    assert losses[0] == losses[1] == pytest.approx(alone[0].losses, rel=1e-3)


ONE_STOPPED = """
import sys
from pathlib import Path
from luosi.errors import Interrupted
from luosi.training.workers import here
from tests.test_training_workers import training
from tests.training_kit import Recorder

def stop(step):
    if step == 9 and here().rank == 1:
        raise Interrupted("a signal that only this one got")

folder = Path(sys.argv[1])
try:
    training(folder / "log", Recorder(folder, at_step=stop))
except Interrupted as error:
    (folder / f"stopped-{here().rank}").write_text(error.message)
"""


@pytest.mark.slow
def test_a_signal_to_one_of_torchruns_processes_stops_all_and_is_saved(tmp_path: Path) -> None:
    ended = under_torchrun(ONE_STOPPED, tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "stopped-0").read_text() == "another of the workers was stopped"
    assert (tmp_path / "stopped-1").read_text() == "a signal that only this one got"
    saved = Checkpoints(tmp_path / "scratch" / "checkpoints").newest()
    assert saved is not None and saved.step == 9


ENDED = """
import atexit
import sys
import weakref
from pathlib import Path
import torch.distributed as dist
from luosi.training.workers import here
from tests.test_training_workers import training
from tests.training_kit import Recorder
folder, groups = Path(sys.argv[1]), []

def last():  # registered before the process joins the group, so done after it has left it
    (folder / f"left-{rank}").write_text(str([group() for group in groups]))

atexit.register(last)
rank = here().rank
groups.append(weakref.ref(dist.group.WORLD))
training(folder / "log", Recorder(folder))
"""


@pytest.mark.slow
def test_a_process_that_ends_has_ended_the_threads_of_its_group(tmp_path: Path) -> None:
    ended = under_torchrun(ENDED, tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert [(tmp_path / f"left-{rank}").read_text() for rank in range(2)] == ["[None]"] * 2


APART = """
import sys
from pathlib import Path
from luosi.errors import InputError
from luosi.training.workers import here
from tests.test_training_workers import training
from tests.training_kit import Recorder
folder = Path(sys.argv[1])
try:
    training(folder / "log", Recorder(folder / str(here().rank)))
except InputError as error:
    (folder / f"refused-{here().rank}").write_text(str(error))
"""


@pytest.mark.slow
def test_workers_that_do_not_see_the_same_checkpoints_are_refused(tmp_path: Path) -> None:
    everywhere(1, partial(training, tmp_path / "log"), Recorder(tmp_path / "0"))
    ended = under_torchrun(APART, tmp_path)
    assert ended.returncode == 0, ended.stderr
    said = "the step of its newest checkpoint is {} in worker {}, and between 0 and 20 in all 2\nhint: give all workers"
    for rank, step in enumerate((20, 0)):
        assert (tmp_path / f"refused-{rank}").read_text().startswith(said.format(step, rank + 1))
