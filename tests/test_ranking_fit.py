"""Ratings and their errors: against references computed another way, and the votes that have no ordinary answer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import luosi.ranking.linear
import luosi.ranking.meat
import luosi.ranking.rows
from luosi.ranking import LEFT, RIGHT, TIE, TREATMENTS, Ranking, Votes, rank
from luosi.ranking.coding import Floats
from luosi.ranking.fit import PRIOR_SD, _prior, fit
from luosi.ranking.rows import rows_of, sums

ELO = 400 / math.log(10)


def arena(models: int, votes: int, *, seed: int = 0, ties: float = 0.0, voters: int = 0, prompts: int = 0) -> Votes:
    random = np.random.default_rng(seed)
    truth = random.normal(size=models)
    left = random.integers(0, models, votes).astype(np.int32)
    right = ((left + random.integers(1, models, votes)) % models).astype(np.int32)
    voter, prompt = random.integers(0, max(1, voters), votes), random.integers(0, max(1, prompts), votes)
    lead = truth[left] - truth[right] + 0.8 * np.sin(voter * 7.0 + left * 3.0) + 0.5 * np.sin(prompt * 5.0 + right)
    outcome = np.where(random.random(votes) < 1 / (1 + np.exp(-lead)), LEFT, RIGHT)
    outcome = np.where(random.random(votes) < ties, TIE, outcome).astype(np.int8)
    return Votes(
        tuple(f"m{i:02}" for i in range(models)), left, right, outcome,
        voter=voter.astype(np.int32) if voters else None, prompt=prompt.astype(np.int32) if prompts else None,
    )  # fmt: skip


def ratings(found: Ranking) -> dict[str, float]:
    return {line.model: line.rating for line in found.models}


def halves(found: Ranking) -> Floats:
    lines = sorted(found.models, key=lambda line: line.model)
    return np.array([(line.high - line.low) / 2 for line in lines])


def by_minorising(votes: Votes, rounds: int = 20_000) -> Floats:
    """Bradley-Terry with ties as half a win by Hunter's (2004) algorithm, in Elo around 1000."""
    n = len(votes.models)
    worth = np.array([1.0, 0.0, 0.5])[votes.outcome]
    won = np.bincount(votes.left, worth, n) + np.bincount(votes.right, 1 - worth, n)
    met = np.zeros((n, n))
    np.add.at(met, (votes.left, votes.right), 1.0)
    met += met.T
    strength = np.ones(n)
    for _ in range(rounds):
        before = strength
        strength = won / (met / (strength[:, None] + strength)).sum(1)
        strength /= np.exp(np.log(strength).mean())
        if np.abs(np.log(strength / before)).max() < 1e-10:
            break
    return 1000 + ELO * np.log(strength)


@pytest.mark.parametrize("name", TREATMENTS)
def test_derivatives_are_those_of_the_likelihood(name: str) -> None:
    random, ties = np.random.default_rng(1), TREATMENTS[name]
    d, outcome = random.normal(size=60) * 3, random.integers(0, 3, 60)
    own = np.array({"davidson": [-0.4, -0.7], "rao-kupper": [0.6]}.get(name, []))

    def moved(which: int, by: float) -> Any:
        if which == 0:
            return ties.terms(d + by, outcome, own)
        return ties.terms(d, outcome, own + by * (np.arange(len(own)) == which - 1))

    terms, h = ties.terms(d, outcome, own), 1e-5
    for a in range(1 + len(own)):
        slope = (moved(a, h).value - moved(a, -h).value) / (2 * h)
        np.testing.assert_allclose(terms.score[a], slope, atol=1e-7)
        for b in range(a + 1):
            curve = -(moved(b, h).score[a] - moved(b, -h).score[a]) / (2 * h)
            np.testing.assert_allclose(terms.information[a][b], curve, atol=1e-7)


