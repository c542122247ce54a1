"""Races: who is stopped, that certainty is certain, that chances are as said, and that the winner stays the winner."""

from __future__ import annotations

import math
import random as plain
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from luosi.statistics.racing import LEAST, PRIOR, Race

MARKS = st.sampled_from([0.0, 1.0, 0.5, 0.3])
TABLES = st.integers(1, 5).flatmap(
    lambda arms: st.lists(st.lists(MARKS, min_size=arms, max_size=arms), min_size=1, max_size=40)
)


def run(table: Sequence[Sequence[float]], *, risk: float = 0.05, every: int = 1) -> Race:
    race = Race([str(arm) for arm in range(len(table[0]))], len(table), risk=risk)
    for number, row in enumerate(table, 1):
        race.add({str(arm): mark for arm, mark in enumerate(row)})
        if number % every == 0:
            race.stop_losers()
    return race


def sums(table: Sequence[Sequence[float]]) -> list[float]:
    return [math.fsum(column) for column in zip(*table, strict=True)]


@given(TABLES)
def test_without_risk_the_winner_is_always_the_best(table: list[list[float]]) -> None:
    race, whole = run(table, risk=0.0), sums(table)
    assert whole[int(race.leader)] == pytest.approx(max(whole))
    assert all(stopped.chance == 0 for stopped in race.stopped)


@given(TABLES, st.integers(1, 7))
def test_somebody_stays_and_a_stopped_arm_was_behind(table: list[list[float]], every: int) -> None:
    race = run(table, every=every)
    assert len(race.marks[race.leader]) == len(table)
    assert len(race.alive) + len(race.stopped) == len(race.arms)
    for stopped in race.stopped:
        asked = len(race.marks[stopped.arm])
        assert asked < len(table)
        assert math.fsum(race.marks[stopped.arm]) <= math.fsum(race.marks[stopped.by][:asked]) + 1e-9


def test_an_arm_that_can_at_best_draw_level_is_stopped() -> None:
    race = Race(["good", "bad"], 10, risk=0.0)
    for _ in range(4):
        race.add({"good": 1.0, "bad": 0.0})
        assert race.stop_losers() == []
    race.add({"good": 1.0, "bad": 0.0})
    (stopped,) = race.stop_losers()
    assert (stopped.arm, stopped.by, stopped.chance) == ("bad", "good", 0.0)
    race.add({"good": 0.0})
    assert (race.alive, race.leader) == (("good",), "good")
    assert race.stop_losers() == []


def test_nobody_is_stopped_for_a_few_questions_nor_after_the_last() -> None:
    table = [[1.0, 0.0]] * (LEAST - 1)
    race = Race(["0", "1"], 1000)
    for row in table:
        race.add(dict(zip(("0", "1"), row, strict=True)))
        assert race.stop_losers() == []
    race.add({"0": 1.0, "1": 0.0})
    assert [stopped.arm for stopped in race.stop_losers()] == ["1"]
    assert run([[1.0, 0.0]]).stopped == []


def test_of_equals_the_first_wins() -> None:
    assert run([[0.5, 0.5, 0.5]] * 12).leader == "0"


def test_a_mark_beyond_1_is_our_mistake() -> None:
    with pytest.raises(AssertionError, match="expected 0 to 1"):
        Race(["0"], 3).add({"0": float("nan")})


@pytest.mark.parametrize(("more", "fewer", "seen", "total"), [(6, 2, 20, 50), (9, 1, 25, 50), (5, 4, 30, 100)])
def test_the_chance_is_that_of_an_urn(more: int, fewer: int, seen: int, total: int) -> None:
    """Drawing the questions to come from the leads seen, each draw put back twice, tells how often the lead is lost."""
    race = Race(["0", "1"], total)
    for question in range(seen):
        race.add({"0": float(question < more), "1": float(more <= question < more + fewer)})
    random, lost, rounds = plain.Random(1), 0, 6000
    for _ in range(rounds):
        weights = [more + PRIOR, fewer + PRIOR, float(seen - more - fewer)]
        for _ in range(total - seen):
            drawn = random.choices((0, 1, 2), weights)[0]
            weights[drawn] += 1
        # Half of the draws that end level: the normal curve has no steps.
        lost += 2 * (weights[0] < weights[1]) + (weights[0] == weights[1])
    assert race.chance("1", "0") == pytest.approx(lost / 2 / rounds, abs=0.02)


def races(truths: list[float], questions: int, count: int) -> list[list[list[float]]]:
    """0/1 marks of arms that find the same questions hard."""
    random = np.random.default_rng(3)
    ease = random.normal(size=(count, questions, 1)) + random.normal(size=(count, questions, len(truths)))
    edges = np.quantile(random.normal(0, math.sqrt(2), 200_000), truths)
    return (ease < edges).astype(float).tolist()  # type: ignore[no-any-return]


@pytest.mark.parametrize(("every", "questions"), [(1, 30), (5, 50), (1, 100)])
def test_equal_arms_seldom_lose_their_winner(every: int, questions: int) -> None:
    tables, wrong = races([0.5] * 4, questions, 400), 0
    for table in tables:
        whole = sums(table)
        wrong += whole[int(run(table, every=every).leader)] < max(whole)
    assert wrong / len(tables) <= 0.05


def test_weak_arms_save_a_third_of_the_cost() -> None:
    saved, prices = [], (1, 4, 1, 4)
    for table in races([0.15, 0.5, 0.2, 0.75], 50, 200):
        race = run(table, every=5)
        assert int(race.leader) == sums(table).index(max(sums(table)))
        asked = sum(len(race.marks[str(arm)]) * price for arm, price in enumerate(prices))
        saved.append(1 - asked / (50 * sum(prices)))
    assert np.mean(saved) > 0.33
