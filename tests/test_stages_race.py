"""Races of models of one's own, in real engines and from the files that ship; and what a race is told before it starts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from luosi.artifacts import Answers, Facts
from luosi.artifacts.answers import Answered
from luosi.cost import Cost
from luosi.errors import InputError, Interrupted, RecipeError
from luosi.models.choices import take
from luosi.models.likelihood import choice_bits, open_language_model
from luosi.pipeline.key import artifact_key
from luosi.retrieval.search import Searcher
from luosi.stages.race.config import Config
from luosi.stages.race.own import Loaded
from luosi.stages.race.stage import RaceStage
from tests.evidence_kit import MACHINE, outside
from tests.models_kit import small_shape
from tests.race_kit import arms, bundle, choice_questions, exam, free_questions, index, inputs, knows, rented, run
from tests.remote_kit import Answer, Seen, serving


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Matrices this small only wait for a second thread, at length where the machine is busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def config(*steps: str, **changes: object) -> Config:
    own = {step: {"route": "open", "bundle": step} for step in steps}
    fields: dict[str, Any] = {"arms": own, "reference": steps[0], "precision": "fp32", "answer_tokens": 8}
    return Config.model_validate(fields | changes)


def by_arm(answers: Answers) -> dict[str, list[Answered]]:
    rows = list(answers.answers())
    return {arm: [one for one in rows if one.arm == arm] for arm in dict.fromkeys(one.arm for one in rows)}


# models of one's own


def test_two_models_answer_in_words_and_by_likelihood(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    models = {name: bundle(tmp_path / name, name, seed=seed) for seed, name in enumerate(("one", "two"))}
    given = inputs(exam(tmp_path / "exam", free_questions(4) + choice_questions(6)), **models)
    whole = outside(tmp_path, "whole")
    answers, facts = run(config("one", "two"), given, whole)
    rows = by_arm(answers)
    questions = {question.id: question for question in answers.questions()}
    assert [len(rows[arm]) for arm in ("one", "two")] == [10, 10]
    assert [one.text for one in rows["one"]] != [one.text for one in rows["two"]]
    for arm, made in models.items():
        lm = open_language_model(made.gguf, "fp32")
        for one in rows[arm]:
            question = questions[one.question]
            if question.choices:
                with torch.inference_mode():
                    bits = choice_bits(lm, question.prompt, question.choices)
                taken = take(question.choices, question.answer, bits)
                assert (one.chosen, one.mark, one.text) == (*taken, question.choices[taken.chosen])
            else:
                assert one.chosen is None
                assert one.answer_tokens is not None
                assert 0 < one.answer_tokens <= 8
    assert [arm.model for arm in answers.summary().arms] == ["one, Q8_0", "two, Q8_0"]
    assert [arm.bundle_key for arm in answers.summary().arms] == ["k1-one", "k1-two"]
    assert not any(arm.leaves_house for arm in answers.summary().arms)
    assert facts.arms is not None
    assert facts.arms["one"].busy_s > 0
    assert facts.arms["one"].fees is None
    assert facts.arms["one"].prompt_tokens == sum(one.prompt_tokens or 0 for one in rows["one"])

    spent = Cost()
    for stop_after in (2, 5, 8):
        context = outside(tmp_path, "stopped", stop_after)
        with pytest.raises(Interrupted):
            run(config("one", "two"), given, context)
        spent += context.spent
    context = outside(tmp_path, "stopped")
    run(config("one", "two"), given, context)
    assert (spent + context.spent).tokens == whole.spent.tokens
    for path in whole.out.iterdir():
        assert path.read_bytes() == (context.out / path.name).read_bytes()


def test_a_question_too_long_is_cut_and_said(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    long = {"id": "long", "source": "own", "prompt": "It rains. " * 300 + "Why?", "answers": ["clouds"], "grader": "f1"}
    choices = choice_questions(1)[0]
    choices = choices | {"id": "long choice", "prompt": "It rains. " * 300 + choices["prompt"]}
    given = inputs(
        exam(tmp_path / "exam", [long, choices, *free_questions(1)]), one=bundle(tmp_path / "one", "one", seed=0)
    )
    answers, facts = run(config("one"), given, outside(tmp_path, "short"))
    assert facts.figures["fitted"] == 2
    assert all(
        not one.trouble and (one.prompt_tokens or 0) <= 600 for one in answers.answers() if one.question == "long"
    )


def test_a_model_without_room_for_a_question_says_so(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    given = inputs(exam(tmp_path / "exam", free_questions(4)), one=bundle(tmp_path / "one", "one", seed=0, context=24))
    answers, _ = run(config("one"), given, outside(tmp_path, "one"))
    (arm,) = answers.summary().arms
    assert (arm.asked, arm.stopped) == (4, "")  # own models are asked on: it costs nothing to ask
    assert all("context of 24 tokens" in one.trouble and one.mark == 0 for one in answers.answers())


def test_what_is_loaded_stays_within_memory() -> None:
    loads: list[str] = []

    def get(name: str, size: float) -> str:
        return loaded.get(name, size, lambda: loads.append(name) or name)  # type: ignore[func-returns-value, return-value]

    with Loaded(100) as loaded:
        for name, size in [("a", 40), ("b", 40), ("a", 40), ("c", 40), ("a", 40), ("b", 40), ("huge", 500), ("a", 40)]:
            assert get(name, size) == name
    assert loads == ["a", "b", "c", "b", "huge", "a"]


# with the files


def test_the_files_are_searched_shown_and_cited(tmp_path: Path) -> None:
    def names_the_second(seen: Seen) -> Answer:
        return Answer(f"{knows(seen.prompt.split('Question:')[1])} [2]", usage=(len(seen.prompt), 5))

    questions = [question | {"file": f"{n % 3}.pdf", "page": n + 1} for n, question in enumerate(free_questions(6))]
    with serving(names_the_second) as server:
        both = {"plain": {"route": "rent", "rented": "m"}, "files": {"route": "rent", "rented": "m", "files": True}}
        fields = {"arms": both, "rented": {"m": rented(server.url)}, "reference": "plain", "cap_nano": 10**9}
        given = inputs(exam(tmp_path / "exam", questions), index=index(tmp_path / "index"))
        answers, facts = run(Config.model_validate(fields | {"passages": 3}), given, outside(tmp_path, "one"))
        shown = [seen.prompt for seen in server.seen if "from the text above" in seen.prompt]
    rows = by_arm(answers)
    assert len(shown) == 6
    for one in rows["files"]:
        assert [(passage.number, passage.cited) for passage in one.passages] == [(1, False), (2, True), (3, False)]
        assert knows(one.passages[0].heading) in one.passages[0].text
        assert (one.mark, one.marks["citation"]) == (1.0, 0.0)  # it names another than the one it is from
    assert all(one.passages == () and "citation" not in one.marks for one in rows["plain"])
    plain, files = answers.summary().arms
    assert (plain.files, plain.index_key, files.files, files.index_key) == (False, "", True, "k1-passages")
    assert facts.arms is not None
    assert facts.arms["plain"].busy_s == 0 < facts.arms["files"].busy_s  # the search is this machine's work


def test_passages_that_do_not_fit_are_left_out_from_the_last(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    model, found = bundle(tmp_path / "one", "one", seed=0), index(tmp_path / "index")
    own = {"plain": {"route": "open", "bundle": "one"}, "files": {"route": "open", "bundle": "one", "files": True}}
    questions = free_questions(2) + choice_questions(2)
    given = inputs(exam(tmp_path / "exam", questions), index=found, one=model)
    answers, facts = run(config("one", arms=own, reference="plain"), given, outside(tmp_path, "one"))
    asked = {question.id: question for question in answers.questions()}
    searcher, lm = Searcher(found.path), open_language_model(model.gguf, "fp32")
    for one in by_arm(answers)["files"]:
        best = [hit.passage.text for hit in searcher.search(asked[one.question].prompt, 5)]
        assert 0 < len(one.passages) < len(best) == 5
        assert [passage.text for passage in one.passages] == best[: len(one.passages)]
        assert (one.prompt_tokens or 0) <= 600
        question = asked[one.question]
        if question.choices:
            text = "\n\n".join([f"{p.heading}\n{p.text}" for p in reversed(one.passages)] + [question.prompt])
            with torch.inference_mode():
                taken = take(question.choices, question.answer, choice_bits(lm, text, question.choices))
            assert (one.chosen, one.mark) == taken
    assert facts.figures["fitted"] == 4


# a judge


def judging(words: dict[str, str]) -> Any:
    """A judge that says of each student's answer what `words` has for it, right in either order if it says "right"."""

    def judge(seen: Seen) -> Answer:
        student = seen.prompt.split("<student>")[1].split("</student>")[0].strip()
        first = seen.prompt.index("<known>") < seen.prompt.index("<student>")
        said = words.get(student, "WRONG")
        return Answer({"swayed": "RIGHT" if first else "WRONG"}.get(said, said))

    return judge