@pytest.mark.parametrize("name", ["davidson", "rao-kupper"])
def test_chances_of_the_three_outcomes_add_up_and_expected_information_is_the_mean(name: str) -> None:
    d, own = np.linspace(-6, 6, 41), np.array([0.3, -0.8]) if name == "davidson" else np.array([0.4])
    terms = [TREATMENTS[name].terms(d, np.full(41, outcome), own) for outcome in (LEFT, RIGHT, TIE)]
    chances = [np.exp(t.value) for t in terms]
    np.testing.assert_allclose(sum(chances), 1, atol=1e-12)
    mean = sum(p * t.information[0][0] for p, t in zip(chances, terms, strict=True))
    squares = sum(p * t.score[0] ** 2 for p, t in zip(chances, terms, strict=True))
    np.testing.assert_allclose(mean, squares, atol=1e-12)
    expected = TREATMENTS[name].terms(d, np.full(41, LEFT), own, expected=True).information[0][0]
    if name == "davidson":
        np.testing.assert_allclose(expected, mean, atol=1e-12)


@settings(max_examples=12, deadline=None)
@given(st.integers(3, 9), st.integers(0, 10_000), st.floats(0, 0.5))
def test_half_is_the_bradley_terry_of_others(models: int, seed: int, ties: float) -> None:
    votes = arena(models, 60 * models, seed=seed, ties=ties)
    found = rank(votes, ties="half")
    if not found.fit.outside.any():
        names = dict(zip(votes.models, by_minorising(votes), strict=True))
        assert ratings(found) == pytest.approx(names, abs=0.01)


def test_the_sandwich_is_that_of_single_votes() -> None:
    votes = arena(6, 900, ties=0.2)
    found, n = rank(votes, ties="half"), 6
    design = np.zeros((900, n))
    design[np.arange(900), votes.left] += 1
    design[np.arange(900), votes.right] -= 1
    p = 1 / (1 + np.exp(-design @ found.fit.theta[:n]))
    bread = np.linalg.pinv(design.T @ (design * (p * (1 - p))[:, None]))
    pull = design * (np.array([1, 0, 0.5])[votes.outcome] - p)[:, None]
    errors = np.sqrt(np.diag(bread @ pull.T @ pull @ bread))
    np.testing.assert_allclose(halves(found), 1.959964 * ELO * errors, rtol=1e-6)


@pytest.mark.parametrize("ties", ["half", "davidson", "rao-kupper"])
@pytest.mark.parametrize(("voters", "prompts"), [(9, 0), (400, 0), (9, 7), (300, 250)])
def test_clusters_are_summed_before_they_are_squared(ties: str, voters: int, prompts: int) -> None:
    votes = arena(20, 1500, ties=0.2, voters=voters, prompts=prompts)
    found = rank(votes, ties=ties, checks=False, position=True)
    rows, terms = found.rows, found.terms
    each = np.zeros((1500, len(found.fit.theta)))
    lead = terms.score[0][rows.of_vote]
    each[np.arange(1500), votes.left] += lead
    each[np.arange(1500), votes.right] -= lead
    each[:, 20] = lead
    for place, score in enumerate(terms.score[1:]):
        each[:, 21 + place] = score[rows.of_vote]

    def summed(codes: Any) -> Any:
        groups = np.unique(codes, return_inverse=True)[1]
        sums = np.zeros((groups.max() + 1, each.shape[1]))
        np.add.at(sums, groups, each)
        return sums.T @ sums * len(sums) / (len(sums) - 1)

    expected = summed(votes.voter)
    if prompts:
        assert votes.voter is not None and votes.prompt is not None
        expected += summed(votes.prompt) - summed(votes.voter * 1000 + votes.prompt)
        values, vectors = np.linalg.eigh(expected)
        expected = (vectors * np.maximum(values, 0)) @ vectors.T
    assert isinstance(found.spread.meat, luosi.ranking.meat.Matrix)
    np.testing.assert_allclose(found.spread.meat.matrix, expected, atol=1e-7 * np.abs(expected).max())


