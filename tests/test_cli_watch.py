"""Watching a run: bars that fit any terminal, lines in a pipe, a run in another process, TensorBoard files that TensorBoard reads."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from luosi.api import Workspace
from luosi.cli.screen import Bars, Drawn, Lines, fitting, told
from luosi.cli.standing import Several, Standing, Work
from luosi.cli.watch import follow, watch, watching
from luosi.cost import Cost, Money
from luosi.errors import BudgetExceeded, MissingDependency, UsageError
from luosi.ledger.attempts import read_attempts
from luosi.ledger.live import priced
from luosi.pipeline.runner import Planned, Silence
from tests.small_stages import JoinStage, SlowStage

RECIPE = """
name = "two"
[budget]
seconds = 60
[steps.slow]
stage = "slow"
text = "line"
lines = {lines}
[steps.slow.runtime]
pause_s = {pause}
[steps.join]
stage = "join"
separator = "-"
inputs = {{ parts = "slow" }}
"""


class Heard(Silence):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []

    def step_started(self, step: str, planned: object) -> None:
        self.events.append(("started", step))

    def step_progress(self, step: str, done: float, total: float, unit: str, metrics: Any) -> None:
        self.events.append(("progress", step, done, total, unit))

    def step_said(self, step: str, message: str) -> None:
        self.events.append(("said", step, message))

    def step_finished(self, step: str, *, built: bool) -> None:
        self.events.append(("finished", step, built))


def workspace(root: Path, lines: int = 5, pause: float = 0.0) -> tuple[Workspace, Path]:
    recipe = root / "two.toml"
    recipe.write_text(RECIPE.format(lines=lines, pause=pause))
    return Workspace(root / "work", stages=[SlowStage(), JoinStage()]), recipe


def standing(**changed: Any) -> Standing:
    metrics = {"loss": 3.412, "bpb": 1.4137, "tokens_per_s": 14100.0, "flop_per_s": 1.28e11, "mfu": 0.338}
    given = {
        "step": "scratch", "waiting": False, "done": 372, "total": 600, "unit": "steps", "metrics": metrics, "left_s": 48.0,
        "run_done": 0.41, "run_left_s": 310.0, "spent_s": 200.0, "money": Money(nano=1_230_000, currency="USD"),
    }  # fmt: skip
    return Standing(**{**given, **changed})


def drawn(now: Standing, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(Drawn(now))
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


def test_a_wide_terminal_shows_everything() -> None:
    text = "\n".join(drawn(standing(), 120))
    for figure in ("62%", "372/600 steps", "about 48 s left", "41%", "about 5 min 10 s left", "0.00123 USD so far"):
        assert figure in text, text
    assert "loss 3.412  1.414 bits/byte  14,100 tokens/s  128 GFLOP/s  MFU 34 %" in text


@settings(deadline=None)
@given(
    st.integers(20, 200), st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=40),
    st.sampled_from([0.0, 5.0, 1e9]), st.one_of(st.none(), st.floats(0, 1e8)), st.booleans(),
)  # fmt: skip
def test_no_line_is_wider_than_the_terminal(
    width: int, step: str, total: float, left_s: float | None, waiting: bool
) -> None:
    lines = drawn(standing(step=step, total=total, left_s=left_s, waiting=waiting), width)
    assert len(lines) == 3 and all(cell_len(line) <= width for line in lines)


def test_what_matters_most_is_left_on_a_narrow_terminal() -> None:
    text = "\n".join(drawn(standing(), 40))
    assert "62% 372/600 steps" in text and "loss 3.412" in text


@given(st.lists(st.text(max_size=20), max_size=6), st.integers(0, 60))
def test_what_does_not_fit_is_left_out_from_the_end(parts: list[str], width: int) -> None:
    assert cell_len(fitting(parts, width)) <= width
    assert fitting(parts, 1000) == "  ".join(part for part in parts) or "" in parts


def test_unknown_figures_are_shown_too() -> None:
    assert told({"arms": 3, "loss": 1.0}) == ["loss 1.000", "arms 3"]


def test_a_pipe_gets_lines_and_a_run_knows_its_cost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place, recipe = workspace(tmp_path)
    plan = place.plan(recipe)
    work, heard = Work(plan, place), Heard()
    place.run(recipe, observer=Several([work, Lines(work), heard]))
    words = capsys.readouterr().err
    assert "slow           building, about" in words and "join           done in" in words
    end = work.standing()
    assert end.step == "" and end.run_done == 1.0 and end.run_left_s == 0.0
    spent = place.bill(recipe).total.spent
    assert end.spent_s == pytest.approx(spent.seconds) and end.money is not None
    assert end.money.nano == pytest.approx(spent.money.nano, rel=1e-6, abs=2)
    assert ("progress", "slow", 5, 5, "lines") in heard.events


def test_bars_are_drawn_while_it_runs(tmp_path: Path) -> None:
    place, recipe = workspace(tmp_path, lines=30, pause=0.05)
    terminal = Console(file=io.StringIO(), width=100, force_terminal=True)
    work = Work(place.plan(recipe), place)
    with Bars(work, terminal) as bars:
        place.run(recipe, observer=Several([work, bars]))
    shown = terminal.file.getvalue()  # type: ignore[attr-defined]
    assert "/30 lines" in shown and "loss 0." in shown and "done in" in shown and "USD so far" in shown


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[tuple[Workspace, Path, subprocess.Popen[bytes]]]:
    """A run in another process, slow enough to be watched."""
    place, recipe = workspace(tmp_path, lines=40, pause=0.08)
    program = (
        "from tests.small_stages import *; from luosi.api import Workspace; "
        f"Workspace({str(place.root)!r}, stages=[SlowStage(), JoinStage()]).run({str(recipe)!r})"
    )
    process = subprocess.Popen([sys.executable, "-c", program], cwd=Path(__file__).parents[1])
    yield place, recipe, process
    process.kill()
    process.wait()


def test_a_run_in_another_process_is_followed_to_its_end(
    elsewhere: tuple[Workspace, Path, subprocess.Popen[bytes]],
) -> None:
    place, recipe, process = elsewhere
    heard = Heard()
    assert follow(place.plan(recipe), place, heard) == 0 and process.wait() == 0
    events = heard.events
    assert events[0] == ("started", "slow") and events[-1] == ("finished", "join", True)
    seen = [event[2] for event in events if event[:2] == ("progress", "slow")]
    assert seen == sorted(seen) and seen[-1] == 40 and len(seen) >= 2
    again = Heard()
    assert follow(place.plan(recipe), place, again) == 0
    assert again.events == [("finished", "slow", False), ("finished", "join", False)]


def test_a_run_that_was_killed_is_not_waited_for(
    elsewhere: tuple[Workspace, Path, subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    place, recipe, process = elsewhere
    monkeypatch.setattr("luosi.cli.watch.QUIET_S", 1.0)
    plan, heard = place.plan(recipe), Heard()
    log = place.store.attempts_file(plan.steps[0].key)
    while not any(one.progress for one in read_attempts(log)):
        process.poll()
    threading.Timer(0.5, process.kill).start()
    assert follow(plan, place, heard) == 2
    assert heard.events[0] == ("started", "slow")


def test_the_command_says_that_all_is_there_and_how_it_stands(
    small: Workspace, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    watch("small", str(small.root))
    assert "everything is there: `luosi verdict small`" in capfdbinary.readouterr().err.decode()
    watch("small", str(small.root), json=True)
    (base,) = [step for step in json.loads(capfdbinary.readouterr().out)["steps"] if step["step"] == "base"]
    assert base["state"] == "hit" and base["done"] == base["total"] == 60
    assert base["metrics"]["loss"] > 0 and base["metrics"]["flop_per_s"] > 0


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(folder))
    read.Reload()
    return {tag: [(point.step, point.value) for point in read.Scalars(tag)] for tag in read.Tags()["scalars"]}


def test_tensorboard_reads_the_event_files_and_a_resumed_run_draws_one_line(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    place, recipe = workspace(tmp_path, lines=8)
    calls = iter(range(100))

    def interrupted() -> str:
        return "budget: enough" if next(calls) == 5 else ""

    with (
        pytest.raises(BudgetExceeded),
        watching(place.plan(recipe), place, str(tmp_path / "tb")) as observer,
    ):
        place.run(recipe, observer=observer, stop=interrupted)
    with watching(place.plan(recipe), place, str(tmp_path / "tb")) as observer:
        place.run(recipe, observer=observer)
    drawn = scalars(tmp_path / "tb" / "two" / "slow")
    assert drawn["loss"] == [(number, pytest.approx(1 / number, rel=1e-6)) for number in range(1, 9)]
    assert not (tmp_path / "tb" / "two" / "join").exists()


def test_steps_done_again_after_a_rollback_replace_the_first_ones(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    place, recipe = workspace(tmp_path)
    plan = place.plan(recipe)
    with watching(plan, place, str(tmp_path / "tb")) as observer:
        observer.step_started("slow", Planned(plan.steps[0].whole, 0.0))
        for done, loss in [(1, 4.0), (2, 3.0), (3, 99.0), (2, 3.0), (3, 2.5)]:
            observer.step_progress("slow", done, 5, "steps", {"loss": loss})
    assert scalars(tmp_path / "tb" / "two" / "slow")["loss"] == [(1, 4.0), (2, 3.0), (3, 2.5)]


def test_event_files_that_cannot_be_written_stop_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    place, recipe = workspace(tmp_path)
    plan = place.plan(recipe)
    with watching(plan, place, str(tmp_path / "tb")) as observer:
        (tmp_path / "tb" / "two" / "slow").write_text("a file where the step's folder should be")
        place.run(recipe, observer=observer)
    assert capsys.readouterr().err.count("warning: no more event files are written") == 1
    assert place.plan(recipe).steps[0].state == "hit"
    with (
        pytest.raises(UsageError, match="no event files can be written"),
        watching(plan, place, str(tmp_path / "tb" / "two" / "slow")),
    ):
        raise AssertionError("it must not begin")


def test_fees_in_another_currency_leave_the_money_out(tmp_path: Path) -> None:
    rates = workspace(tmp_path)[0].rates()
    assert priced(Cost(wall_s=3600.0), rates) is not None
    assert priced(Cost(wall_s=3600.0, fees=Money(nano=1, currency="XTS")), rates) is None


def test_without_tensorboard_it_is_said_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, recipe = workspace(tmp_path)
    monkeypatch.setitem(sys.modules, "tensorboard.compat.proto", None)
    with (
        pytest.raises(MissingDependency, match="tensorboard is not installed"),
        watching(place.plan(recipe), place, str(tmp_path)),
    ):
        raise AssertionError("it must not begin")
