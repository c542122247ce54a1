"""Errors and intervals: against known values, and against simulated documents whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from luosi.artifacts.evidence import Difference, DocumentScore, QuestionScore
from luosi.ranking.intervals import quantile
from luosi.statistics import (
    accuracy,
    accuracy_difference,
    bits_difference,
    bits_per_byte,
    degrees_of_freedom,
    needed_clusters,
    ratio,
    t_quantile,
)

TABLE = {1: 12.7062, 2: 4.3027, 3: 3.1824, 4: 2.7764, 9: 2.2622, 29: 2.0452, 30: 2.0423, 100: 1.9840, 1000: 1.9623}
SIZES = st.lists(st.integers(1, 100_000), min_size=2, max_size=30)


def documents(bits: list[float], sizes: list[int]) -> list[DocumentScore]:
    rows = zip(bits, sizes, strict=True)
    return [DocumentScore(id=str(n), source="s", bits=b, bytes=size) for n, (b, size) in enumerate(rows)]


def questions(marks: list[float], clusters: list[int] | None = None) -> list[QuestionScore]:
    owners = clusters or range(len(marks))
    return [
        QuestionScore(id=str(n), source="s", cluster=str(c), correct=m, chosen=0)
        for n, (m, c) in enumerate(zip(marks, owners, strict=True))
    ]


@pytest.mark.parametrize(("dof", "expected"), TABLE.items())
def test_t_quantile_is_the_printed_table(dof: int, expected: float) -> None:
    assert t_quantile(dof) == pytest.approx(expected, abs=6e-5)


@pytest.mark.parametrize(
    ("dof", "confidence", "expected"),
    [
        (1, 0.95, 12.706204736175), (2, 0.95, 4.3026527297495), (12, 0.95, 2.1788128296672), (1000, 0.95, 1.9623390808264),
        (1, 0.9999, 6366.1976713159), (2, 0.9999, 99.992499843745), (17, 0.99999, 6.1840643712329),
        (123, 0.9991, 3.4030139316092), (1000, 0.999999, 4.9222895234296), (10, 0.5, 0.69981206131243),
    ],
)  # fmt: skip
def test_t_quantile_at_any_confidence(dof: int, confidence: float, expected: float) -> None:
    """By the incomplete beta function in 30 digits; the ranking's quantile is the same."""
    assert t_quantile(dof, confidence) == pytest.approx(expected, rel=1e-9)
    assert quantile((1 - confidence) / 2, dof) == pytest.approx(expected, rel=1e-9)


def test_equal_clusters_give_the_ordinary_standard_error() -> None:
    marks = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0]
    mean, se = ratio(marks, [1.0] * 7)
    assert mean == pytest.approx(np.mean(marks))
    assert se == pytest.approx(np.std(marks, ddof=1) / math.sqrt(7))
    assert degrees_of_freedom([3.0] * 7) == 6


@given(SIZES, st.floats(0.1, 5.0))
def test_bits_proportional_to_bytes_have_no_error(sizes: list[int], rate: float) -> None:
    score = bits_per_byte(documents([rate * size for size in sizes], sizes))
    assert score.mean == pytest.approx(rate)
    assert score.se == pytest.approx(0.0, abs=1e-9)


@given(SIZES)
def test_degrees_of_freedom_lie_between_one_and_clusters_less_one(sizes: list[int]) -> None:
    assert 1 <= degrees_of_freedom(sizes) <= max(1, len(sizes) - 1)


def test_one_document_has_no_error_and_no_interval() -> None:
    (only,) = documents([10.0], [5])
    assert bits_per_byte([only]).se is None
    assert bits_difference([only], [only]) is None


@pytest.mark.parametrize("clusters", [30, 200])
@pytest.mark.parametrize("spread", [0.5, 1.0], ids=["sizes alike", "sizes log-normal"])
def test_intervals_of_bits_cover_the_truth(clusters: int, spread: float) -> None:
    """Documents of random length, each with a difference of its own."""
    random, truth, rounds = np.random.default_rng(5), -0.05, max(500, 30_000 // clusters)
    inside = 0
    for _ in range(rounds):
        sizes = np.ceil(random.lognormal(8, spread, clusters)).astype(int)
        own = sizes * random.normal(truth, 0.03, clusters)
        found = bits_difference(documents(own.tolist(), sizes.tolist()), documents([0.0] * clusters, sizes.tolist()))
        assert found is not None
        inside += found.low <= truth <= found.high
    assert 0.93 <= inside / rounds <= 0.97


@pytest.mark.parametrize("clusters", [30, 200])
def test_intervals_of_accuracy_cover_the_truth(clusters: int) -> None:
    """Two questions a document, the two answers of a document alike, and the two models' too."""
    random, rounds = np.random.default_rng(6), max(500, 30_000 // clusters)
    owners = [n for n in range(clusters) for _ in range(2)]
    inside = 0
    for _ in range(rounds):
        ease = np.repeat(random.normal(0, 1, clusters), 2)
        one, two = (ease + random.normal(shift, 1, 2 * clusters) > 0 for shift in (0.4, 0.0))
        found = accuracy_difference(*(questions(list(map(float, marks)), owners) for marks in (one, two)))
        truth = 0.5 * (1 + math.erf(0.4 / math.sqrt(2) / math.sqrt(2))) - 0.5
        assert found is not None
        inside += found.low <= truth <= found.high
    assert 0.93 <= inside / rounds <= 0.97


def test_clustered_questions_are_less_certain_than_free_ones() -> None:
    marks = [1.0] * 10 + [0.0] * 10
    free, clustered = accuracy(questions(marks)), accuracy(questions(marks, [n // 5 for n in range(20)]))
    assert free.se is not None and clustered.se is not None
    assert clustered.se > 2 * free.se
    assert (free.clusters, clustered.clusters) == (20, 4)


def test_a_perfect_exam_is_not_certain() -> None:
    assert accuracy(questions([1.0] * 10)).se == pytest.approx(math.sqrt(12 / 14 * 2 / 14 / 14))


def test_equal_answers_do_not_prove_equal_models() -> None:
    same = questions([1.0, 0.0] * 30)
    found = accuracy_difference(same, same)
    assert found is not None
    assert found.mean == 0
    assert found.se == pytest.approx(1 / 62)
    assert -found.low == pytest.approx(found.high)
    assert 2 / 62 < found.high < 4 / 62


def test_needed_clusters_is_the_sample_size_that_shows_the_difference() -> None:
    """At that size a simulated experiment is significant about four times in five."""
    random, clusters, shift = np.random.default_rng(7), 40, 0.2
    sample = random.normal(0, 1, clusters)
    sample = (sample - sample.mean()) / sample.std(ddof=1) + shift
    mean, se = ratio(sample.tolist(), [1.0] * clusters)
    assert se is not None
    half = t_quantile(clusters - 1) * se
    found = Difference(mean=mean, se=se, low=mean - half, high=mean + half, clusters=clusters)
    needed = needed_clusters(found, least=0.01)
    means = random.normal(shift, 1, (2000, needed))
    errors = means.std(axis=1, ddof=1) / math.sqrt(needed)
    power = np.mean(means.mean(axis=1) > t_quantile(needed - 1) * errors)
    assert 0.77 <= power <= 0.85
    assert needed_clusters(found, least=0.4) < needed / 3
