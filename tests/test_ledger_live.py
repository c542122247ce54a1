"""Logs read on from where they were read to, paces of the last minute, points thinned, and what a step did not tell."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luosi.cost import Cost, Estimate, Machine
from luosi.ledger.attempts import AttemptLog, process_born, read_attempts
from luosi.ledger.live import APART_S, MINUTE_S, NewLines, Pace, Sampled, Tail, alive, completed


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 1e6)), max_size=200), st.floats(1, 1e6))
def test_a_pace_is_never_negative_nor_endless(points: list[tuple[float, float]], total: float) -> None:
    pace = Pace()
    for seconds, amount in points:
        pace.add(seconds, amount)
    assert pace.per_s is None or pace.per_s > 0
    left = pace.left_s(total)
    assert left is None or left >= 0
    assert len(pace._points) <= MINUTE_S / APART_S + 3


@given(st.floats(0.1, 1e4), st.floats(0.1, 1e4), st.floats(0.01, 0.9))
def test_a_pace_forgets_what_was_more_than_a_minute_ago(before: float, now: float, apart: float) -> None:
    pace, amount = Pace(), 0.0
    for number in range(1000):
        amount += before * apart
        pace.add(number * apart, amount)
    begun = 999 * apart
    for number in range(1, int(2 * MINUTE_S / apart) + 1):
        amount += now * apart
        pace.add(begun + number * apart, amount)
    assert pace.per_s == pytest.approx(now, rel=0.05)


def test_work_that_was_lost_and_is_done_again_is_a_new_beginning() -> None:
    pace = Pace()
    for second in range(50):
        pace.add(second, 100.0 + second)
    for second in range(50, 60):
        pace.add(second, 2.0 * (second - 50))
    assert pace.per_s == pytest.approx(2.0) and pace.left_s(38.0) == pytest.approx(10.0)


def cost(wall: float, flop: float) -> dict[str, float]:
    return {"wall_s": wall, "flop": flop}


def test_a_log_is_read_on_from_where_it_was_read_to(tmp_path: Path) -> None:
    path = tmp_path / "k1.jsonl"
    tail = Tail(path)
    assert tail.look() == [] and tail.last is None
    log = AttemptLog(path)
    log.write("start", attempt="a", recipe="r", pid=1, born=0.0)
    log.write("tick", attempt="a", cost=cost(1.0, 50.0), progress={"done": 3, "total": 9, "wall_s": 1.0})
    assert [line["event"] for line in tail.look()] == ["start", "tick"]
    with path.open("ab") as file:  # half a line
        file.write(b'{"event":"tick","attempt":"a","cost":{"wall_s":2.0,')
    assert tail.look() == []
    with path.open("ab") as file:
        file.write(b'"flop":150.0},"progress":null}\ntorn by a kill\n{"event":"tick","attempt":"unknown","cost":{}}\n')
    assert [line["event"] for line in tail.look()] == ["tick"]
    assert tail.last is not None and tail.last.flop.per_s == 100.0 and not tail.last.runs
    log.write("start", attempt="b", recipe="r", pid=os.getpid(), born=process_born())
    log.write("tick", attempt="b", cost=cost(4.0, 0.0), progress=None)
    log.close()
    tail.look()
    assert tail.last.runs and tail.cost("r").wall_s == 6.0 and tail.cost("another").wall_s == 0.0


MACHINE = Machine(name="m", cores=2, memory_bytes=1, fp32_flops=1e11, bf16_flops=4e11, watts_busy=9, source="measured")


def test_what_a_step_does_not_tell_is_taken_from_the_ledger_and_a_guessed_peak_gives_no_share() -> None:
    assert completed({"loss": 3.0}, 1e11, MACHINE) == {"loss": 3.0, "flop_per_s": 1e11, "mfu": 0.25}
    assert completed({"flop_per_s": 2e11, "mfu": 0.9}, 1e11, MACHINE) == {"flop_per_s": 2e11, "mfu": 0.9}
    assert completed({"loss": 3.0}, None, MACHINE) == {"loss": 3.0}
    guessed = MACHINE.model_copy(update={"source": "catalogue"})
    assert completed({}, 1e11, guessed) == {"flop_per_s": 1e11}


@given(st.integers(2, 40), st.integers(1, 3000))
def test_samples_are_few_even_and_end_with_the_latest(most: int, count: int) -> None:
    sampled: Sampled[int] = Sampled(most)
    for number in range(count):
        sampled.add(number)
    kept = list(sampled)
    assert len(kept) <= most + 1 and kept[0] == 0 and kept[-1] == count - 1
    assert len(kept) >= min(count, most // 2)
    steps = {after - before for before, after in itertools.pairwise(kept[:-1])}
    assert len(steps) <= 1, "all but the latest stand equally far apart"


def test_a_log_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "log"
    new = NewLines(path)
    assert new.read() == (False, [])
    path.write_bytes(b'{"event":"start","attempt":"a"}\n')
    assert new.read() == (False, [{"event": "start", "attempt": "a"}])
    path.write_bytes(b'{"event":"start","attempt":"b"}\n{"event":"end","attempt":"b"}\n')
    anew, lines = new.read()
    assert anew and [line["event"] for line in lines] == ["start", "end"]
    path.write_bytes(b'{"event":"start","attempt":"b"}\n')
    assert new.read()[0]
    path.unlink()
    assert new.read() == (True, []) and new.read() == (False, [])


def test_a_growing_log_reads_the_same_at_once_and_bit_by_bit(tmp_path: Path) -> None:
    path, copy = tmp_path / "k1-a.jsonl", tmp_path / "k1-b.jsonl"
    log = AttemptLog(path)
    start = {
        "key": "k1-a",
        "recipe": "r",
        "step": "s",
        "stage": "t",
        "machine": "m",
        "started_at": "2026-01-01",
        "uncalibrated_s": 1.0,
    }
    for attempt in ("x", "y"):
        log.write("start", attempt=attempt, pid=1, born=0.0, planned=Estimate().model_dump(), **start)
        for second in range(50):
            point = {
                "done": second,
                "total": 50,
                "unit": "steps",
                "metrics": {"loss": 1.0 / (1 + second)},
                "wall_s": second,
            }
            log.write("tick", attempt=attempt, cost=Cost(wall_s=second).model_dump(), foreign_cores=0.1, progress=point)
            if second % 7 == 0:
                assert read_attempts(path)[-1].progress[-1].done == second
    log.write(
        "end",
        attempt="y",
        reason="published",
        message="",
        cost=Cost(wall_s=60.0).model_dump(),
        foreign_cores=0.2,
        progress=None,
    )
    log.close()
    copy.write_bytes(path.read_bytes())
    assert read_attempts(path) == read_attempts(copy)
    assert [one.reason for one in read_attempts(path)] == ["killed", "published"]


def test_a_process_is_told_from_a_later_one_of_its_number() -> None:
    assert alive(os.getpid(), process_born()) and not alive(os.getpid(), process_born() - 3600)
