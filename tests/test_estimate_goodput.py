"""Goodput: the closed form against simulated failures, the best interval against all others, spot with its interruptions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from luosi.errors import UsageError
from luosi.estimate.goodput import Checkpoint, Goodput, checkpoint, daly, every_h, goodput, spot

RUNS = st.tuples(st.integers(1, 30_000), st.floats(0.1, 300), st.floats(0, 300))


def simulated(interval: float, blocking: float, back: float, mtbf: float, segments: int = 40_000) -> float:
    """Useful share of the wall time of a run whose failures are drawn one by one."""
    rng = np.random.default_rng(7)
    wall, done = 0.0, 0
    while done < segments:
        until = rng.exponential(mtbf)
        whole = min(int(until // (interval + blocking)), segments - done)
        done += whole
        if done == segments:
            wall += whole * (interval + blocking)
            break
        wall += until
        while (next_one := rng.exponential(mtbf)) < back:  # it fails while it comes back
            wall += next_one
        wall += back
    return done * interval / wall


@pytest.mark.parametrize(
    ("devices", "blocking", "restart"), [(16_384, 60.0, 600.0), (16_384, 5.0, 1200.0), (100_000, 30.0, 300.0)]
)
def test_the_closed_form_is_what_drawn_failures_give(devices: int, blocking: float, restart: float) -> None:
    found = goodput(devices, Checkpoint(blocking, 0.0), restart_s=restart)
    drawn = simulated(found.interval_s, blocking, restart, found.mtbf_s)
    assert found.useful == pytest.approx(drawn, rel=0.02)


def test_llama_3_405b_reached_90_percent_because_its_checkpoints_did_not_block() -> None:
    blocking = goodput(16_384, Checkpoint(60.0, 0.0))
    assert blocking.mtbf_s / 3600 == pytest.approx(3.1, rel=0.01)
    assert blocking.interval_s / 60 == pytest.approx(19, rel=0.05)
    assert 1 - blocking.useful == pytest.approx(0.16, abs=0.02)
    behind = goodput(16_384, checkpoint(405e9, 16_384))
    assert behind.useful > 0.9


@given(RUNS)
def test_the_shares_add_up_and_the_interval_is_the_best(run: tuple[int, float, float]) -> None:
    devices, blocking, writing = run
    taken = Checkpoint(blocking, writing)
    found = goodput(devices, taken)
    assert found.useful + found.checkpoints + found.redone + found.restarts == pytest.approx(1)
    assert min(found.useful, found.checkpoints, found.redone, found.restarts) >= 0
    for factor in (0.5, 0.8, 1.25, 2.0):
        other = found.interval_s * factor
        if other >= max(writing, 1.0):
            assert goodput(devices, taken, interval_s=other).useful <= found.useful * 1.002


@given(RUNS)
def test_more_devices_and_longer_checkpoints_never_help(run: tuple[int, float, float]) -> None:
    devices, blocking, writing = run
    found = goodput(devices, Checkpoint(blocking, writing)).useful
    assert goodput(2 * devices, Checkpoint(blocking, writing)).useful <= found
    assert goodput(devices, Checkpoint(2 * blocking, writing)).useful <= found * 1.001
    assert goodput(devices, Checkpoint(blocking, writing + 100)).useful <= found


def test_young_is_dalys_first_term() -> None:
    assert daly(1.0, 1e8) == pytest.approx(math.sqrt(2e8), rel=0.001)
    assert daly(500.0, 100.0) == 100.0


def test_spot_loses_what_its_interruptions_cost() -> None:
    taken = checkpoint(7e9, 64)
    rarely = spot(64, taken, usd_hour=2.95, usd_hour_spot=1.25, interrupted_every_h=every_h(0.05, 8))
    often = spot(64, taken, usd_hour=2.95, usd_hour_spot=1.25, interrupted_every_h=every_h(20, 8))
    listed = 1 - 1.25 / 2.95
    assert often.saving < rarely.saving < listed
    assert rarely.saving == pytest.approx(listed, abs=0.01)
    assert rarely.usd_useful_hour == pytest.approx(1.25 / rarely.goodput.useful)


def test_at_the_break_even_spot_saves_nothing() -> None:
    taken = checkpoint(7e9, 64)
    found = spot(64, taken, usd_hour=2.95, usd_hour_spot=1.25, interrupted_every_h=1e4)
    there = spot(64, taken, usd_hour=2.95, usd_hour_spot=1.25, interrupted_every_h=found.break_even_h)
    assert there.saving == pytest.approx(0, abs=0.01)
    dearer = spot(64, taken, usd_hour=2.95, usd_hour_spot=3.0, interrupted_every_h=1e4)
    assert dearer.saving < 0
    assert dearer.break_even_h == math.inf


def test_a_run_that_would_never_end_is_refused() -> None:
    with pytest.raises(UsageError, match="never end"):
        goodput(1_000_000, Checkpoint(60.0, 36_000.0), device_mtbf_h=100.0)
    with pytest.raises(UsageError, match="never end"):
        spot(1_000_000, Checkpoint(60.0, 3600.0), usd_hour=1.0, usd_hour_spot=0.5, interrupted_every_h=1.0)


@pytest.mark.parametrize("wrong", [0, -1, math.nan, math.inf])
def test_numbers_that_cannot_be_are_refused(wrong: float) -> None:
    taken = Checkpoint(1.0, 0.0)
    for call in (
        lambda: goodput(wrong, taken),  # type: ignore[arg-type]
        lambda: goodput(8, taken, device_mtbf_h=wrong),
        lambda: goodput(8, taken, interval_s=wrong),
        lambda: checkpoint(wrong, 8),
        lambda: spot(8, taken, usd_hour=1.0, usd_hour_spot=wrong, interrupted_every_h=100.0),
        lambda: every_h(wrong, 8),
    ):
        with pytest.raises(UsageError, match="above 0"):
            call()


def test_a_checkpoint_that_is_written_behind_the_run_blocks_it_less() -> None:
    behind, waited = checkpoint(70e9, 512), checkpoint(70e9, 512, behind=False)
    assert behind.blocking_s < waited.blocking_s
    assert behind.writing_s > 0 == waited.writing_s
    assert isinstance(goodput(512, behind), Goodput)