def judged_race(tmp_path: Path, behave: Any, count: int = 3, **changes: object) -> tuple[Answers, Facts, list[str]]:
    """Three arms say "Yes", the right city and nothing; the judge decides."""
    words = {
        "yes": lambda _: Answer("Yes"),
        "city": lambda seen: Answer(knows(seen.prompt)),
        "none": lambda _: Answer("", 500),
    }
    with (
        serving(words["yes"]) as yes,
        serving(words["city"]) as city,
        serving(words["none"]) as none,
        serving(behave) as by,
    ):
        rentals = {"yes": rented(yes.url), "city": rented(city.url), "none": rented(none.url), "by": rented(by.url)}
        fields: dict[str, Any] = {
            "arms": arms("yes", "city", "none"), "rented": rentals, "judge": "by", "reference": "yes", "cap_nano": 10**9,
        }  # fmt: skip
        given = inputs(exam(tmp_path / "exam", free_questions(count, "judge")))
        answers, facts = run(Config.model_validate(fields | changes), given, outside(tmp_path, "one"))
        return answers, facts, [seen.prompt for seen in by.seen]


def test_a_judge_is_asked_in_both_orders_and_must_say_right_in_both(tmp_path: Path) -> None:
    answers, facts, asked = judged_race(tmp_path, judging({"Yes": "swayed", "Paris": "RIGHT", "Rome": "Well."}))
    rows = by_arm(answers)
    assert len(asked) == 3 * 2 * 2  # an answer that did not come is not judged
    assert all(
        (one.mark, one.judgement.first, one.judgement.second) == (0, True, False)
        for one in rows["yes"]
        if one.judgement
    )
    by_question = {one.question: one for one in rows["city"]}
    assert (by_question["own/0"].mark, by_question["own/0"].marks["judge"]) == (1.0, 1.0)
    assert by_question["own/1"].judgement is not None
    assert (by_question["own/1"].mark, by_question["own/1"].judgement.first) == (0.0, None)
    assert by_question["own/1"].marks["f1"] == 1.0
    assert all(one.judgement is None and one.mark == 0 for one in rows["none"])
    assert answers.summary().judge == "m-1"
    assert facts.figures["judge_fees_nano"] == 12 * 30_000


