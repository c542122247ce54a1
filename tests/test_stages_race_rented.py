"""Races of rented models over real sockets: money, refusals, failures, kills. The cap is never passed."""

from __future__ import annotations

import itertools
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luosi.artifacts.base import read_jsonl
from luosi.errors import Interrupted, UsageError
from luosi.stages.race.config import Config
from luosi.stages.race.purse import MESSAGE_TOKENS
from tests.evidence_kit import outside
from tests.race_kit import arms, exam, free_questions, inputs, knows, rented, run
from tests.remote_kit import Answer, Seen, Server, serving

DOLLAR = 10**9


def config(rentals: dict[str, Any], **changes: object) -> Config:
    fields = {"arms": arms(*rentals), "rented": rentals, "reference": next(iter(rentals)), "cap_nano": DOLLAR}
    return Config.model_validate(fields | changes)


def right(seen: Seen) -> Answer:
    return Answer(knows(seen.prompt))


def wrong(_: Seen) -> Answer:
    return Answer("Atlantis")


def test_the_better_arm_wins_and_the_worse_is_stopped(tmp_path: Path) -> None:
    with serving(right) as good, serving(wrong) as bad, serving(wrong) as plain:
        rentals = {"plain": rented(plain.url), "good": rented(good.url, "anthropic"), "bad": rented(bad.url)}
        context = outside(tmp_path, "one")
        answers, facts = run(config(rentals), inputs(exam(tmp_path / "exam", free_questions())), context)
    summary = answers.summary()
    by_name = {arm.name: arm for arm in summary.arms}
    assert [arm.name for arm in summary.arms] == ["plain", "good", "bad"]
    assert by_name["bad"].stopped == "cannot win"
    assert "good" in by_name["bad"].stopped_detail
    assert 8 <= by_name["bad"].asked == len(bad.seen) < 16
    # the reference is as bad, but differences are counted from it
    assert (by_name["plain"].stopped, by_name["plain"].asked) == ("", 16)
    assert (by_name["good"].stopped, by_name["good"].asked, by_name["good"].leaves_house) == ("", 16, True)
    assert summary.saved_share == pytest.approx((16 - len(bad.seen)) / 48)
    marks = {arm: [one.mark for one in answers.answers() if one.arm == arm] for arm in by_name}
    assert set(marks["good"]) == {1.0}
    assert set(marks["bad"]) == set(marks["plain"]) == {0.0}
    order = [question.id for question in answers.questions()]
    assert sorted(order) == sorted(question["id"] for question in free_questions())
    assert order != [question["id"] for question in free_questions()]
    assert [(one.question, one.arm) for one in answers.answers()] == [
        (question, arm) for n, question in enumerate(order) for arm in by_name if n < by_name[arm].asked
    ]
    assert facts.arms is not None
    price = 10 * 1000 + 2 * 10_000  # 10 prompt tokens and 2 of the answer, at rented()'s prices
    assert facts.arms["good"].fees is not None
    assert facts.arms["good"].fees.nano == 16 * price
    assert (facts.arms["good"].prompt_tokens, facts.arms["good"].answer_tokens) == (160, 32)
    assert facts.arms["good"].busy_s == 0
    assert facts.arms["good"].latency_p50_s is not None
    assert 0 < facts.arms["good"].latency_p50_s <= (facts.arms["good"].latency_p90_s or 0)
    assert context.spent.fees is not None
    assert context.spent.fees.nano == facts.figures["fees_nano"] == (16 + 16 + len(bad.seen)) * price


def test_all_arms_are_asked_everything_where_that_is_wished(tmp_path: Path) -> None:
    with serving(right) as good, serving(wrong) as bad:
        rentals = {"good": rented(good.url), "bad": rented(bad.url)}
        given = inputs(exam(tmp_path / "exam", free_questions()))
        answers, _ = run(config(rentals, sequential=False), given, outside(tmp_path, "one"))
    assert [arm.asked for arm in answers.summary().arms] == [16, 16]
    assert answers.summary().saved_share == 0.0


def trouble_of(tmp_path: Path, behave: Callable[[Seen], Answer], timeout_s: float = 60) -> tuple[Any, list[Any], Any]:
    with serving(behave) as server:
        rentals = {"rent": rented(server.url, timeout_s=timeout_s)}
        given = inputs(exam(tmp_path / "exam", free_questions(8)))
        answers, facts = run(config(rentals), given, outside(tmp_path, "one"))
    return answers.summary().arms[0], list(answers.answers()), facts


