"""The ledger: logs that survive kills, sums that are exact, a bill that hides nothing."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luosi.cost import Cost, Estimate, Interval, Machine, Money, Price, Rates
from luosi.errors import UsageError
from luosi.ledger.attempts import Try, read_attempts
from luosi.ledger.learning import Learned, finished_runs, learned, variation
from luosi.ledger.meter import LedgerMeter, Usage
from luosi.ledger.report import bill
from luosi.pipeline.runner import Planned

MACHINE = Machine(
    name="here", cores=2, memory_bytes=2**30, fp32_flops=1e11, bf16_flops=1e11, watts_busy=20, watts_idle=5
)
HOUR = Price(money=Money(nano=100_000_000, currency="USD"), unit="machine_hour", source="a test", date="2026-01-01")
RATES = Rates(machine_hour=HOUR)


# The system counts CPU time in hundredths of a second: limits below leave room for two of them.
def attempt(folder: Path, key: str = "k1-a", recipe: str = "r", *, fail: bool = False, work_s: float = 0.2) -> None:
    meter = LedgerMeter(lambda key: folder / f"{key}.jsonl", recipe, MACHINE)
    estimate = MACHINE.estimate("slow", seconds=1.0)
    with meter.attempt(key=key, step="s", stage="slow", planned=Planned(estimate, 1.0)) as one:
        end = time.process_time() + work_s
        while time.process_time() < end:
            pass
        one.spend(Cost(flop=5.0, tokens=7))
        one.progress(1, 2, "lines", {"loss": 1.5})
        if fail:
            raise UsageError("broken")


def test_an_attempt_is_measured_and_read_back(tmp_path: Path) -> None:
    attempt(tmp_path)
    with pytest.raises(UsageError):
        attempt(tmp_path, fail=True)
    first, second = read_attempts(tmp_path / "k1-a.jsonl")
    assert (first.reason, second.reason, second.message) == ("published", "failed", "broken")
    assert first.cost.cpu_s >= 0.18 and first.cost.wall_s >= 0.18 and first.cost.peak_rss_bytes > 2**20
    assert first.cost.flop == 5.0 and first.cost.tokens == 7
    assert first.cost.joules > 0 and first.cost.joules_by in ("modelled", "measured")
    assert first.progress[-1].metrics == {"loss": 1.5}


def test_a_killed_attempt_costs_what_its_last_tick_says_and_torn_lines_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "k1-a.jsonl"
    attempt(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    start = lines[0].replace(b'"pid":', b'"pid":99999999,"old":')
    tick = lines[-1].replace(b'"event":"end"', b'"event":"tick"')
    path.write_bytes(start + tick + tick[: len(tick) // 2])
    (killed,) = read_attempts(path)
    assert killed.reason == "killed" and killed.cost.cpu_s >= 0.18
    attempt(tmp_path)
    assert [one.reason for one in read_attempts(path)] == ["killed", "published"], "a new line follows a torn one"


def test_money_paid_to_others_is_on_the_log_before_the_next_tick(tmp_path: Path) -> None:
    meter = LedgerMeter(lambda key: tmp_path / f"{key}.jsonl", "r", MACHINE)
    planned = Planned(MACHINE.estimate("slow", seconds=1.0), 1.0)
    with meter.attempt(key="k1-a", step="s", stage="slow", planned=planned) as one:
        for paid in range(1, 4):
            one.spend(Cost(fees=Money(nano=7, currency="USD")))
            (read,) = read_attempts(tmp_path / "k1-a.jsonl")
            assert read.cost.fees == Money(nano=7 * paid, currency="USD")


def test_children_are_counted(tmp_path: Path) -> None:
    import subprocess
    import sys

    usage = Usage(MACHINE)
    subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.3: pass"], check=True)
    assert usage.cost().cpu_s >= 0.28


def busy(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_what_a_server_forked_is_counted_after_its_end() -> None:
    """Workers of a training are children of multiprocessing's fork server, which alone waits for them."""
    start: Any = multiprocessing.get_context("forkserver")
    first = start.Process(target=busy, args=(0.0,))
    first.start()
    first.join()
    usage = Usage(MACHINE)
    worker = start.Process(target=busy, args=(0.5,))
    worker.start()
    worker.join()
    time.sleep(0.2)  # the server has waited for it
    assert 0.45 <= usage.cost().cpu_s < 5


