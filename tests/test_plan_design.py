"""Recipes that make the most of a budget, priced by a simple made-up machine."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luosi.artifacts import ModelShape
from luosi.cost import Estimate, Interval, Machine, Money, Price, Rates
from luosi.errors import UsageError
from luosi.plan.budget import Budget, parse_budget
from luosi.plan.chain import Address, Given, Job, OpenModel, Text
from luosi.plan.design import design
from luosi.plan.pricing import completer, pricer
from luosi.stages.command.stage import CommandStage

SHAPE = ModelShape(family="llama", vocab_size=49152, layers=30, width=576, heads=9, kv_heads=3, head_dim=64, ff=1536)
MACHINE = Machine(
    name="two cores", cores=2, memory_bytes=2**34, fp32_flops=2e11, bf16_flops=8e11, watts_busy=7, source="measured"
)
RATES = Rates(machine_hour=Price(money=Money(nano=10**8, currency="USD"), unit="machine_hour", source="", date=""))
BATCH = 2048
DEFAULTS: dict[str, dict[str, Any]] = {
    "finetune": {"batch_tokens": BATCH, "rank": 16, "learning_rate": 1e-3},
    "pretrain": {"batch_tokens": 8192},
}


def complete(stage: str, fields: dict[str, Any]) -> dict[str, Any]:
    return {**DEFAULTS.get(stage, {}), **fields, "runtime": {"workers": 1}}


def price(recipe: dict[str, Any]) -> Estimate:
    steps = recipe["steps"]
    adapt = steps["adapt"]
    seconds = 30 + adapt["tokens"] * (0.003 if adapt["compile"] else 0.004) + (40 if adapt["compile"] else 0)
    seconds += steps["curate"]["heldout_max_bytes"] * 1e-3 + steps["exam"]["questions"] * 0.5
    seconds += 60.0 if steps.get("passages", {}).get("encoder") == "multilingual" else 0.0
    if "scratch" in steps:
        size = steps["scratch"]["width"] ** 2 * steps["scratch"]["layers"]
        seconds += steps["scratch"]["steps"] * steps["scratch"]["batch_tokens"] * size * 1e-10
    spread = Interval.around(seconds, 0.2)
    return Estimate(seconds=spread, joules=spread.times(7), flop=seconds * 1e11)


def job(text_bytes: int = 2_000_000, **changes: Any) -> Job:
    given: dict[str, Any] = {
        "name": "mine",
        "texts": (Text("letters", ('C:\\a "b"\n.txt',), "ab" * 32, text_bytes),),
        "model": OpenModel("Small-135M", "cd" * 32, SHAPE, distribution="small==1.0", file="*.gguf"),
        "machine": MACHINE,
        "rented_model": "gpt-6-luna",
        "complete": complete,
    }
    return Job(**{**given, **changes})


def designed(budget: str, **changes: Any) -> tuple[str, dict[str, Any]]:
    text = design(job(**changes), parse_budget(budget), rates=RATES, price=price)
    return text, tomllib.loads(text)


def test_a_recipe_is_complete_and_wired() -> None:
    text, recipe = designed("10 min", questions=Given("q.jsonl", "ef" * 32))
    steps = recipe["steps"]
    assert list(steps) == [
        "curate", "exam", "passages", "open", "ship_open", "open_q8", "adapt", "pairs", "tuned", "ship_adapt", "adapt_q8",
        "score_open", "score_adapt", "score_xz", "race", "verdict",
    ]  # fmt: skip
    for name, step in steps.items():
        for source in step.get("inputs", {}).values():
            for upstream in [source] if isinstance(source, str) else source:
                assert list(steps).index(upstream) < list(steps).index(name)
        assert step["runtime"] == {"workers": 1}
    assert steps["adapt"]["rank"] == 16  # a default, written out
    assert steps["curate"]["sources"][0]["paths"] == ['C:\\a "b"\n.txt']
    assert steps["open"]["shape"]["width"] == 576 and "path" not in steps["open"]
    assert steps["exam"]["own"] == "q.jsonl"
    assert steps["verdict"]["routes"] == {"score_open": "open", "score_adapt": "adapt", "score_xz": "baseline"}
    assert steps["verdict"]["inputs"] == {"scores": ["score_open", "score_adapt", "score_xz"], "answers": "race"}
    assert set(steps["race"]["arms"]) == {"open", "open_files", "adapt", "adapt_files"}
    assert steps["race"]["inputs"]["bundles"] == ["open_q8", "adapt_q8"]
    assert recipe["budget"] == {"seconds": 600.0}
    assert text.startswith("# Written by `luosi new` for a budget of 10 min")


def test_without_questions_of_ones_own_there_is_no_race() -> None:
    _, recipe = designed("10 min")
    assert not {"passages", "pairs", "tuned", "race"} & set(recipe["steps"])
    assert recipe["steps"]["ship_adapt"]["inputs"] == {"model": "adapt"}


def test_rented_models_are_arms_with_their_price_and_a_cap() -> None:
    price = {"prompt_nano": 1, "completion_nano": 2, "currency": "USD", "source": "a list", "date": "2026-11-22"}
    rented = Address("big", "https://host/v1", "openai", "KEY", price)
    _, recipe = designed("10 min", questions=Given("q.jsonl", "ef" * 32), rented=(rented,), cap_nano=5)
    race = recipe["steps"]["race"]
    assert race["arms"]["rent"] == {"route": "rent", "rented": "big", "files": False}
    assert race["arms"]["rent_files"]["files"]
    assert race["rented"]["big"]["completion_nano"] == 2 and race["cap_nano"] == 5


@settings(max_examples=40, deadline=None)
@given(st.floats(150, 1e5), st.integers(20_000, 50_000_000))
def test_as_many_tokens_as_the_budget_and_the_text_allow(seconds: float, text_bytes: int) -> None:
    budget = Budget(kind="seconds", amount=seconds)
    made = job(text_bytes)
    try:
        recipe = tomllib.loads(design(made, budget, rates=RATES, price=price))
    except UsageError:
        assert price_of_least(made) > seconds
        return
    tokens = recipe["steps"]["adapt"]["tokens"]
    assert tokens % BATCH == 0
    assert price(recipe).seconds.p90 <= seconds
    recipe["steps"]["adapt"]["tokens"] = tokens + BATCH
    epochs = (tokens + BATCH) / (text_bytes / 4)
    assert price(recipe).seconds.p90 > seconds or epochs > 4 or "scratch" in recipe["steps"]
    assert tokens == BATCH or tokens <= text_bytes


def price_of_least(made: Job) -> float:
    """Of the cheapest recipe there is for this job: what the refusal must be about."""
    tokens = max(1, min(8, int(made.texts[0].text_bytes / BATCH))) * BATCH
    return Interval.around(30 + tokens * 0.004 + 20 + 15, 0.2).p90


def test_too_small_a_budget_names_the_smallest_that_would_do_and_it_does() -> None:
    with pytest.raises(UsageError, match="too small") as caught:
        designed("20 s")
    proposed = caught.value.hint.partition('"')[2].rstrip('"')
    _, recipe = designed(proposed)
    assert recipe["steps"]["adapt"]["tokens"] == 8 * BATCH
    assert recipe["steps"]["exam"]["questions"] == 30  # less evidence before no recipe at all


@pytest.mark.parametrize("budget", ["600 s", "0.02 USD", "1.5 Wh", "6e13 FLOP"])
def test_budgets_of_every_kind_bind(budget: str) -> None:
    text, recipe = designed(budget)
    assert 8 * BATCH < recipe["steps"]["adapt"]["tokens"] < 2_000_000
    assert "the budget holds with a chance of nine in ten" in text.replace("\n# ", " ")


def test_compiling_is_chosen_where_it_pays() -> None:
    assert designed("3 min")[1]["steps"]["adapt"]["compile"] is False
    assert designed("1 h")[1]["steps"]["adapt"]["compile"] is True


def test_replay_needs_another_text_and_precision_the_machine() -> None:
    texts = (Text("own", ("a",), "ab" * 32, 10**6), Text("general", ("b",), "cd" * 32, 10**6))
    _, recipe = designed("10 min", texts=texts)
    assert recipe["steps"]["adapt"]["replay"] == 0.1
    assert recipe["steps"]["adapt"]["precision"] == "bf16"
    slow = MACHINE.model_copy(update={"bf16_flops": MACHINE.fp32_flops})
    _, recipe = designed("10 min", machine=slow)
    assert recipe["steps"]["adapt"]["replay"] == 0.0
    assert {recipe["steps"][name]["precision"] for name in ("adapt", "score_open", "score_xz")} == {"fp32"}


def test_a_model_from_scratch_only_where_text_and_budget_reach() -> None:
    text, recipe = designed("10 min")
    assert "scratch" not in recipe["steps"] and "A model from scratch is left out" in text
    _, recipe = designed("10 day", text_bytes=200_000_000)
    scratch = recipe["steps"]["scratch"]
    parameters = 4_197_120
    assert scratch["width"] == 256
    assert scratch["steps"] * scratch["batch_tokens"] == pytest.approx(20 * parameters, rel=0.01)
    assert recipe["steps"]["verdict"]["routes"]["score_scratch"] == "scratch"
    text, recipe = designed("10 h", text_bytes=200_000_000)
    assert "scratch" not in recipe["steps"]


def test_less_is_held_out_where_that_pays_for_finding_passages_by_meaning() -> None:
    asked: dict[str, Any] = {"questions": Given("q.jsonl", "ef" * 32), "encoders": ("multilingual",)}
    for budget, heldout, encoder in (
        ("4 min", 50_000, "none"),
        ("4.5 min", 20_000, "multilingual"),
        ("10 min", 50_000, "multilingual"),
    ):
        _, recipe = designed(budget, **asked)
        assert (recipe["steps"]["curate"]["heldout_max_bytes"], recipe["steps"]["passages"]["encoder"]) == (
            heldout,
            encoder,
        )


def test_chinese_spelled_byte_by_byte_leaves_room_for_fewer_passages() -> None:
    asked: dict[str, Any] = {"questions": Given("q.jsonl", "ef" * 32)}
    made_for_chinese = OpenModel("Q", "cd" * 32, SHAPE.model_copy(update={"vocab_size": 151_936}), path="q")
    for passages, changes in ((3, {}), (2, {"chinese": True}), (3, {"chinese": True, "model": made_for_chinese})):
        _, recipe = designed("30 min", **asked, **changes)
        assert recipe["steps"]["race"]["passages"] == recipe["steps"]["pairs"]["passages"] == passages


def test_no_text_is_refused() -> None:
    with pytest.raises(UsageError, match="no text"):
        designed("10 min", text_bytes=0)


def test_recipes_are_completed_and_priced_by_the_stages_themselves() -> None:
    stages = {"command": CommandStage()}
    step = completer(stages)("command", {"command": ["wc"], "expected_seconds": 30})
    assert step["env"] == {} and step["version"] == "" and step["runtime"] == {}
    table = {"name": "x", "budget": {"seconds": 60}, "steps": {}}
    one = {**table, "steps": {"a": {"stage": "command", **step}}}
    two = {**table, "steps": {**one["steps"], "b": {"stage": "command", "inputs": {"inputs": "a"}, **step}}}
    price = pricer(stages, MACHINE)
    assert price(one).seconds.p50 == pytest.approx(30)
    assert price(two).seconds.p50 == pytest.approx(60)
