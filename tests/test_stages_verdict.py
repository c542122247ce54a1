"""The verdict: refuses scores that do not pair, says what follows from those that do, and joins exact money."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from luosi.artifacts import Facts, Scorecard, Verdict
from luosi.artifacts.base import write_json, write_jsonl
from luosi.artifacts.evidence import DocumentScore, QuestionScore, ScoreSummary, Sentence, VerdictSummary
from luosi.cost import Cost, Money, Price, Rates
from luosi.errors import RecipeError, StageError
from luosi.pipeline.stage import Input, Inputs, StageRuntime
from luosi.stages.verdict.config import Config
from luosi.stages.verdict.costs import Ledger, RouteMoney, break_even, rented_cost, routes_table
from luosi.stages.verdict.money import report
from luosi.stages.verdict.stage import VerdictStage
from luosi.statistics import accuracy, bits_per_byte
from tests.evidence_kit import MACHINE, outside
from tests.models_kit import small_shape

ROUTES = {"score_open": "open", "score_adapt": "adapt", "score_scratch": "scratch", "score_xz": "baseline"}
LEVELS = {"score_open": 0.95, "score_adapt": 0.88, "score_scratch": 1.38, "score_xz": 1.21}
RIGHT = {"score_open": 0.5, "score_adapt": 0.53, "score_scratch": 0.3}


def card(folder: Path, step: str, *, documents: int = 30, precision: str = "bf16", **changes: Any) -> Input:
    """A scorecard of 30 legal and 10 other documents, which all models find hard or easy together, and 60 questions."""
    random = np.random.default_rng(3)
    sizes = np.ceil(random.lognormal(8, 0.7, documents + 10)).astype(int)
    ease, noise = (
        random.normal(0, 0.1, documents + 10),
        np.random.default_rng(len(step)).normal(0, 0.01, documents + 10),
    )
    level = changes.get("level", LEVELS[step])
    rates = level + ease + noise
    rates[documents:] += changes.get("forgets", 0.0)
    rows = [
        DocumentScore(id=f"d{n}", source="law" if n < documents else "other", bits=float(rate * size), bytes=int(size))
        for n, (rate, size) in enumerate(zip(rates, sizes, strict=True))
    ]
    marks = [] if step == "score_xz" else random.random(60) < RIGHT[step]
    questions = [
        QuestionScore(id=f"q{n}", source="law", cluster=f"d{n // 2}", correct=float(m), chosen=0)
        for n, m in enumerate(marks)
    ]
    out = folder / step
    out.mkdir()
    summary = ScoreSummary(
        model=step.removeprefix("score_"),
        what="xz" if step == "score_xz" else "bundle",
        precision="exact" if step == "score_xz" else precision,
        bits_per_byte={s: bits_per_byte([row for row in rows if row.source == s]) for s in ("law", "other")},
        accuracy={"all": accuracy(questions)} if questions else {},
    )
    write_json(out / "scorecard.json", summary.model_dump())
    write_jsonl(out / "documents.jsonl", [row.model_dump() for row in reversed(rows[:documents])])
    with (out / "documents.jsonl").open("ab") as file:
        file.writelines(row.model_dump_json().encode() + b"\n" for row in rows[documents:])
    write_jsonl(out / "questions.jsonl", [question.model_dump() for question in questions])
    figures: dict[str, float | int | str | bool] = {} if step == "score_xz" else {"bundle": f"k1-{step}"}
    facts = Facts(shape=small_shape(), text_bytes=100_000, figures=figures)
    return Input(f"k1-card-{step}", step, Scorecard(out), facts)


def cards(folder: Path) -> list[Input]:
    return [card(folder, step) for step in ROUTES]


def verdict(folder: Path, scores: list[Input], **changes: Any) -> VerdictSummary:
    routes = {one.step: ROUTES[one.step] for one in scores}
    config = Config.model_validate({"reference": "score_open", "routes": routes, "rented_model": "big"} | changes)
    context = outside(folder, "verdict")
    VerdictStage().run(config, StageRuntime(), Inputs({"scores": scores}), context)
    return Verdict(context.out).summary()


def said(advice: tuple[Sentence, ...], *words: str) -> bool:
    return any(all(word in sentence.en for word in words) for sentence in advice)


def test_routes_carry_scores_and_paired_differences(tmp_path: Path) -> None:
    summary = verdict(tmp_path, cards(tmp_path))
    opened, adapted, scratch, xz, rent = summary.routes
    assert (summary.source, [route.route for route in summary.routes]) == ("law", [*ROUTES.values(), "rent"])
    assert opened.bpb_difference is None and opened.accuracy is not None
    assert adapted.bpb is not None and opened.bpb is not None and adapted.bpb_difference is not None
    assert adapted.bpb_difference.mean == pytest.approx(adapted.bpb.mean - opened.bpb.mean)
    assert adapted.bpb_difference.se is not None and adapted.bpb.se is not None
    assert adapted.bpb_difference.se < adapted.bpb.se / 5, "pairing takes the documents' own ease out"
    assert set(adapted.other_bpb) == {"other"}
    assert (adapted.bundle_key, adapted.score_key, xz.bundle_key) == ("k1-score_adapt", "k1-card-score_adapt", "")
    assert scratch.accuracy_difference is not None and xz.accuracy_difference is None and xz.accuracy is None
    assert (rent.model, rent.bpb, rent.accuracy, rent.step) == ("big", None, None, "")
    assert rent.note == "not measured until you connect it"


def test_advice_says_who_wins_who_loses_and_what_was_too_little(tmp_path: Path) -> None:
    advice = verdict(tmp_path, cards(tmp_path)).advice
    assert said(advice, "adapt beats open on law")
    assert said(advice, "Not enough questions to tell adapt from open", "more")
    assert said(advice, "scratch loses to open on law")
    assert said(advice, "Training from scratch loses to adapting", "bytes for each of its", "usual")
    assert said(advice, "Worse than xz on law", "scratch")
    assert not said(advice, "forgot")


def test_forgetting_is_reported(tmp_path: Path) -> None:
    scores = [card(tmp_path, "score_open"), card(tmp_path, "score_adapt", forgets=0.2)]
    assert said(verdict(tmp_path, scores).advice, "adapt forgot", "on other")


def test_too_little_text_is_said_with_how_much_more(tmp_path: Path) -> None:
    scores = [card(tmp_path, "score_open"), card(tmp_path, "score_adapt", level=0.951)]
    assert said(verdict(tmp_path, scores).advice, "Not enough held-out text to tell adapt from open")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"documents": 29}, "same documents: 1 only in the first, 2 only in the second"),
        ({"precision": "fp32"}, "scored in fp32"),
    ],
)
def test_scores_that_do_not_pair_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    scores = [card(tmp_path, "score_open"), card(tmp_path, "score_adapt", **changes)]
    with pytest.raises(StageError, match=message):
        verdict(tmp_path, scores)


def test_other_questions_are_refused(tmp_path: Path) -> None:
    scores = [card(tmp_path, "score_open"), card(tmp_path, "score_adapt")]
    path = tmp_path / "score_adapt" / "questions.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"q7"', b'"q77"'))
    with pytest.raises(StageError, match=r"same questions: 1 only in the first, 1 only in the second, .*law/q77"):
        verdict(tmp_path, scores)


def test_routes_must_name_the_scores_given(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="score_xz"):
        verdict(tmp_path, cards(tmp_path), routes={"score_open": "open"})
    with pytest.raises(ValidationError, match="not one of the routes"):
        Config(reference="x", routes={"score_open": "open"})


# money


class Listed(NamedTuple):
    """A row of a price table."""

    prompt: Price
    completion: Price


def usd(nano: int) -> Money:
    return Money(nano=nano, currency="USD")


def price(nano: int, unit: Any) -> Price:
    return Price(money=usd(nano), unit=unit, source="a list", date="2026-01-01")


RENTED = Listed(price(150_000_000, "million_prompt_tokens"), price(600_000_000, "million_completion_tokens"))
HOURLY = Rates(machine_hour=price(100_000_000, "machine_hour"))
SPEED = Facts(prompt_tokens_per_s=500.0, decode_tokens_per_s=100.0)
MADE = Cost(wall_s=3600.0, joules=3.6e6, joules_by="modelled")
BUNDLES = [f"k1-{step}" for step in RIGHT]
MADE_OF = [(bundle,) for bundle in BUNDLES]


def table(summary: VerdictSummary, rates: Rates, rented: Listed | None = RENTED, **more: Any) -> dict[str, RouteMoney]:
    prices = {} if rented is None else {"big": rented}
    ledger = Ledger(dict.fromkeys(MADE_OF, MADE), dict.fromkeys(BUNDLES, SPEED), rates, prices, **more)
    return {line.route: line for line in routes_table(summary, ledger)}


def test_money_is_exact(tmp_path: Path) -> None:
    lines = table(verdict(tmp_path, cards(tmp_path)), HOURLY)
    # 1000 / 500 + 300 / 100 = 5 s an answer; 5000 s of 0.1 USD an hour; 1000 * 0.15 + 300 * 0.6 USD a million
    assert lines["adapt"].latency_s == pytest.approx(5.0)
    assert lines["adapt"].cost_per_1000 == usd(138_888_889)
    assert lines["adapt"].cost_to_make == usd(100_000_000)
    assert (lines["rent"].cost_per_1000, lines["rent"].cost_to_make) == (usd(330_000_000), usd(0))
    assert lines["adapt"].break_even_answers == 524  # 0.1 / (0.00033 - 0.000138888889) = 523.3
    assert lines["rent"].break_even_answers is None
    xz = lines["baseline"]
    assert (xz.cost_to_make, xz.cost_per_1000, xz.break_even_answers) == (None, None, None)


def test_unknown_prices_stay_unknown(tmp_path: Path) -> None:
    summary = verdict(tmp_path, cards(tmp_path))
    electricity = Rates(electricity=price(200_000_000, "kwh"))
    nothing = table(summary, Rates())["adapt"]
    assert (nothing.cost_to_make, nothing.cost_per_1000, nothing.break_even_answers) == (None, None, None)
    no_watts = table(summary, electricity)["adapt"]
    assert (no_watts.cost_to_make, no_watts.cost_per_1000) == (usd(200_000_000), None)
    assert table(summary, electricity, watts=36.0)["adapt"].cost_per_1000 == usd(10_000_000)
    assert table(summary, HOURLY, rented=None)["rent"].cost_per_1000 is None


@given(st.integers(0, 10**12), st.integers(0, 10**10), st.integers(0, 10**10))
def test_break_even_is_the_first_answer_at_which_own_is_not_dearer(make: int, own: int, rent: int) -> None:
    answers = break_even(usd(make), usd(own), usd(rent))
    if rent <= own:
        assert answers is None
        return
    assert answers is not None
    assert make * 1000 + answers * own <= answers * rent
    assert answers == 0 or make * 1000 + (answers - 1) * own > (answers - 1) * rent


def test_currencies_are_not_mixed() -> None:
    assert break_even(usd(5), usd(1), Money(nano=9, currency="EUR")) is None


def test_rented_cost_is_rounded_up_once() -> None:
    assert rented_cost(Listed(price(1, "million_prompt_tokens"), price(1, "million_completion_tokens")), 1, 1) == usd(1)


@pytest.mark.parametrize(
    ("hour", "rented", "words"),
    [
        (100_000_000, RENTED, ("Take adapt from 524 answers on, rent big below",)),
        (900_000_000, RENTED, ("Rent big at any volume", "not measured until you connect it")),
        (100_000_000, None, ("By quality take adapt", "no rented model's price")),
    ],
)
def test_advice_with_money(tmp_path: Path, hour: int, rented: Listed | None, words: tuple[str, ...]) -> None:
    summary = verdict(tmp_path, cards(tmp_path))
    costs, facts = dict.fromkeys(MADE_OF, MADE), dict.fromkeys(BUNDLES, SPEED)
    prices = {} if rented is None else {"big": rented}
    found = report(summary, costs, facts, Rates(machine_hour=price(hour, "machine_hour")), prices)
    assert found.advice[-len(summary.advice) :] == summary.advice, "what to do stands first, what it follows from below"
    assert said(found.advice, *words)
    assert said(found.advice, "What would change that") is (rented is not None)


def test_json_has_the_promised_fields(tmp_path: Path) -> None:
    found = report(verdict(tmp_path, cards(tmp_path)), {}, {}, HOURLY, {"big": RENTED}).model_dump(mode="json")
    promised = {"route", "model", "bpb", "bpb_se", "accuracy", "accuracy_se", "cost_to_make", "cost_per_1000"}
    assert promised | {"break_even_answers"} <= set(found["routes"][0])
    assert all(sentence["en"] and sentence["zh"] for sentence in found["advice"])


def test_the_stage_is_cheap_to_plan() -> None:
    config = Config(reference="score_open", routes={"score_open": "open"})
    assert VerdictStage().estimate(config, {}, MACHINE).seconds.p50 < 1
    assert VerdictStage().predict(config, {}).figures == {"routes": 1}
