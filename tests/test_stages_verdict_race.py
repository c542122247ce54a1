"""The verdict on the user's own questions: arms as routes, paired differences, the rule of choice, money as measured, the advice."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luosi.artifacts import Answers, Verdict
from luosi.artifacts.answers import Answered, Judgement
from luosi.artifacts.evidence import VerdictSummary
from luosi.cost import Cost, Estimate, Interval, Rates
from luosi.errors import RecipeError, StageError
from luosi.pipeline.stage import Input, Inputs, StageRuntime
from luosi.stages.verdict.changes import crossing
from luosi.stages.verdict.choice import choose, whole_nano
from luosi.stages.verdict.config import Config
from luosi.stages.verdict.costs import Ledger, RouteMoney, routes_table
from luosi.stages.verdict.money import VerdictReport, report
from luosi.stages.verdict.rows import answer_rows, judge_agreement
from luosi.stages.verdict.stage import VerdictStage
from luosi.statistics import accuracy_of, difference_of
from tests.evidence_kit import ARMS, outside, race
from tests.test_stages_verdict import HOURLY, MADE, RENTED, card, said, usd

MODELS = ("open", "adapt", "scratch")
COSTS = {
    (): Cost(),
    ("k1-index",): Cost(wall_s=60),
    **{(f"k1-score_{model}", *index): MADE for model in MODELS for index in ((), ("k1-index",))},
    ("k1-score_open",): Cost(wall_s=6),
    ("k1-score_open", "k1-index"): Cost(wall_s=66),
}


def drawn(rates: Mapping[str, float], count: int) -> dict[str, list[float]]:
    """Marks of which the hard questions are hard for every arm."""
    draw = random.Random(1)
    ease = [draw.random() for _ in range(count)]
    return {
        arm: [float((one if draw.random() < 0.7 else draw.random()) < rate) for one in ease]
        for arm, rate in rates.items()
    }


def judged(folder: Path, answers: Sequence[Input], scores: Sequence[Input] = (), **changes: Any) -> VerdictSummary:
    config = Config.model_validate({"rented_model": "big"} | changes)
    context = outside(folder, "verdict")
    VerdictStage().run(config, StageRuntime(), Inputs({"scores": scores, "answers": answers}), context)
    return Verdict(context.out).summary()


def shown(summary: VerdictSummary, *races: Input, rates: Rates = HOURLY, **more: Any) -> VerdictReport:
    return report(summary, COSTS, {one.key: one.facts for one in races}, rates, {"big": RENTED}, watts=36.0, **more)


def verdict(folder: Path, right: Mapping[str, float], count: int = 50, **more: Any) -> VerdictReport:
    given = race(folder, drawn(right, count))
    return shown(judged(folder, [given]), given, **more)


def by_arm(found: VerdictReport) -> dict[str, RouteMoney]:
    return {line.arm or line.route: line for line in found.routes}


EVERYBODY = {"open": 0.1, "open_files": 0.6, "adapt": 0.1, "adapt_files": 0.6, "rent": 0.3, "rent_files": 0.9}


def test_arms_are_routes_joined_with_the_scores_of_the_same_model(tmp_path: Path) -> None:
    given = race(tmp_path, marks := drawn(EVERYBODY, 50))
    routes = {"score_open": "open", "score_adapt": "adapt", "score_xz": "baseline"}
    scores = [card(tmp_path, step) for step in routes]
    summary = judged(tmp_path, [given], scores, reference="score_open", routes=routes)
    found = {route.arm or route.route: route for route in summary.routes}
    assert list(found) == [*EVERYBODY, "baseline"], "a rented model that was asked needs no row of the price list"
    for name, files in (("adapt", False), ("adapt_files", True)):
        route = found[name]
        assert (route.step, route.files, route.bundle_key, route.asked) == ("score_adapt", files, "k1-score_adapt", 50)
        assert route.bpb is not None and route.own == accuracy_of(marks[name])
        assert route.own_difference == difference_of(marks[name], marks["open"])
    assert (found["rent_files"].leaves_house, found["rent_files"].made_of, found["rent"].made_of) == (
        True,
        ("k1-index",),
        (),
    )
    assert (found["rent"].bpb, found["open"].own_difference) == (None, None)
    assert summary.between("rent", "adapt") == difference_of(marks["rent"], marks["adapt"])
    back = summary.between("adapt", "rent")
    assert back is not None and back == difference_of(marks["adapt"], marks["rent"])
    assert sum("beats open on law" in sentence.en for sentence in summary.advice) == 1, "not once an arm"


def test_answers_alone_make_a_verdict_and_nothing_makes_none(tmp_path: Path) -> None:
    summary = judged(tmp_path, [race(tmp_path, drawn({"open": 0.4, "open_files": 0.8}, 30))], rented_model="")
    assert (summary.source, summary.reference, summary.reference_arm) == ("", "", "open")
    assert [route.arm for route in summary.routes] == ["open", "open_files"]
    assert summary.graders == {"number": 30}
    with pytest.raises(RecipeError, match="neither scores nor answers"):
        judged(tmp_path, [])


def test_two_races_join_only_if_they_fit(tmp_path: Path) -> None:
    first = race(tmp_path, drawn({"open": 0.4, "open_files": 0.8}, 30))
    second = race(tmp_path, drawn({"rent": 0.7}, 20), name="later")
    summary = judged(tmp_path, [first, second])
    assert [(pair.arm, pair.other, pair.asked) for pair in summary.pairs][1:] == [
        ("rent", "open", 20),
        ("rent", "open_files", 20),
    ]
    with pytest.raises(StageError, match="two arms are called 'open'"):
        judged(tmp_path, [first, race(tmp_path, {"open": [1.0]}, name="again")])
    path = tmp_path / "later" / "questions.jsonl"
    path.write_bytes(path.read_bytes().replace(b"grade 3", b"grade 33"))
    with pytest.raises(StageError, match=r"question 'own-3' of later differs"):
        judged(tmp_path, [first, second])


def test_stopped_arms_are_compared_on_what_they_were_asked(tmp_path: Path) -> None:
    marks = drawn({"open": 0.1, "open_files": 0.8, "adapt_files": 0.8}, 50)
    marks["open"] = marks["open"][:12]
    given = race(tmp_path, marks, stopped={"open": "cannot win: by open_files"})
    summary = judged(tmp_path, [given])
    opened, files, _, _ = summary.routes
    assert (opened.asked, opened.stopped) == (12, "cannot win: by open_files")
    assert opened.own == accuracy_of(marks["open"])
    assert files.own_difference == difference_of(marks["open_files"][:12], marks["open"], stopped=True)
    assert said(summary.advice, "Stopped early, of 50 questions", "after 12", "saved 31 %")
    choice = choose(summary, shown(summary, given).routes)
    assert choice is not None and "open" not in {line.arm for line in choice.tied}


def test_what_was_found_cited_and_not_answered_is_counted(tmp_path: Path) -> None:
    def trouble(row: Answered) -> Answered:
        number = int(row.question.removeprefix("own-"))
        lost = (
            tuple(passage.model_copy(update={"file": "other.pdf"}) for passage in row.passages)
            if number < 5
            else row.passages
        )
        update: dict[str, Any] = {"passages": lost}
        if number >= 27:
            update |= {"trouble": "timed out: 60 s", "mark": 0.0, "text": ""}
        return row.model_copy(update=update)

    summary = judged(
        tmp_path, [race(tmp_path, {"open": [0.0] * 30, "open_files": [0.0] * 5 + [1.0] * 25}, change=trouble)]
    )
    _, files, _ = summary.routes
    assert files.found is not None and files.own_found is not None
    assert (files.found.mean, files.own_found.mean) == (25 / 30, 22 / 25)
    assert files.cited is not None and files.cited.mean == 25 / 30
    assert files.troubles == {"timed out": 3} and files.by_grader["number"].mean == 22 / 30
    assert said(summary.advice, "gave no answer to 3 of 30", "count as wrong")
    assert said(summary.advice, "found for 83 %", "better retrieval would change")


def test_money_is_what_the_race_measured(tmp_path: Path) -> None:
    lines = by_arm(verdict(tmp_path, EVERYBODY))
    # 5 s an answer of 0.1 USD an hour; 6 s and 60 s once; 400 prompt and 20 answer tokens, and 0.1 s to find the passages
    assert lines["open_files"].cost_per_1000 == usd(138_888_889)
    assert lines["open_files"].cost_to_make == usd(1_833_334)
    assert lines["rent_files"].cost_per_1000 == usd(400 * 150_000 + 20 * 600_000 + 2_777_778)
    assert lines["rent"].cost_per_1000 == usd(40 * 150_000 + 20 * 600_000)
    assert (lines["rent"].cost_to_make, lines["rent_files"].cost_to_make) == (usd(0), usd(1_666_667))
    assert (lines["open"].latency_s, lines["open"].latency_p90_s) == (2.5, 3.5)
    assert (lines["open"].energy_j, lines["rent_files"].energy_j) == (72.0, None)
    assert (lines["open_files"].prompt_tokens, lines["open_files"].answer_tokens) == (400, 20)


def test_a_rented_model_that_was_not_asked_is_priced_by_the_measured_tokens(tmp_path: Path) -> None:
    found = verdict(tmp_path, {"open": 0.3, "open_files": 0.8})
    rent = by_arm(found)["rent"]
    assert rent.cost_per_1000 == usd(400 * 150_000 + 20 * 600_000) and rent.own is None
    assert said(found.advice, "No rented model was asked", "--rent big=URL")


def test_break_even_is_told_against_the_cheapest_and_against_an_equal(tmp_path: Path) -> None:
    assert HOURLY.machine_hour is not None
    cheap = HOURLY.machine_hour.model_copy(update={"money": usd(40_000_000)})
    found = verdict(
        tmp_path, {"open": 0.05, "adapt": 0.9, "rent": 0.05, "rent_files": 0.9}, rates=Rates(machine_hour=cheap)
    )
    adapted = by_arm(found)["adapt"]
    assert adapted.break_even_equal_arm == "rent_files"
    assert adapted.break_even_equal_answers is not None
    assert adapted.break_even_answers is None, "2 s of this machine cost more than 60 tokens of the list"


@pytest.mark.parametrize(
    ("rates", "count", "taken", "words"),
    [
        (EVERYBODY, 60, "rent_files", ("Rent big with your files: ", "points worse")),
        (
            {"open": 0.1, "open_files": 0.7, "rent_files": 0.72},
            40,
            "open_files",
            ("Use the open model", "is not told from it"),
        ),
        ({"open": 0.1, "open_files": 0.5, "adapt_files": 0.95}, 80, "adapt_files", ("Use your adapted model",)),
        ({"open": 0.1, "open_files": 0.1}, 50, "", ("Use none of these as it is", "fewer than half for certain")),
        ({"open": 0.1, "open_files": 0.9}, 3, "", ("Write more questions before you decide",)),
        ({"open": 0.1, "open_files": 0.9}, 1, "", ("Write more questions before you decide",)),
    ],
)
def test_the_first_sentence_says_what_to_do(
    tmp_path: Path, rates: dict[str, float], count: int, taken: str, words: tuple[str, ...]
) -> None:
    found = verdict(tmp_path, rates, count)
    assert [line.arm for line in found.routes if line.recommended] == ([taken] if taken else [])
    assert said(found.advice[:1], *words)
    assert all(sentence.en and sentence.zh for sentence in found.advice)


def test_a_tie_is_said_with_the_rule_and_the_power(tmp_path: Path) -> None:
    found = verdict(tmp_path, {"open": 0.1, "open_files": 0.7, "adapt_files": 0.75, "rent_files": 0.72}, 30)
    assert said(
        found.advice, "Not enough questions to tell", "the cheapest of them that keeps your data in the house is taken"
    )
    assert said(found.advice, "Questions: with 10 more a difference of", "more are needed for the")
    assert said(found.advice, "Do not train for these questions")
    assert said(found.advice, "Adapting is not shown to help", "your files against your files alone", "(")


def test_training_is_praised_only_where_the_interval_says_so(tmp_path: Path) -> None:
    found = verdict(tmp_path, {"open": 0.1, "open_files": 0.4, "adapt": 0.1, "adapt_files": 0.9}, 80)
    assert said(found.advice, "What adapting changes", "with your files against your files alone +")
    assert not said(found.advice, "Do not train")


def test_training_from_scratch_that_was_not_done_is_estimated(tmp_path: Path) -> None:
    hours = Estimate(seconds=Interval.exactly(7200.0), joules=Interval.exactly(1.0))
    found = verdict(tmp_path, {"open": 0.3, "open_files": 0.8}, scratch=hours)
    assert by_arm(found)["scratch"].cost_to_make == usd(200_000_000)
    assert said(found.advice, "from scratch was not tried", "2.0 h and 0.2 USD")


marks = st.lists(st.sampled_from([0.0, 0.0, 0.5, 1.0]), min_size=1, max_size=12)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.sampled_from(list(ARMS)), marks, min_size=1), st.booleans())
def test_any_race_gets_a_verdict(
    tmp_path_factory: pytest.TempPathFactory, given_marks: dict[str, list[float]], priced: bool
) -> None:
    folder = tmp_path_factory.mktemp("race")
    given = race(folder, given_marks)
    summary = judged(folder, [given])
    found = shown(summary, given, rates=HOURLY if priced else Rates())
    choice = choose(summary, routes_table(summary, Ledger(COSTS, {given.key: given.facts}, HOURLY, {"big": RENTED})))
    assert choice is not None and found.advice
    assert choice.taken in choice.tied and choice.best in choice.tied
    house = [line for line in choice.tied if not line.leaves_house and (line.own_high or 1.0) >= 0.5]
    if house:
        assert not choice.taken.leaves_house
        assert whole_nano(choice.taken, "USD") == min(whole_nano(line, "USD") for line in house)


@given(st.tuples(*[st.integers(0, 10**12)] * 4))
def test_routes_cost_the_same_where_they_cross(nanos: tuple[int, int, int, int]) -> None:
    first, second = (
        RouteMoney(route="open", model="", step="", cost_to_make=usd(make), cost_per_1000=usd(each))
        for make, each in (nanos[:2], nanos[2:])
    )
    volume = crossing(first, second)
    cheaper = (nanos[0] - nanos[2]) * (nanos[1] - nanos[3]) < 0
    assert (volume is not None) is cheaper
    if volume is not None:
        apart = abs((nanos[0] - nanos[2]) + (nanos[1] - nanos[3]) * volume / 1000)
        assert apart <= abs(nanos[1] - nanos[3]) / 1000 + 1e-3


def test_rows_show_every_answer_and_the_judge_is_held_against_people(tmp_path: Path) -> None:
    def judge(row: Answered) -> Answered:
        word = row.mark == 1.0
        return row.model_copy(update={"judgement": Judgement(first=word, second=word, model="judge")})

    given = race(tmp_path, {"open": [0.0, 1.0, 1.0], "open_files": [1.0, 1.0]}, change=judge)
    assert isinstance(given.artifact, Answers)
    rows = answer_rows(given.artifact.questions(), given.artifact.answers())
    assert [[answer.arm for answer in row.answers] for row in rows] == [["open", "open_files"]] * 2 + [["open"]]
    first = rows[0].answers[1]
    assert (rows[0].expected, rows[0].place) == (("20 days",), "handbook.pdf, p. 1")
    assert (first.text, first.cited, first.shown, first.judge_agrees) == ("20 days", ("handbook.pdf, p. 1",), 2, True)
    people = {
        ("open", "own-0"): False,
        ("open_files", "own-0"): True,
        ("open", "own-1"): False,
        ("rent", "own-1"): True,
    }
    agreement = judge_agreement(given.artifact.answers(), people)
    assert agreement is not None and (agreement.n, agreement.share) == (3, pytest.approx(2 / 3))
    assert judge_agreement(given.artifact.answers(), {}) is None


def test_shared_words_are_not_taken_for_right_answers(tmp_path: Path) -> None:
    marks = {"open": [0.1] * 30, "open_files": [0.3, 0.4] * 15}
    assert said(verdict(tmp_path, {"open": 0.0, "open_files": 0.2}, 30).advice[:1], "Use none of these")
    given = race(tmp_path, marks, name="overlap")
    path = tmp_path / "overlap" / "questions.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"grader":"number"', b'"grader":"f1"'))
    found = shown(judged(tmp_path, [given]), given)
    assert said(found.advice[:1], "Not to be decided by these marks") and said(
        found.advice, "30 of 30 questions are marked by the words"
    )