@pytest.mark.parametrize("name", ["davidson", "rao-kupper", "half"])
def test_votes_in_expected_numbers_give_the_ratings_back(name: str) -> None:
    truth, own = np.array([0.9, 0.2, -0.3, -0.8]), np.array([0.5, -0.6] if name == "davidson" else [0.7])
    left, right = (np.array(side) for side in zip(*[(a, b) for a in range(4) for b in range(4) if a != b], strict=True))
    outcomes = (LEFT, RIGHT, TIE) if name != "half" else (LEFT, RIGHT)
    weight = np.concatenate(
        [1000 * np.exp(TREATMENTS[name].terms(truth[left] - truth[right], np.full(12, o), own).value) for o in outcomes]
    )
    sides = [np.tile(side, len(outcomes)).astype(np.int32) for side in (left, right)]
    votes = Votes(tuple("abcd"), *sides, np.repeat(outcomes, 12).astype(np.int8), weight=weight)
    found = rank(votes, ties="auto")
    assert found.fit.ties.name == name
    np.testing.assert_allclose(found.fit.theta[:4], truth, atol=2e-4)


def test_ties_that_mean_nothing_shrink_only_the_half() -> None:
    votes = arena(8, 40_000, ties=0.4)
    decisive = rank(votes.take(votes.outcome != TIE))
    spread = {ties: float(np.std(rank(votes, ties=ties).fit.theta[:8])) for ties in ("auto", "drop", "half")}
    assert spread["auto"] == pytest.approx(np.std(decisive.fit.theta[:8]), rel=0.03)
    assert spread["drop"] == pytest.approx(np.std(decisive.fit.theta[:8]), rel=1e-6)
    assert spread["half"] < 0.7 * spread["auto"]


def test_the_likelihood_chooses_between_ties_of_the_close_and_ties_of_a_threshold() -> None:
    random = np.random.default_rng(3)
    truth = random.normal(size=10)
    left = random.integers(0, 10, 60_000).astype(np.int32)
    right = ((left + random.integers(1, 10, 60_000)) % 10).astype(np.int32)
    lead, draw = truth[left] - truth[right], random.random(60_000)
    threshold = np.where(
        draw < 1 / (1 + np.exp(0.8 - lead)), LEFT, np.where(draw > 1 / (1 + np.exp(-0.8 - lead)), RIGHT, TIE)
    )
    found = rank(Votes(tuple("abcdefghij"), left, right, threshold.astype(np.int8)))
    assert found.fit.ties.name == "rao-kupper"
    assert found.fit.theta[-1] == pytest.approx(0.8, abs=0.03)
    np.testing.assert_allclose(found.fit.theta[:10], truth - truth.mean(), atol=0.08)
    assert float(np.abs(found.fit.doubt).max()) < 0.01  # type: ignore[arg-type]


def test_a_vote_of_weight_two_is_two_votes() -> None:
    votes = arena(5, 300)
    twice = votes.take(np.concatenate([np.arange(300), np.arange(100)]))
    weight = np.where(np.arange(300) < 100, 2.0, 1.0)
    weighed = Votes(votes.models, votes.left, votes.right, votes.outcome, weight=weight)
    assert ratings(rank(weighed)) == pytest.approx(ratings(rank(twice)), abs=1e-6)
    assert (halves(rank(weighed)) > halves(rank(twice))).all(), "one vote that counts double is one witness"


def test_a_model_that_always_wins_has_a_finite_rating_and_a_wide_interval() -> None:
    votes = arena(6, 2000)
    more = Votes.of(["best"] * 40, ["m00", "m01"] * 20, ["left"] * 40)
    found = rank(votes.joined(more))
    best = found.models[0]
    assert best.model == "best" and best.rank == 1 and 1200 < best.rating < 2500
    assert best.high - best.low > 3 * max(line.high - line.low for line in found.models[1:])
    before = ratings(rank(votes))
    shift = {name: rating - before[name] for name, rating in ratings(found).items() if name != "best"}
    assert max(shift.values()) - min(shift.values()) < 12, "the others keep their distances, nearly"
    assert found.as_dict()["unbounded"] == ["best"]
    alone = rank(Votes.of(["a"] * 9, ["b"] * 9, ["left"] * 9))
    assert alone.models[0].rating - alone.models[1].rating < 2 * PRIOR_SD * ELO
    assert all(line.provisional for line in alone.models)