def test_where_one_judgement_does_not_come_all_arms_are_marked_alike_without_it(tmp_path: Path) -> None:
    def fails_on_yes(seen: Seen) -> Answer:
        return Answer("broken", 500) if "Yes" in seen.prompt and "France" in seen.prompt else Answer("WRONG")

    answers, facts, _ = judged_race(tmp_path, fails_on_yes)
    assert facts.figures["not_judged"] == 1
    for one in answers.answers():
        if one.arm == "city":
            assert (one.mark, one.judgement is None) == ((1.0, True) if one.question == "own/0" else (0.0, False))


def test_a_dead_judge_is_asked_no_more(tmp_path: Path) -> None:
    answers, facts, asked = judged_race(tmp_path, lambda _: Answer("broken", 500), count=6)
    assert (len(asked), facts.figures["not_judged"]) == (3, 6)
    assert {one.mark for one in answers.answers() if one.arm == "city"} == {1.0}


def test_without_a_judge_the_shared_words_count(tmp_path: Path) -> None:
    answers, facts, asked = judged_race(tmp_path, lambda _: Answer("WRONG"), judge="")
    assert (asked, facts.figures["not_judged"], answers.summary().judge) == ([], 3, "")
    assert {one.mark for one in answers.answers() if one.arm == "city"} == {1.0}


