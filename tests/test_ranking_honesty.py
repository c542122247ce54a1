"""What a ranking claims: intervals, ranks, looks at any time, votes to flip, who is left out, refits, choice of pairs."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from luosi.errors import UsageError
from luosi.ranking import LEFT, RIGHT, Chooser, Votes, rank
from luosi.ranking.intervals import anytime_half, quantile
from luosi.ranking.pairs import REUSED, UNIFORM, _Belief
from luosi.statistics import t_quantile
from tests.test_ranking_fit import arena, halves, ratings

ELO = 400 / math.log(10)


@pytest.mark.parametrize("dof", [1, 2, 3, 4, 5, 7, 12, 40, 300])
def test_quantiles_are_students(dof: int) -> None:
    assert quantile(0.025, dof) == pytest.approx(t_quantile(dof), rel=2e-4)
    assert quantile(1e-5, dof) > quantile(1e-4, dof) > quantile(0.025, dof)


def test_far_quantiles() -> None:
    assert quantile(0.0005, 10) == pytest.approx(4.5869, rel=1e-3)
    assert quantile(0.0005, 3) == pytest.approx(12.924, rel=1e-3)
    assert quantile(0.0005, 0) == pytest.approx(3.2905, rel=1e-4)


def test_an_anytime_interval_is_the_mixture_at_its_risk() -> None:
    for variance in (0.001, 0.02, 0.5):
        half, prior = float(anytime_half(np.array(variance), 0)), 0.25**2
        ratio = math.sqrt(variance / (variance + prior)) * math.exp(
            half**2 * prior / (2 * variance * (variance + prior))
        )
        assert ratio == pytest.approx(20), "the mixture's likelihood ratio reaches 1 / 5 %"


def test_tastes_of_voters_widen_intervals() -> None:
    votes = arena(10, 6000, voters=30)
    assert np.mean(halves(rank(votes)) / halves(rank(votes, cluster="none"))) > 1.25
    assert rank(votes).as_dict()["interval"]["clusters"] == {"voter": 30}


def test_coverage_with_tastes() -> None:
    random, hit, free = np.random.default_rng(8), [], []
    for _ in range(60):
        voter = np.repeat(np.arange(60, dtype=np.int32), 40)
        left = random.integers(0, 8, 2400).astype(np.int32)
        right = ((left + random.integers(1, 8, 2400)) % 8).astype(np.int32)
        taste = random.normal(size=(60, 8))
        lead = taste[voter, left] - taste[voter, right]
        outcome = np.where(random.random(2400) < 1 / (1 + np.exp(-lead)), LEFT, RIGHT).astype(np.int8)
        votes = Votes(tuple("abcdefgh"), left, right, outcome, voter=voter)
        hit += [line.low <= 1000 <= line.high for line in rank(votes, checks=False).models]
        free += [line.low <= 1000 <= line.high for line in rank(votes, checks=False, cluster="none").models]
    assert 0.91 < np.mean(hit) < 0.985 and np.mean(free) < 0.88


def test_looking_often_does_not_make_equal_models_differ() -> None:
    random, fixed, anytime = np.random.default_rng(9), 0, 0
    for _ in range(24):
        outcome = np.where(random.random(2000) < 0.5, LEFT, RIGHT).astype(np.int8)
        zero = np.zeros(2000, np.int32)
        votes = Votes(("a", "b"), zero, zero + 1, outcome)
        looks = [rank(votes.take(slice(0, n))).difference("a", "b") for n in range(100, 2001, 100)]
        fixed += any(d.low > 0 or d.high < 0 for d in looks)
        anytime += any(d.anytime_low > 0 or d.anytime_high < 0 for d in looks)
    assert anytime <= 2 < fixed


def test_ranks_follow_from_sure_differences() -> None:
    found = rank(arena(12, 3000))
    lines = found.models
    assert lines[0].rank_low == 1 and lines[-1].rank_high == 12
    for line in lines:
        better = sum(found.difference(other.model, line.model).low > 0 for other in lines if other is not line)
        assert line.rank_low <= better + 1, "Bonferroni is sure of no more than single comparisons"
    assert any(line.rank_low > 1 for line in lines)


def test_difference_is_that_of_the_ratings_and_says_what_it_cannot() -> None:
    found = rank(arena(4, 800))
    first, last = found.models[0], found.models[-1]
    assert found.difference(first.model, last.model).difference == pytest.approx(first.rating - last.rating)
    with pytest.raises(UsageError, match="no vote is about 'm7'"):
        found.difference("m00", "m7")
    apart = rank(Votes.of(["a", "x"], ["b", "y"], ["left", "left"]))
    with pytest.raises(UsageError, match="no votes join"):
        apart.difference("a", "x")


@pytest.mark.parametrize("ties", [0.0, 0.3])
def test_so_many_votes_less_turn_neighbours_around(ties: float) -> None:
    votes = arena(7, 1400, ties=ties)
    found = rank(votes)
    flips = found.flips(check=6)
    lines = found.models
    assert [(f["above"], f["below"]) for f in flips] == [(a.model, b.model) for a, b in pairwise(lines)]
    for flip in flips:
        assert flip["checked"] and 1 <= flip["votes"] < 400
    guess = found.flips()
    for flip, first in zip(flips, guess, strict=True):
        assert first["votes"] <= flip["votes"] <= 1.5 * first["votes"] + 2 and not first["checked"]


def test_a_flip_can_be_repeated_by_hand() -> None:
    left = ["a"] * 10 + ["b"] * 8
    votes = Votes.of(left, ["b"] * 10 + ["a"] * 8, ["left"] * 18)
    assert rank(votes).flips(check=1)[0] == {
        "above": "a",
        "below": "b",
        "gap": pytest.approx(38.76, abs=0.01),
        "votes": 3,
        "checked": True,
    }
    assert rank(votes.take(slice(3, None))).models[0].model == "b"
    assert rank(votes.take(slice(2, None))).models[0].rating == pytest.approx(1000, abs=1e-6)


def test_duplicates_and_one_sided_voters_are_left_out_and_told() -> None:
    votes = arena(6, 1200, voters=40, prompts=200)
    copied = votes.take(np.concatenate([np.arange(1200), [5, 5, 17]]))
    lazy = Votes.of(
        ["m00", "m01"] * 15, ["m02", "m03"] * 15, ["left"] * 30, voter=["always left"] * 30, prompt=list(range(30))
    )
    found = rank(copied.joined(lazy))
    data = found.as_dict()
    assert [(one["reason"], one["voter"], one["votes"]) for one in data["filtered"]] == [
        ("the same vote was there before", "", 3 + 1200 - len(set(zip(*(c.tolist() for c in (votes.voter, votes.prompt, votes.left, votes.right, votes.outcome)), strict=True)))),  # type: ignore[union-attr]
        ("always takes one side", "always left", 30),
    ]  # fmt: skip
    assert data["filtered"][1]["chance"] < 1e-6
    assert all(line.rating_unfiltered is not None for line in found.models)
    everything = rank(copied.joined(lazy), checks=False)
    assert {line.model: line.rating_unfiltered for line in found.models} == pytest.approx(ratings(everything), abs=1e-4)
    assert everything.as_dict()["filtered"] == []
    again = rank(found.log())
    assert ratings(again) == ratings(found), "the log holds what was left out"


def test_an_honest_voter_with_few_votes_stays() -> None:
    votes = arena(6, 1200, voters=400)
    assert rank(votes).left_out == ()


@pytest.mark.parametrize("ties", [0.0, 0.25])
def test_a_refit_is_the_ranking_of_all_votes(ties: float) -> None:
    votes = arena(15, 3000, ties=ties)
    before = rank(votes.take(slice(0, 2990)))
    after, whole = before.refit(votes.take(slice(2990, None))), rank(votes, ties=before.fit.ties.name)
    assert ratings(after) == pytest.approx(ratings(whole), abs=1e-4)
    assert [line.votes for line in after.models] == [line.votes for line in whole.models]
    np.testing.assert_allclose(halves(after), halves(whole), rtol=0.02)
    assert len(after.log()) == 3000 and after.as_dict()["votes"] == 3000


def test_a_refit_meets_new_models_and_clusters() -> None:
    votes = arena(8, 2000, voters=25, prompts=40)
    found = rank(votes).refit(Votes.of(["new"], ["m00"], ["left"], voter=["v"], prompt=["p"]))
    assert {"new"} < {line.model for line in found.models} and found.models[0].votes
    once = rank(votes).refit(Votes.of(["m01"], ["m00"], ["left"], voter=["v"], prompt=["p"]))
    assert ratings(once) == pytest.approx(ratings(rank(once.log())), abs=1e-4)
    np.testing.assert_allclose(halves(once), halves(rank(once.log())), rtol=0.05)


def test_the_bootstrap_agrees_with_the_sandwich() -> None:
    votes = arena(6, 4000, voters=80)
    drawn = rank(votes, bootstrap=150, seed=3)
    assert drawn.as_dict()["interval"]["method"] == "bootstrap"
    np.testing.assert_allclose(halves(drawn), halves(rank(votes)), rtol=0.25)
    assert ratings(drawn) == ratings(rank(votes))
    assert drawn.models == rank(votes, bootstrap=150, seed=3).models


def test_sources_have_weights() -> None:
    people = Votes.of(["a"] * 10, ["b"] * 10, ["left"] * 7 + ["right"] * 3, source=["people"] * 10)
    judge = Votes.of(["a"] * 40, ["b"] * 40, ["right"] * 30 + ["left"] * 10, source=["judge"] * 40)
    both = people.joined(judge)
    assert rank(both).models[0].model == "b"
    assert rank(both, source_weights={"judge": 0.05}).models[0].model == "a"
    assert ratings(rank(both, source_weights={"judge": 0})) == pytest.approx(ratings(rank(people)))
    with pytest.raises(UsageError, match="no vote is of source 'jugde'"):
        rank(both, source_weights={"jugde": 1})
    with pytest.raises(UsageError, match="the votes name no source"):
        rank(arena(3, 50), source_weights={"judge": 1})


def test_wrong_settings_are_named() -> None:
    votes = arena(3, 50)
    for changes in (
        {"ties": "elo"},
        {"cluster": "village"},
        {"cluster": "voter"},
        {"propensities": True},
        {"speed": 3},
    ):
        with pytest.raises(UsageError):
            rank(votes, **changes)


def test_pairs_are_drawn_where_a_vote_tells_most() -> None:
    votes = arena(8, 4000).joined(Votes.of(["new"] * 4, ["m00", "m01"] * 2, ["left", "right"] * 2))
    found = rank(votes)
    models = [*votes.models, "newest"]
    chooser = Chooser(found, models, seed=1)
    chances = dict(zip(chooser.pairs, chooser.chances, strict=True))
    assert sum(chances.values()) == pytest.approx(1) and min(chances.values()) >= UNIFORM / len(chances) * 0.999
    assert sum(chance for pair, chance in chances.items() if "newest" in pair) > 0.5
    drawn = [Chooser(found, models, seed=seed).draw() for seed in range(2000)]
    for pair, chance in chances.items():
        both = [d for d in drawn if {d.left, d.right} == set(pair)]
        assert abs(len(both) - 2000 * chance) < 5 * math.sqrt(2000 * chance) + 5
        assert all((d.propensity, d.drawable) == (chance, len(chances)) for d in both)


def test_what_was_drawn_is_taken_for_voted_on() -> None:
    found = rank(arena(6, 3000))
    chooser = Chooser(found, [*found.votes.models, "new", "newer"], seed=3)
    drawn = []
    for _ in range(200):
        chances = dict(zip(chooser.pairs, chooser.chances, strict=True))
        drawn.append(chooser.draw())
        pair = drawn[-1].left, drawn[-1].right
        assert drawn[-1].propensity == chances.get(pair, chances.get(pair[::-1]))
        assert sum(chances.values()) == pytest.approx(1)
    met = Counter(name for pair in drawn for name in (pair.left, pair.right))
    assert abs(met["new"] - met["newer"]) < 25, "without it, whoever is drawn first would be drawn until a vote came"
    assert min(met["new"], met["newer"]) > 60
    votes = Votes.of([pair.left for pair in drawn], [pair.right for pair in drawn], ["left", "right"] * 100)
    voted = Chooser(rank(found.log().joined(votes), ties=found.fit.ties.name), chooser.models, seed=3)
    foreseen = [sum(one.chances[["new" in pair for pair in one.pairs]]) for one in (chooser, voted)]
    assert foreseen[0] == pytest.approx(foreseen[1], abs=0.2)


def test_a_vote_taken_for_given_is_a_row_of_the_information() -> None:
    belief = _Belief.of(rank(arena(6, 500, ties=0.2)), ["m00", "m03", "new"])
    before, held = belief.covariance_NN.copy(), belief.held_NN[0, 2]
    lead = np.array([1.0, 0.0, -1.0])
    belief.expect(0, 2)
    exact = np.linalg.inv(np.linalg.inv(before + 1e-9 * np.eye(3)) + held * np.outer(lead, lead))
    np.testing.assert_allclose(belief.covariance_NN, exact, rtol=1e-4, atol=1e-6)
    assert belief.covariance_NN[2, 2] < 0.9 * before[2, 2] and held > 0.05


def test_many_models_share_chances_for_some_draws() -> None:
    votes = arena(6, 300)
    chooser = Chooser(rank(votes), [*votes.models, *(f"new{number}" for number in range(2 * REUSED))], seed=0)
    seen = []
    for _ in range(7):
        seen.append(chooser.chances)
        chooser.draw()
    assert [a is b for a, b in pairwise(seen)] == [True, True, False] * 2


def test_sides_are_even_and_cannot_be_foretold_from_the_draws_before() -> None:
    for ranking in (None, rank(arena(3, 200))):
        chooser = Chooser(ranking, ["m00", "m01", "m02"], seed=2)
        lefts: Counter[tuple[str, str]] = Counter()
        foretold = guesses = 0
        for _ in range(6000):
            pair = chooser.draw()
            ahead = lefts[pair.left, pair.right] - lefts[pair.right, pair.left]
            foretold += ahead < 0
            guesses += ahead != 0
            lefts[pair.left, pair.right] += 1
        assert guesses > 3000 and abs(foretold - guesses / 2) < 3 * math.sqrt(guesses), "no better than a coin"
        assert abs(sum(count for (a, b), count in lefts.items() if a < b) - 3000) < 5 * math.sqrt(6000) / 2


def test_before_the_first_vote_all_pairs_are_equal_and_two_models_are_needed() -> None:
    assert Chooser(None, ["a", "b", "c"]).chances == pytest.approx([1 / 3] * 3)
    for models in ([], ["a"], ["a", "a"]):
        with pytest.raises(UsageError, match="two or more different models"):
            Chooser(None, models)
    with pytest.raises(UsageError, match="share of uniform draws"):
        Chooser(None, ["a", "b"], uniform=0)


def test_propensities_make_up_for_pairs_that_were_drawn_more() -> None:
    random = np.random.default_rng(4)
    chance = np.array([0.8, 0.1, 0.1])
    pair = random.choice(3, 60_000, p=chance)
    left, right = np.array([0, 0, 1], np.int32)[pair], np.array([1, 2, 2], np.int32)[pair]
    won = np.array([0.9, 0.6, 0.6])[pair]  # no Bradley-Terry model: the fit depends on how often each pair is met
    outcome = np.where(random.random(60_000) < won, LEFT, RIGHT).astype(np.int8)
    votes = Votes(tuple("abc"), left, right, outcome, propensity=chance[pair])
    even = votes.take(np.concatenate([np.flatnonzero(pair == p)[:5000] for p in range(3)]))
    truth = ratings(rank(even))
    assert ratings(rank(votes, propensities=True)) == pytest.approx(truth, abs=12)
    assert ratings(rank(votes)) != pytest.approx(truth, abs=30)