@pytest.mark.parametrize("outcome", ["left", "tie", "both_bad"])
def test_one_vote_is_enough_to_rank(outcome: str) -> None:
    lines = rank(Votes.of(["a"], ["b"], [outcome])).models
    assert [line.votes for line in lines] == [1, 1] and all(math.isfinite(line.low + line.high) for line in lines)
    assert (lines[0].rank_low, lines[0].rank_high) == (1, 2)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7), st.sampled_from(["left", "right", "tie", "both_bad"])), min_size=1, max_size=60),
    st.sampled_from(["auto", "half", "drop", "davidson", "rao-kupper"]),
)  # fmt: skip
@example(cast=[(0, 1, "tie"), (2, 0, "left"), (2, 0, "tie")], ties="auto")  # the side's variance rounds below 0
def test_whatever_the_votes_everyone_gets_a_place(cast: list[tuple[int, int, str]], ties: str) -> None:
    cast = [vote for vote in cast if vote[0] != vote[1]]
    if not cast:
        return
    left, right, winner = zip(*cast, strict=True)
    found = rank(Votes.of(left, right, winner), ties=ties)
    data = found.as_dict(check=1)
    assert sorted(line["model"] for line in data["models"]) == sorted({str(m) for m in left + right})
    for island in data["islands"]:
        lines = [line for line in data["models"] if line["model"] in island]
        assert [line["rank"] for line in lines] == list(range(1, len(lines) + 1))
        assert sum(line["rating"] for line in lines) / len(lines) == pytest.approx(1000, abs=1e-3)
        for line in lines:
            assert 1 <= line["rank_low"] <= line["rank"] <= line["rank_high"] <= len(lines)
            assert line["anytime_low"] <= line["low"] <= line["rating"] <= line["high"] <= line["anytime_high"]


HARD = {
    "along a ridge of the ties' exponent": (
        False,
        "01LLRT 02RR 03LRRR 10LR 12RRRTT 13LRRT 20L 21LT 23LRRT 30LLL 31LRRRTT 32RRRT",
        None,
    ),
    "every decisive vote for the left, ties at the end of their range": (
        True,
        "01T 02L 03T 10LL 13LT 21LTT 23TT 32L",
        None,
    ),
    "the side and the ratings explain every vote": (True, "01T 02T 03RT 10T 12T 20R 21LL 23T 30TTT 31R 32T", None),
    "from a start beside a saddle": (
        True,
        "02LRR 03RT 10LLL 12LRRRRT 13LT 20LL 21LLLT 23T 30LRRTTT 31LRRRRTT 32LRRTTT",
        [-0.579, 0.2, 1.399, -1.02, 0.323, -0.466, 0.0],
    ),
}


@pytest.mark.parametrize("case", HARD)
def test_few_votes_settle_at_a_top(case: str) -> None:
    """Fits that once ended in `did not settle`, `cannot be climbed` and a singular matrix."""
    position, told, start = HARD[case]
    votes = [(int(group[0]), int(group[1]), "LRT".index(letter)) for group in told.split() for letter in group[2:]]
    left, right, outcome = np.array(votes).T
    assert (LEFT, RIGHT, TIE) == (0, 1, 2)
    rows = rows_of(Votes(models=list("abcd"), left=left, right=right, outcome=outcome), None)
    found = fit(rows, TREATMENTS["davidson"], position=position, start=None if start is None else np.array(start))

    def height(theta: Floats) -> float:
        return sums(rows, theta, found.ties)[0] - _prior(theta, found.penalty, found.island)[0]

    assert -1 <= found.theta[-1] <= 0 and np.abs(found.theta[:4]).max() < 15
    random, top = np.random.default_rng(0), height(found.theta)
    for _ in range(200):
        near = found.theta + random.normal(scale=0.05, size=len(found.theta)) * (
            np.arange(7) != 4 if not position else 1
        )
        near[-1] = min(0.0, max(-1.0, near[-1]))
        assert height(near) <= top + 1e-9