@pytest.mark.parametrize(
    ("answer", "reason", "charged"),
    [
        (Answer("I can not.", ending="content_filter"), "refused", 30_000),
        (Answer(wait_s=60), "timed out", None),
        (Answer("broken", 500), "HTTP 500", None),
        (Answer("no such model", 404), "HTTP 404", 0),
        (Answer(""), "empty answer", 30_000),
    ],
)
def test_who_does_not_answer_three_times_is_asked_no_more(
    tmp_path: Path, answer: Answer, reason: str, charged: int | None
) -> None:
    arm, answers, facts = trouble_of(tmp_path, lambda _: answer, timeout_s=0.5 if answer.wait_s else 60)
    assert arm.stopped.startswith(f"does not answer: {reason}")
    assert (arm.asked, len(answers), facts.figures["troubles"]) == (3, 3, 3)
    assert all(one.trouble.startswith(reason) and one.mark == 0 and not one.marks for one in answers)
    assert facts.arms["rent"].answers == 0
    if charged is None:  # nobody said what it cost: all that was put aside
        assert facts.arms["rent"].fees.nano > 3 * 64 * 10_000
    else:
        assert facts.arms["rent"].fees.nano == 3 * charged


def test_failures_now_and_then_count_as_wrong_and_stop_nobody(tmp_path: Path) -> None:
    count = itertools.count()
    arm, answers, facts = trouble_of(tmp_path, lambda seen: right(seen) if next(count) % 3 == 2 else Answer("", 500))
    assert (arm.asked, arm.stopped) == (8, "")
    assert [bool(one.trouble) for one in answers] == [True, True, False] * 2 + [True, True]
    assert (facts.figures["troubles"], facts.arms["rent"].answers) == (6, 2)


def test_an_answer_without_usage_is_charged_the_most_it_can_have_cost(tmp_path: Path) -> None:
    arm, answers, facts = trouble_of(tmp_path, lambda seen: Answer(knows(seen.prompt), usage=None))
    assert arm.asked == 8
    assert all(one.prompt_tokens is None and one.mark == 1 for one in answers)
    questions = sum(len(question["prompt"]) for question in free_questions(8))
    least = questions * 1000 + 8 * (64 * 10_000 + MESSAGE_TOKENS * 1000)
    assert least < facts.arms["rent"].fees.nano < 2 * least


def test_a_server_that_charges_more_than_it_was_allowed_is_asked_no_more(tmp_path: Path) -> None:
    arm, answers, facts = trouble_of(tmp_path, lambda seen: Answer(knows(seen.prompt), usage=(10, 5000)))
    assert (arm.asked, arm.stopped) == (1, "spending cap")
    assert facts.arms["rent"].fees.nano == 10 * 1000 + 5000 * 10_000
    assert answers[0].mark == 1.0


def test_a_cap_too_small_for_one_answer_sends_nothing(tmp_path: Path) -> None:
    with serving(right) as server:
        given = inputs(exam(tmp_path / "exam", free_questions(8)))
        one = config({"rent": rented(server.url)}, cap_nano=1000)
        answers, facts = run(one, given, outside(tmp_path, "one"))
        assert server.seen == []
    (arm,) = answers.summary().arms
    assert (arm.asked, arm.stopped) == (0, "spending cap")
    assert (list(answers.answers()), answers.questions(), answers.summary().questions) == ([], [], 8)
    assert facts.figures["fees_nano"] == 0


def test_a_missing_key_is_refused_before_anything_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_KEY", raising=False)
    with serving(right) as server:
        given = inputs(exam(tmp_path / "exam", free_questions(8)))
        with pytest.raises(UsageError, match="NO_KEY"):
            run(config({"rent": rented(server.url, key_variable="NO_KEY")}), given, outside(tmp_path, "one"))
        assert server.seen == []


def test_the_key_is_in_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "sk-very-secret")
    with serving(lambda seen: Answer(f"bad key {seen.headers['authorization']}", 401)) as server:
        given = inputs(exam(tmp_path / "exam", free_questions(8)))
        run(config({"rent": rented(server.url, key_variable="SOME_KEY")}), given, outside(tmp_path, "one"))
    files = [path for path in (tmp_path / "one").rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if b"secret" in path.read_bytes()]


def test_a_stopped_race_goes_on_and_asks_nothing_twice(tmp_path: Path) -> None:
    with serving(right) as good, serving(wrong) as bad:
        one = config({"good": rented(good.url), "bad": rented(bad.url)})
        given = inputs(exam(tmp_path / "exam", free_questions()))
        whole = outside(tmp_path, "whole")
        run(one, given, whole)
        asked = len(good.seen) + len(bad.seen)
        for stop_after in (1, 4, 13):
            with pytest.raises(Interrupted):
                run(one, given, outside(tmp_path, "stopped", stop_after))
        last = outside(tmp_path, "stopped")
        _, facts = run(one, given, last)
        assert len(good.seen) + len(bad.seen) == 2 * asked
    for path in whole.out.iterdir():
        assert path.read_bytes() == (last.out / path.name).read_bytes()
    assert facts.figures["fees_nano"] == asked * 30_000


