"""Intervals of accuracies and of paired differences: against their definitions, and against simulated truths."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from luosi.artifacts.evidence import Difference
from luosi.statistics import accuracy_of, detectable, difference_of, needed_clusters
from luosi.statistics.intervals import Z95, effective_size, tango, wilson

MARK = st.sampled_from([0.0, 1.0, 0.25, 0.5, 2 / 3]) | st.floats(0, 1)
PAIRS = st.lists(st.tuples(MARK, MARK, st.integers(0, 9)), min_size=2, max_size=40)


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_ends_where_the_score_is_the_quantile(counts: tuple[int, int]) -> None:
    right, n = counts
    low, high = wilson(right / n, n)
    for end in (low, high):
        if 1e-9 < end < 1 - 1e-9:
            assert abs(right / n - end) == pytest.approx(Z95 * math.sqrt(end * (1 - end) / n))


def likeliest_share(more: int, fewer: int, n: int, difference: float) -> float:
    """The share of `fewer` that is likeliest, given the difference, by golden section."""

    def likelihood(share: float) -> float:
        rest = 1 - 2 * share - difference
        parts = ((more, share + difference), (fewer, share), (n - more - fewer, rest))
        return sum(count * math.log(p) for count, p in parts if count)

    low, high = max(0.0, -difference), (1 - difference) / 2
    for _ in range(200):
        a, b = high - 0.618 * (high - low), low + 0.618 * (high - low)
        low, high = (low, b) if likelihood(a) > likelihood(b) else (a, high)
    return (low + high) / 2


@pytest.mark.parametrize(("more", "fewer", "n"), [(9, 12, 44), (1, 3, 30), (20, 2, 50), (60, 40, 200)])
def test_tango_ends_where_the_score_is_the_quantile(more: int, fewer: int, n: int) -> None:
    for end in tango(more, fewer, n):
        share = likeliest_share(more, fewer, n, end)
        variance = (2 * share + end - end * end) * n
        assert abs(more - fewer - n * end) / math.sqrt(variance) == pytest.approx(Z95, rel=1e-4)


@given(st.lists(st.integers(0, 1), min_size=2, max_size=200))
def test_free_marks_of_0_and_1_have_wilsons_interval(marks: list[int]) -> None:
    found = accuracy_of([float(mark) for mark in marks])
    assert (found.low, found.high) == pytest.approx(wilson(sum(marks) / len(marks), len(marks)))


@given(PAIRS)
def test_intervals_hold_the_mean_within_bounds_and_turn_with_the_sign(rows: list[tuple[float, float, int]]) -> None:
    one, two, clusters = ([row[place] for row in rows] for place in (0, 1, 2))
    score = accuracy_of(one, clusters)  # type: ignore[arg-type]
    if len(set(clusters)) == 1:
        assert score.low is None
        assert difference_of(one, two, clusters) is None
        return
    assert score.low is not None and score.high is not None
    assert 0 <= score.low <= score.mean + 1e-9
    assert score.mean - 1e-9 <= score.high <= 1
    there, back = difference_of(one, two, clusters), difference_of(two, one, clusters)
    assert there and back
    assert -1 <= there.low <= there.mean + 1e-9
    assert there.mean - 1e-9 <= there.high <= 1
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low), abs=1e-9)
    looked = difference_of(one, two, clusters, stopped=True)
    assert looked and looked.low <= there.low + 1e-9 and looked.high >= there.high - 1e-9


def test_questions_that_repeat_each_other_count_once() -> None:
    marks = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0, 1.0] * 3
    once = accuracy_of(marks)
    twice = accuracy_of([mark for mark in marks for _ in range(2)], [n // 2 for n in range(60)])
    assert twice.low is not None and once.low is not None
    assert twice.low == pytest.approx(once.low, abs=0.01)
    assert effective_size(0.25 / 30, 0.25, 0.1, [2.0] * 30) == pytest.approx(30, rel=0.07)


def test_a_perfect_exam_of_ten_may_be_a_seven() -> None:
    found = accuracy_of([1.0] * 10)
    assert (found.low, found.high) == pytest.approx((10 / (10 + Z95**2), 1.0))


def like_f1(random: np.random.Generator, truth: float, n: int) -> list[float]:
    """Marks that are 0, 1 or between, with mean `truth`."""
    kind, between = random.random(n), random.beta(4 * truth, 4 * (1 - truth), n)
    marks = np.where(kind < 0.4 * truth, 1.0, np.where(kind > 1 - 0.4 * (1 - truth), 0.0, between))
    return [float(mark) for mark in marks]


@pytest.mark.parametrize("n", [30, 50, 200])
def test_intervals_of_fractional_marks_cover_the_truth(n: int) -> None:
    random, inside, truths = np.random.default_rng(n), [], (0.1, 0.3, 0.5, 0.7, 0.9)
    for truth in truths * 400:
        found = accuracy_of(like_f1(random, truth, n))
        assert found.low is not None and found.high is not None
        inside.append(found.low <= truth <= found.high)
    assert 0.93 <= np.mean(inside) <= 0.97


@pytest.mark.parametrize("n", [30, 50, 200])
@pytest.mark.parametrize(("more", "fewer"), [(0.15, 0.1), (0.3, 0.05)])
def test_intervals_of_differences_cover_the_truth(n: int, more: float, fewer: float) -> None:
    random, inside = np.random.default_rng(n), []
    for _ in range(1500):
        kind = random.random(n)
        one, two = (kind < more) | (kind > 0.6), ((kind >= more) & (kind < more + fewer)) | (kind > 0.6)
        found = difference_of([float(mark) for mark in one], [float(mark) for mark in two])
        assert found is not None
        inside.append(found.low <= more - fewer <= found.high)
    assert 0.93 <= np.mean(inside) <= 0.97


def test_as_many_clusters_as_are_needed_can_just_detect_it() -> None:
    found = Difference(mean=0.05, se=0.04, low=-0.03, high=0.13, clusters=40)
    assert detectable(found) > 0.05
    assert detectable(found, needed_clusters(found, least=0.01)) == pytest.approx(0.05, rel=0.01)
