"""A real `luosi run` that is told to stop, and the arithmetic of the benchmark that kills it."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from benchmarks.spot import Stretch, Training, goodput, share_that_counts

from luosi.training.checkpoints import Checkpoints


def test_what_counts_is_neither_lost_nor_coming_back_nor_standing_still() -> None:
    stretches = [
        Stretch(0.0, 10.0, 90.0, 100.0, 0, 80, (20.0, 50.0, 90.0)),
        Stretch(100.0, 110.0, 110.0, 120.0, 80, 80, ()),  # killed before its first checkpoint
        Stretch(120.0, 125.0, 125.0, 125.0, 80, 80, ()),  # killed before it was back
        Stretch(125.0, 135.0, 195.0, 200.0, 80, 140, (140.0, 195.0)),
    ]
    assert share_that_counts(stretches, standstill=0.0) == pytest.approx((80 + 60) / 200)
    assert share_that_counts(stretches, standstill=0.1) == pytest.approx(0.9 * 140 / 200)


def test_youngs_and_dalys_formula_is_met_by_a_simulated_training() -> None:
    """Failures at random, steps done again from the last checkpoint: what the benchmark would see if nothing else cost time."""
    dice, mtbf, back, pause, now, step = random.Random(0), 600.0, 10.0, 12.0, 0.0, 0
    stretches = []
    for _ in range(4000):
        started, now = now, now + dice.expovariate(1 / mtbf)
        trained = min(started + back, now)
        kept = int((now - trained) / pause)
        stretches.append(Stretch(started, trained, trained + kept * pause, now, step, step + kept, ()))
        step += kept
    taken = goodput.Checkpoint(0.0, 0.0)
    expected = goodput.goodput(1, taken, device_mtbf_h=mtbf / 3600, restart_s=back, interval_s=pause)
    assert share_that_counts(stretches, standstill=0.0) == pytest.approx(expected.useful, abs=0.003)


@pytest.mark.slow
def test_sigterm_saves_what_is_done_and_the_next_run_goes_on_from_it(tmp_path: Path) -> None:
    training = Training(tmp_path)
    command = [sys.executable, "-c", "from luosi.cli import main; main()", "run", "small", "-w", str(tmp_path)]
    said = tmp_path / "said.txt"
    with said.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
    while training.done(0.0) < 5:
        assert process.poll() is None, said.read_text()
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 1
    saved = Checkpoints(training.checkpoints).newest()
    assert saved is not None and saved.step >= training.done(0.0)
    assert "signal SIGTERM" in said.read_text() and "run again to go on" in said.read_text()
    stretch = training.stretch(60.0, 0.0, least_steps=1)
    assert stretch.first_step == saved.step
    assert f"going on from the checkpoint of step {saved.step} of" in said.read_text()
    lines = [json.loads(line) for line in training.log.read_text().splitlines()]
    assert [line["reason"] for line in lines if line["event"] == "end"] == ["interrupted"]