def test_the_bill_adds_up(tmp_path: Path) -> None:
    attempt(tmp_path, "k1-a")
    attempt(tmp_path, "k1-old")
    with pytest.raises(UsageError):
        attempt(tmp_path, "k1-b", fail=True)
    tries = [one for key in ("k1-a", "k1-b", "k1-old") for one in read_attempts(tmp_path / f"{key}.jsonl")]
    estimates = {"k1-c": Estimate(seconds=Interval.exactly(9.0))}
    steps = [("a", "slow", "k1-a"), ("b", "slow", "k1-b"), ("c", "slow", "k1-c")]
    result = bill("r", steps, ["k1-a"], tries, estimates, RATES, 2)
    assert [line.state for line in result.steps] == ["published", "failed", "not started", "abandoned"]
    assert result.total.spent.seconds == pytest.approx(sum(one.cost.wall_s for one in tries))
    assert result.total.spent.money.nano == sum(line.spent.money.nano for line in result.steps)
    assert result.total.attempts == 3 and result.steps[0].error is not None and result.steps[1].error is None
    planned = result.steps[2].planned
    assert planned is not None and planned.seconds.p50 == 9.0


def test_what_the_plans_learned_is_counted_by_runs_before_and_undisturbed(tmp_path: Path) -> None:
    attempt(tmp_path)
    (one,) = read_attempts(tmp_path / "k1-a.jsonl")  # planned: 1 s

    def built(key: str, wall_s: float, *, stage: str = "slow", machine: str = "here", foreign: float = 0.0) -> Try:
        update = {"key": key, "stage": stage, "machine": machine, "foreign_cores": foreign}
        return one.model_copy(update={**update, "cost": one.cost.model_copy(update={"wall_s": wall_s})})

    tries = [
        built("a", 2.0), built("b", 4.0, stage="other"), built("c", 1.5), built("d", 9.0, foreign=1.0), built("e", 9.0, machine="there"),
        built("f", 0.5), built("g", 1.1),
    ]  # fmt: skip
    runs = finished_runs(tries, "here", 2)
    found = learned(runs)
    assert [(row.runs, row.builds) for row in found] == [(0, 2), (1, 1), (2, 1)]
    assert [row.error for row in found] == pytest.approx([2.0, 0.5, 0.1])
    assert learned([]) == () and isinstance(found[0], Learned)
    assert variation(runs) is None  # no key was built often enough
    again = [built("a", took) for took in (2.0, 2.2, 1.8, 2.0, 0.4)]  # the last is too short to tell
    assert variation(finished_runs(again, "here", 2)) == pytest.approx(0.05)


def test_the_error_of_a_step_that_was_built_again_is_that_of_its_latest_plan(tmp_path: Path) -> None:
    attempt(tmp_path)
    (one,) = read_attempts(tmp_path / "k1-a.jsonl")

    def built(planned_s: float, wall_s: float) -> Try:
        planned = Estimate(seconds=Interval.exactly(planned_s))
        return one.model_copy(update={"planned": planned, "cost": one.cost.model_copy(update={"wall_s": wall_s})})

    killed = built(4.0, 1.0).model_copy(update={"reason": "killed"})
    tries = [built(8.0, 2.0), killed, built(4.0, 3.0)]
    result = bill("r", [("a", "slow", "k1-a")], ["k1-a"], tries, {}, RATES, 2)
    (line,) = result.steps
    assert line.planned and line.planned.seconds.p50 == 12.0 and line.spent.seconds == 6.0
    assert line.error == pytest.approx(4.0 / 4.0 - 1) and result.total.error == pytest.approx(line.error)
    assert result.total.latest == line.latest


@given(st.lists(st.tuples(st.integers(0, 10**15), st.floats(0, 1e6)), min_size=1, max_size=5))
def test_money_is_whole_and_rounds_up_once(prices: list[tuple[int, float]]) -> None:
    for nano, quantity in prices:
        exact = nano * quantity
        assert exact <= Money(nano=nano, currency="USD").times(quantity).nano <= exact + 1 + 1e-9 * exact


def test_unknown_price_and_mixed_currencies_are_refused() -> None:
    with pytest.raises(UsageError, match="no price"):
        Rates().money(wall_s=1, joules=1)
    with pytest.raises(UsageError, match="EUR"):
        Money(nano=1, currency="USD") + Money(nano=1, currency="EUR")


def test_power_of_an_owned_machine() -> None:
    kwh = HOUR.model_copy(update={"unit": "kwh"})
    assert Rates(electricity=kwh).money(wall_s=1e9, joules=3.6e6).nano == 100_000_000


@given(st.floats(0.1, 1e5), st.floats(0, 2), st.floats(0.1, 1e5), st.floats(0, 2))
def test_intervals_add(a: float, s: float, b: float, t: float) -> None:
    one, two = Interval.around(a, s), Interval.around(b, t)
    total = one + two
    assert total.p10 <= total.p50 <= total.p90
    assert total.p50 == pytest.approx(a + b)
    assert total.p90 <= one.p90 + two.p90 + 1e-6, "independent errors partly cancel"