def test_islands_are_named_and_ranked_by_themselves() -> None:
    first, second = arena(4, 400, seed=1), arena(3, 300, seed=2)
    moved = Votes(tuple("xyz"), second.left, second.right, second.outcome)
    found = rank(first.joined(moved))
    assert found.as_dict()["islands"] == [[line.model for line in part.models] for part in (rank(first), rank(moved))]
    assert ratings(found) == pytest.approx({**ratings(rank(first)), **ratings(rank(moved))}, abs=1e-6)
    assert [line.rank for line in found.models] == [1, 2, 3, 4, 1, 2, 3]


def test_style_is_taken_out() -> None:
    random = np.random.default_rng(5)
    votes = arena(5, 30_000, seed=5)
    length = random.normal(size=30_000) + (votes.left == 0) - (votes.right == 0)
    lead = 1.5 * length / length.std()
    outcome = np.where(random.random(30_000) < 1 / (1 + np.exp(-lead)), LEFT, RIGHT).astype(np.int8)
    styled = Votes(votes.models, votes.left, votes.right, outcome, features=length[:, None], feature_names=("length",))
    plain = Votes(votes.models, votes.left, votes.right, outcome)
    assert rank(plain).models[0].model == "m00" and rank(plain).models[0].rating > 1100
    found = rank(styled)
    assert all(abs(line.rating - 1000) < 15 for line in found.models)
    effect = found.as_dict()["style"][0]
    assert effect["low"] < 1.5 * ELO < effect["high"] and effect["high"] - effect["low"] < 20


def test_the_side_is_estimated_whether_or_not_it_is_taken_out() -> None:
    random = np.random.default_rng(6)
    votes = arena(6, 30_000, seed=6)
    truth = np.linspace(-1, 1, 6)
    lead = truth[votes.left] - truth[votes.right] + 0.4
    outcome = np.where(random.random(30_000) < 1 / (1 + np.exp(-lead)), LEFT, RIGHT).astype(np.int8)
    both = [
        rank(Votes(votes.models, votes.left, votes.right, outcome), position=p).as_dict()["bias"] for p in (False, True)
    ]
    for bias in both:
        assert bias["low"] < 0.4 * ELO < bias["high"] and bias["high"] - bias["low"] < 20
    assert both[0]["elo"] == pytest.approx(both[1]["elo"], rel=0.03)
    assert both[0]["largest_change"] > 0 and both[1]["largest_change"] == 0


@pytest.mark.parametrize("ties", [0.0, 0.3])
def test_many_models_are_ranked_without_matrices(monkeypatch: pytest.MonkeyPatch, ties: float) -> None:
    votes = arena(40, 8000, ties=ties, voters=60)
    dense = rank(votes)
    bias = dense.as_dict()["bias"]["elo"]
    for module in (luosi.ranking.rows, luosi.ranking.meat, luosi.ranking.linear, luosi.ranking.ranking):
        monkeypatch.setattr(module, "DENSE", 10)
    sparse = rank(votes)
    assert ratings(sparse) == pytest.approx(ratings(dense), abs=1e-4)
    ratio = halves(sparse) / halves(dense)
    assert 0.9 < ratio.mean() < 1.15 and ratio.min() > 0.6 and ratio.max() < 1.6
    assert sparse.as_dict()["bias"]["elo"] == pytest.approx(bias, abs=0.1)