def test_a_race_of_rented_models_needs_no_torch(tmp_path: Path) -> None:
    exam(tmp_path / "exam", free_questions(2))
    with serving(right) as server:
        one = json.dumps(config({"rent": rented(server.url)}).model_dump(mode="json"))
        code = (
            "import sys; from pathlib import Path; from tests.race_kit import main; main(Path(sys.argv[1]), sys.argv[2]); "
            "print([name for name in ('torch', 'numpy', 'pyarrow') if name in sys.modules])"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path), one], capture_output=True, text=True, check=True
        )
    assert done.stdout.strip() == "[]"


def test_killed_in_the_middle_of_a_request(tmp_path: Path) -> None:
    exam(tmp_path / "exam", free_questions(8))

    def hangs_once(seen: Seen) -> Answer:
        return Answer(knows(seen.prompt), wait_s=60 if len(server.seen) == 4 else 0)

    with serving(hangs_once) as server:
        one = config({"rent": rented(server.url)})
        command = [sys.executable, "-m", "tests.race_kit", str(tmp_path), json.dumps(one.model_dump(mode="json"))]
        process = subprocess.Popen(command)
        while len(server.seen) < 4:
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
        process.wait()
        context = outside(tmp_path, "killed")
        answers, facts = run(one, inputs(exam(tmp_path / "exam", free_questions(8))), context)
        prompts = [seen.prompt for seen in server.seen]
    assert (len(prompts), len(set(prompts))) == (9, 8)  # only the one cut off is asked again
    assert [one.mark for one in answers.answers()] == [1.0] * 8
    lost = int(facts.figures["fees_nano"]) - 8 * 30_000
    assert lost > 64 * 10_000
    assert context.spent.fees is not None
    assert context.spent.fees.nano == lost + 5 * 30_000


def true_cost(fields: dict[str, Any], usage: tuple[int, int]) -> int:
    return -(-(usage[0] * fields["prompt_nano"] + usage[1] * fields["completion_nano"]) // 10**6)


@settings(max_examples=25, deadline=None)
@given(
    prices=st.lists(st.tuples(st.integers(0, 10**10), st.integers(0, 10**11)), min_size=1, max_size=3),
    cap=st.integers(1, 10**8),
    seed=st.integers(0, 2**32),
    cuts=st.lists(st.floats(0, 1), max_size=3),
)
def test_the_cap_is_never_passed(prices: list[tuple[int, int]], cap: int, seed: int, cuts: list[float]) -> None:
    """Against what the servers know they charged, through kills at any byte of the journal.

    A request is sent only after its reservation is on disk: those whose reservation is whole in what a kill left were sent.
    """
    dice = random.Random(seed)
    costs: list[int] = []

    def behave(seen: Seen, fields: dict[str, Any]) -> Answer:
        most = sum(len(message["content"].encode()) for message in seen.body["messages"])
        usage = (dice.randint(1, most + MESSAGE_TOKENS), dice.randint(0, seen.body["max_tokens"]))
        costs.append(true_cost(fields, usage))
        return dice.choice([
            Answer("Paris", usage=usage), Answer("Paris", usage=usage), Answer("", usage=usage), Answer(usage=None),
            Answer("no", 500), Answer(status=0), Answer("no", ending="content_filter", usage=usage),
        ])  # fmt: skip

    rentals: dict[str, dict[str, Any]] = {}
    servers: list[Server] = []
    for number, (prompt_nano, completion_nano) in enumerate(prices):
        fields: dict[str, Any] = {}
        servers.append(Server(lambda seen, fields=fields: behave(seen, fields)))  # type: ignore[misc]
        fields |= rented(servers[-1].url, prompt_nano=prompt_nano, completion_nano=completion_nano)
        rentals[f"rent{number}"] = fields
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        one = config(rentals, cap_nano=cap)
        given = inputs(exam(folder / "exam", free_questions(6)))
        _, facts = run(one, given, outside(folder, "one"))
        for cut in cuts:
            path = folder / "one" / "scratch" / "race.jsonl"
            data = path.read_bytes()
            path.write_bytes(data[: int(cut * len(data))])
            whole = data[: int(cut * len(data))].rfind(b"\n") + 1
            sent = data[:whole].count(b'["reserve ')
            del costs[sent:]  # what the journal forgot was never sent
            _, facts = run(one, given, outside(folder, "one"))
        reserved = sum(
            1 for piece in read_jsonl(folder / "one" / "scratch" / "race.jsonl") if str(piece).startswith("['reserve ")
        )
        assert len(costs) == reserved
    for server in servers:
        server.close()
    assert sum(costs) <= int(facts.figures["fees_nano"]) <= cap