def test_a_bundle_can_judge(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    judge = bundle(tmp_path / "judge", "judge", seed=3, context=1200)
    with serving(lambda seen: Answer(knows(seen.prompt))) as server:
        fields = {"arms": arms("rent"), "rented": {"rent": rented(server.url)}, "reference": "rent", "cap_nano": 10**9}
        given = inputs(exam(tmp_path / "exam", free_questions(2, "judge")), judge=judge)
        answers, facts = run(Config.model_validate(fields | {"answer_tokens": 4}), given, outside(tmp_path, "one"))
    assert facts.figures["not_judged"] == 0
    assert [one.judgement.model for one in answers.answers() if one.judgement] == ["judge, Q8_0"] * 2
    assert {one.mark for one in answers.answers()} == {0.0}  # it babbles


# what a race is told


def test_only_questions_of_the_sources_are_asked(tmp_path: Path) -> None:
    made = [question | {"source": "law", "id": f"law {n}"} for n, question in enumerate(free_questions(2))]
    with serving(lambda seen: Answer(knows(seen.prompt))) as server:
        fields = {"arms": arms("rent"), "rented": {"rent": rented(server.url)}, "reference": "rent", "cap_nano": 10**9}
        for number, (sources, expected) in enumerate({("own",): 3, ("law",): 2, (): 5}.items()):
            given = inputs(exam(tmp_path / "exam", made + free_questions(3)))
            one = Config.model_validate(fields | {"sources": sources})
            assert len(run(one, given, outside(tmp_path, str(number)))[0].questions()) == expected
        with pytest.raises(InputError, match="no question of own"):
            run(Config.model_validate(fields), inputs(exam(tmp_path / "exam", made)), outside(tmp_path, "none"))


def test_bundles_stand_in_the_order_of_the_arms(tmp_path: Path) -> None:
    models = {name: bundle(tmp_path / name, name, seed=0) for name in ("two", "one")}
    with pytest.raises(RecipeError, match=r"inputs.bundles: it lists two, one; .* from one, two"):
        run(config("one", "two"), inputs(exam(tmp_path / "exam", free_questions(1)), **models), outside(tmp_path, "x"))


PRICED = rented("http://127.0.0.1:1/v1")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reference": "two"}, "not one of the arms"),
        ({"arms": {"one": {"route": "open"}}}, "exactly one of the two"),
        ({"arms": {"one": {"route": "open", "bundle": "a", "rented": "b"}}}, "exactly one of the two"),
        ({"arms": {"one": {"route": "rent", "rented": "b"}}}, "not one of the rented models"),
        ({"judge": "b"}, "not one of the rented models"),
        ({"arms": {"one": {"route": "rent", "rented": "b"}}, "rented": {"b": PRICED}}, "cap_nano is 0"),
        ({"rented": {"b": {**PRICED, "prompt_nano": None}}}, "rented.b.prompt_nano"),
        (
            {"rented": {"b": {name: PRICED[name] for name in PRICED if name != "completion_nano"}}},
            "rented.b.completion_nano",
        ),
        ({"rented": {"b": {**PRICED, "source": ""}}}, "rented.b.source"),
        ({"rented": {"a": PRICED, "b": {**PRICED, "currency": "EUR"}}}, "EUR, USD"),
    ],
)
def test_what_does_not_fit_together_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        config("one", **changes)


def test_addresses_and_keys_are_not_in_the_key_prices_are() -> None:
    def key(**changes: object) -> str:
        fields = {"arms": arms("a"), "reference": "a", "cap_nano": 1, "rented": {"a": {**PRICED, **changes}}}
        return artifact_key("race", 1, Config.model_validate(fields), {})

    elsewhere = {"url": "https://host/v1", "key_variable": "K", "timeout_s": 5, "source": "b", "date": "2026-11-02"}
    assert key() == key(**elsewhere)
    assert len({key(), key(prompt_nano=1), key(completion_nano=1), key(model="m-2"), key(shape="anthropic")}) == 5


def test_predict_asks_for_what_the_arms_need() -> None:
    stage, one = RaceStage(), {"bundles": [Facts()], "exam": [Facts(questions=30)]}
    assert stage.predict(config("a"), one).questions == 30
    with pytest.raises(RecipeError, match="1 bundles are given; the arms name a, b"):
        stage.predict(config("a", "b"), one)
    with pytest.raises(RecipeError, match=r"inputs\.index"):
        stage.predict(config("a", arms={"a": {"route": "open", "bundle": "a", "files": True}}), one)
    with pytest.raises(RecipeError, match="expected one judge"):
        judge = {"judge": "b", "rented": {"b": PRICED}, "cap_nano": 1}
        stage.predict(config("a", **judge), {**one, "judge": [Facts()]})


def test_estimate_grows_with_what_is_asked_and_fees_stay_under_the_cap() -> None:
    stage = RaceStage()
    fast = Facts(shape=small_shape(), prompt_tokens_per_s=1000, decode_tokens_per_s=100, file_bytes=10**8)
    roles = {"bundles": [fast], "exam": [Facts(questions=40)], "index": [Facts()]}

    def price(questions: int = 40, files: bool = False, cap: int = 10**12, **facts: object) -> Any:
        own = {"one": {"route": "open", "bundle": "one", "files": files}}
        given = {**roles, "bundles": [fast.model_copy(update=facts)], "exam": [Facts(questions=questions)]}
        one = config("one", arms=own | arms("rent", files=files), rented={"rent": PRICED}, cap_nano=cap)
        return stage.estimate(one, given, MACHINE)

    assert price().seconds.p50 < price(80).seconds.p50 < price(80, files=True).seconds.p50
    assert price().seconds.p50 < price(decode_tokens_per_s=1).seconds.p50
    assert price(prompt_tokens_per_s=None).seconds.p50 > 0
    assert price(shape=None, prompt_tokens_per_s=None).seconds.p50 > 0
    assert 0 < price().fees.nano < price(files=True).fees.nano < 10**12
    assert price(cap=7).fees.nano == 7
    assert stage.estimate(config("one"), {**roles, "index": []}, MACHINE).fees is None
