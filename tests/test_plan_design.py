"""Recipes that make the most of a budget, priced by a simple made-up machine."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luosi import Workspace
from luosi.artifacts import ModelShape
from luosi.cost import Estimate, Interval, Machine, Money, Price, Rates
from luosi.errors import UsageError
from luosi.plan.budget import Budget, parse_budget
from luosi.plan.chain import Address, Given, Job, OpenModel, Text
from luosi.plan.demand import answering, parse_demand
from luosi.plan.design import design
from luosi.plan.finished import History
from luosi.plan.forecast import Forecast
from luosi.plan.laws import AdaptedRun, ScratchRun, Training
from luosi.plan.pricing import completer, pricer
from luosi.plan.scaling import SCRATCH_SHAPES
from luosi.plan.scratch import Scratch
from luosi.stages.command.stage import CommandStage

SHAPE = ModelShape(family="llama", vocab_size=49152, layers=30, width=576, heads=9, kv_heads=3, head_dim=64, ff=1536)
MACHINE = Machine(
    name="two cores", cores=2, memory_bytes=2**34, fp32_flops=2e11, bf16_flops=8e11, watts_busy=7, source="measured"
)
RATES = Rates(machine_hour=Price(money=Money(nano=10**8, currency="USD"), unit="machine_hour", source="", date=""))
BATCH = 256
DEFAULTS: dict[str, dict[str, Any]] = {
    "finetune": {"rank": 16, "learning_rate": 1e-3},
    "pretrain": {"batch_tokens": 4096, "matrix_lr": 0.005, "vector_lr": 0.03},
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
    assert steps["adapt"]["sequence"] == steps["adapt"]["batch_tokens"] == BATCH
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
    tokens = max(1, min(16, int(made.texts[0].text_bytes / BATCH))) * BATCH
    return Interval.around(30 + tokens * 0.004 + 20 + 15, 0.2).p90


def test_too_small_a_budget_names_the_smallest_that_would_do_and_it_does() -> None:
    with pytest.raises(UsageError, match="too small") as caught:
        designed("20 s")
    proposed = caught.value.hint.partition('"')[2].rstrip('"')
    _, recipe = designed(proposed)
    assert 16 * BATCH <= recipe["steps"]["adapt"]["tokens"] < 20 * BATCH  # what is proposed is rounded up
    assert recipe["steps"]["exam"]["questions"] == 30  # less evidence before no recipe at all


@pytest.mark.parametrize("budget", ["600 s", "0.02 USD", "1.5 Wh", "6e13 FLOP"])
def test_budgets_of_every_kind_bind(budget: str) -> None:
    text, recipe = designed(budget)
    assert 16 * BATCH < recipe["steps"]["adapt"]["tokens"] < 2_000_000
    assert "the budget holds with a chance of nine in ten" in text.replace("\n# ", " ")


def test_compiling_is_chosen_where_it_pays() -> None:
    assert designed("3 min")[1]["steps"]["adapt"]["compile"] is False
    assert designed("1 h")[1]["steps"]["adapt"]["compile"] is True


def test_replay_needs_another_text_and_precision_the_machine() -> None:
    texts = (Text("own", ("a",), "ab" * 32, 10**6), Text("general", ("b",), "cd" * 32, 10**6))
    _, recipe = designed("10 min", texts=texts)
    assert recipe["steps"]["adapt"]["replay"] == 0.05
    assert recipe["steps"]["adapt"]["precision"] == "bf16"
    slow = MACHINE.model_copy(update={"bf16_flops": MACHINE.fp32_flops})
    _, recipe = designed("10 min", machine=slow)
    assert recipe["steps"]["adapt"]["replay"] == 0.0
    assert {recipe["steps"][name]["precision"] for name in ("adapt", "score_open", "score_xz")} == {"fp32"}


def test_a_model_from_scratch_only_where_text_and_budget_reach() -> None:
    text, recipe = designed("10 min")
    assert "scratch" not in recipe["steps"] and "A model from scratch is left out" in text
    _, recipe = designed("10 day", text_bytes=200_000_000)
    assert recipe["steps"]["verdict"]["routes"]["score_scratch"] == "scratch"
    _, recipe = designed("10 h", text_bytes=200_000_000)
    assert "scratch" not in recipe["steps"]


def size(recipe: dict[str, Any]) -> tuple[int, int]:
    """(parameters in layers, tokens) of its model from scratch."""
    step = recipe["steps"]["scratch"]
    return step["layers"] * step["width"] ** 2, step["steps"] * step["batch_tokens"]


def test_a_larger_budget_trains_a_larger_model_and_less_text_a_smaller_one() -> None:
    sizes = [
        size(designed(budget, text_bytes=200_000_000)[1])[0] for budget in ("9.05 day", "9.2 day", "10 day", "40 day")
    ]
    assert sizes == sorted(sizes) and sizes[0] < sizes[1] < sizes[-1]
    most = designed("400 day", text_bytes=2_000_000_000)[1]
    assert size(most)[0] > sizes[-1] and size(most)[1] > 4 * size(designed("40 day", text_bytes=200_000_000)[1])[1]


@pytest.mark.parametrize("budget", ["9.05 day", "40 day"])
def test_no_size_within_the_budget_has_a_clearly_better_forecast(budget: str) -> None:
    made = job(200_000_000)
    forecast = Forecast(made)
    recipe = tomllib.loads(design(made, parse_budget(budget), rates=RATES, price=price))
    _, tokens = size(recipe)
    chosen = next(one for one in SCRATCH_SHAPES if (one.layers, one.width) == shape_of(recipe))
    best = forecast.scratch(Scratch(chosen, tokens)).p50
    for other in SCRATCH_SHAPES:
        step = Scratch(other, 1.0).steps("", "bf16", complete)["scratch"][2] | {"steps": 1, "batch_tokens": 1}
        without = {name: one for name, one in recipe["steps"].items() if name != "scratch"}
        left = (parse_budget(budget).amount - price({"steps": without}).seconds.p90) / 1.4
        each = price({"steps": {**without, "scratch": step}}).seconds.p50 - price({"steps": without}).seconds.p50
        paid = min(left / each, Scratch.of_text(other, 4 * 200_000_000).tokens)
        assert forecast.scratch(Scratch(other, paid)).p50 > best * 0.985


def shape_of(recipe: dict[str, Any]) -> tuple[int, int]:
    step = recipe["steps"]["scratch"]
    return step["layers"], step["width"]


def test_many_answers_ask_for_a_smaller_model_trained_longer() -> None:
    few, many = (designed("3 day", text_bytes=2_000_000_000, answers=answers) for answers in (1.0, 1e5))
    assert size(many[1])[0] < size(few[1])[0]
    assert size(many[1])[1] > size(few[1])[1]
    assert "for 100,000 answers with it" in many[0].replace("\n# ", " ")
    none = designed("3 day", text_bytes=2_000_000_000)[1]
    assert "scratch" not in none["steps"]  # adapting takes it all
    assert none["steps"]["adapt"]["tokens"] > few[1]["steps"]["adapt"]["tokens"] > 8 * BATCH
    text, recipe = designed("3 day", text_bytes=2_000_000_000, answers=1e9)
    assert "scratch" not in recipe["steps"] and recipe["steps"]["adapt"] == none["steps"]["adapt"]
    assert "and 1,000,000,000 answers" in text.replace("\n# ", " ")


@settings(max_examples=20, deadline=None)
@given(st.floats(3600, 1e7), st.floats(1.0, 1e6), st.integers(20_000, 10**9))
def test_making_and_answering_stay_within_the_budget(seconds: float, answers: float, text_bytes: int) -> None:
    made = job(text_bytes, answers=answers)
    recipe = tomllib.loads(design(made, Budget(kind="seconds", amount=seconds), rates=RATES, price=price))
    spent = price(recipe)
    if "scratch" in recipe["steps"]:
        shape = next(one for one in SCRATCH_SHAPES if (one.layers, one.width) == shape_of(recipe))
        spent += answering(shape, MACHINE, answers)
        assert size(recipe)[1] <= 1.01 * Scratch.of_text(shape, 4 * text_bytes).tokens
    assert spent.seconds.p90 <= seconds * (1 + 1e-6)


def test_batch_and_rates_follow_rules_and_begin_at_the_defaults() -> None:
    smallest, largest = SCRATCH_SHAPES[0], SCRATCH_SHAPES[-1]
    few = Scratch(smallest, 655_360).steps("", "bf16", complete)["scratch"][2]
    assert (few["batch_tokens"], few["matrix_lr"], few["vector_lr"], few["steps"]) == (4096, 0.005, 0.03, 160)
    many = Scratch(largest, 4.7e9).steps("", "bf16", complete)["scratch"][2]
    assert many["batch_tokens"] == 131_072 and many["steps"] * 131_072 == pytest.approx(4.7e9, rel=1e-3)
    assert 0.3 < many["matrix_lr"] / 0.005 < 0.4 and 0.3 < many["vector_lr"] / 0.03 < 0.4


@pytest.mark.parametrize("shape", SCRATCH_SHAPES, ids=lambda shape: f"{shape.parameters / 1e6:.0f}M")
def test_the_stages_take_every_size_on_every_amount(shape: ModelShape) -> None:
    for tokens in (1e3, 1e6, 1e8, 1e10):
        made = Scratch(shape, tokens).steps("x", "bf16", completer(WORKSPACE.stages))
        config = WORKSPACE.stages["pretrain"].Config.model_validate(
            {name: value for name, value in made["scratch"][2].items() if name != "runtime"}
        )
        assert config.shape(shape.vocab_size) == shape
        assert config.steps * config.batch_tokens == pytest.approx(tokens, abs=config.batch_tokens)


def test_a_demand_is_read_first_and_its_cost_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="how many answers"):
        WORKSPACE.new(["none.txt"], "1 h", serve="many")
    file = tmp_path / "text.txt"
    file.write_text("".join(f"Clause {number}: the licensee keeps notice {number * 7}.\n\n" for number in range(2000)))
    workspace = Workspace(tmp_path / "work")
    workspace.machine = lambda: MACHINE  # type: ignore[method-assign]
    text = workspace.new([file], "10 h", serve="1000 a day for 1 year").replace("\n# ", " ")
    assert re.search(
        r"Answering 365,000 times then takes about [0-9.]+ day by the adapted model, [0-9.]+ (h|day) by", text
    )


WORKSPACE = Workspace("never-written-to")
SCRATCH_RUN = ScratchRun(Training("ab" * 32, 3_145_728, 2_483_433, 13_898_099), 1.648)
ADAPTED_RUN = AdaptedRun("ab" * 32, "cd" * 32, 40_960, 0.898, 0.813)


def interval(text: str) -> tuple[float, float, float]:
    """The forecast that a comment of the recipe holds: middle, low, high."""
    found = re.search(r"Forecast: ([0-9.]+) bits per byte \(([0-9.]+) to ([0-9.]+), 80 %\)", text.replace("\n# ", " "))
    assert found
    return float(found[1]), float(found[2]), float(found[3])


def test_the_recipe_says_what_it_forecasts_and_from_what() -> None:
    plain = designed("10 day", text_bytes=200_000_000)[0]
    taught = designed("10 day", text_bytes=200_000_000, history=History(scratch=(SCRATCH_RUN,)))[0]
    first, then = interval(plain), interval(taught)
    assert then[2] / then[1] < 0.75 * first[2] / first[1]
    assert then[0] < first[0]  # the run was better than the law
    assert "no run of this workspace has corrected yet" in plain.replace("\n# ", " ")
    assert "corrected by 1 finished run of this workspace, 1 of them on this text" in taught.replace("\n# ", " ")
    assert "arXiv 2001.08361" in plain
    # where none is made, the smallest's is there all the same
    assert interval(designed("10 min")[0])[0] > first[0]


def test_adapting_is_forecast_from_earlier_runs_only() -> None:
    known = {("cd" * 32, "ab" * 32): 0.898}

    def said(history: History) -> str:
        return designed("10 min", history=history)[0].replace("\n# ", " ")

    assert "after adapting are not known before a first run" in said(History())
    assert "needs 0.898 bits per byte of this text; what adapting saves is not known" in said(History(open_bpb=known))
    gain_only = said(History(adapted=(replace(ADAPTED_RUN, text="other"),)))
    assert "fewer bits per byte than Small-135M as it is" in gain_only and "other texts or models" in gain_only
    both = said(History(adapted=(ADAPTED_RUN,), open_bpb=known))
    middle, low, high = interval(both)
    assert 0.7 < low < middle < 0.898 and low < 0.813 and middle < high < 0.898
    assert "by 1 finished run of adapting to this text" in both


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        ("1000 a day for 1 year", 365_000), ("1,000 answers per day for a year", 365_000), ("50/hour for 2 weeks", 16_800),
        ("2 a week for 3 Months", 26.07), ("", 0), ("  ", 0),
    ],
)  # fmt: skip
def test_demands_are_read(text: str, answers: float) -> None:
    assert parse_demand(text) == pytest.approx(answers, rel=1e-3)


@pytest.mark.parametrize(
    "text",
    [
        "1000",
        "many a day for 1 year",
        "1000 a day",
        "1000 a day for ever",
        "-5 a day for 1 year",
        "nan a day for 1 year",
    ],
)
def test_other_demands_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match=r"hint: as in"):
        parse_demand(text)


@pytest.mark.parametrize(("shape", "measured_s"), [(SHAPE, 3.6), (SCRATCH_SHAPES[0], 0.139)])
def test_an_answer_takes_as_long_as_the_engine_did(shape: ModelShape, measured_s: float) -> None:
    """1,000 tokens of prompt and 300 of answer in 8 bits, as measured with bundles on the machine that measured 1.04e11 FLOP/s."""
    machine = MACHINE.model_copy(update={"fp32_flops": 1.04e11})
    assert answering(shape, machine, 1000.0).seconds.p50 == pytest.approx(1000 * measured_s, rel=0.15)


def test_a_demand_for_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="no answers"):
        parse_demand("0 a day for 1 year")


def test_less_is_held_out_where_that_pays_for_finding_passages_by_meaning() -> None:
    asked: dict[str, Any] = {"questions": Given("q.jsonl", "ef" * 32), "encoders": ("multilingual",)}
    for budget, heldout, encoder in (
        ("3.5 min", 50_000, "none"),
        ("4 min", 20_000, "multilingual"),
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
