"""`luosi worth`: from files of votes, from the arena and from a verdict, with money of real accounts and a real ledger; and bad input."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from luosi import Workspace
from luosi.api.worth import ahead_by_pairs, judged
from luosi.artifacts.evidence import Between, Route, VerdictSummary
from luosi.cli.worth import parse_tokens, worth
from luosi.cost import Cost, Money
from luosi.errors import LuosiError, UsageError
from luosi.ledger.attempts import read_attempts
from luosi.pipeline.lineage import ancestors
from luosi.plan.worth import Entry
from luosi.plan.worth_field import independent
from luosi.ranking import Votes, rank, read_votes, write_votes
from luosi.serve.accounts import Accounts, Charge
from luosi.serve.battles import OUTCOMES, OWN, Answer, Pairing
from luosi.serve.prices import Usage
from luosi.statistics import accuracy_of, difference_of
from tests.test_ranking_fit import arena

PRICES = """
[models.{0}]
provider = "someone"
currency = "{3}"
prompt_nano = {1}
completion_nano = {2}
source = "their list"
date = "2026-11-01"
"""


def run(*arguments: str, error: bool = False) -> str:
    """Standard output, or with `error` standard error."""
    app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command()(worth)
    found = CliRunner().invoke(app, list(arguments))
    if isinstance(found.exception, LuosiError):
        raise found.exception
    assert found.exit_code == 0, found.output
    return found.stderr if error else found.stdout


def price_file(folder: Path, *rows: tuple[str, int, int, str], more: str = "") -> str:
    path = folder / "prices.toml"
    path.write_text(more + "".join(PRICES.format(*row) for row in rows), encoding="utf-8")
    return str(path)


def named(votes: Votes, names: Sequence[str]) -> Votes:
    return replace(votes, models=tuple(names))


@pytest.fixture
def votes(tmp_path: Path) -> str:
    """Six models m00 .. m05."""
    write_votes(arena(6, 3000, ties=0.2, voters=40, prompts=30), tmp_path / "votes.csv")
    return str(tmp_path / "votes.csv")


def lines(text: str) -> dict[str, dict[str, Any]]:
    return {line["model"]: line for line in json.loads(text)["models"]}


def test_votes_with_prices(votes: str, tmp_path: Path) -> None:
    names = [line.model for line in rank(votes).models]
    prices = price_file(
        tmp_path,
        (names[0], 3_000_000_000, 9_000_000_000, "USD"), (names[1], 100_000_000, 300_000_001, "USD"),
        (names[2], 100_000_000, 300_000_000, "EUR"), (names[-1], 50_000_000, 100_000_000, "USD"), ("m055", 1, 1, "USD"),
    )  # fmt: skip
    where = ("-w", str(tmp_path / "nowhere"), "--prices", prices, "--answers-per-month", "10000")
    data = json.loads(run(votes, *where, "--json", "--tokens-per-answer", "800,200"))
    found = {line["model"]: line for line in data["models"]}
    assert found[names[1]]["month"] == {
        "nano": 10_000 * (800 * 100_000_000 + 200 * 300_000_001) // 10**6,
        "currency": "USD",
    }
    assert found[names[1]]["per_million_tokens"]["nano"] == 140_000_001
    for line in rank(votes).models:
        assert (found[line.model]["quality"], found[line.model]["low"]) == (line.rating, line.low)
    assert (
        found[names[2]]["not_compared"] == "in another currency" and found[names[3]]["not_compared"] == "price unknown"
    )
    assert found[names[3]]["month"] is None and found[names[3]]["to_make"] is None
    assert data["choice"] == names[0] and data["frontier"] == [names[-1], names[1], names[0]]
    cheap = json.loads(run(votes, *where, "--budget", "$2", "--json", "--tokens-per-answer", "800,200"))
    assert cheap["choice"] == names[1] and cheap["next"] == names[0] and cheap["next_told"]
    text = run(votes, *where, "--budget", "2USD")
    assert text.splitlines()[-1].startswith(f"For 10,000 answers a month and at most 2.00 USD: take {names[1]}, ")
    assert run(votes, *where, "--budget", "2 usd", "--lang", "zh").splitlines()[-1].startswith("每月 10,000 次回答")
    notes = run(votes, *where, error=True)
    assert "no model here is called 'm055', which has a price; did you mean 'm05'?" in notes
    assert "not measured for 4 models, taken as 1,000 prompt + 300 answer, an assumption" in notes
    assert "没有测过" in run(votes, *where, "--lang", "zh", error=True)
    assert not (tmp_path / "nowhere").exists()


def test_leads_are_told_by_the_rankings_own_errors(votes: str, tmp_path: Path) -> None:
    ranking = rank(votes)
    found = judged(Workspace(tmp_path / "nowhere"), ranking, arena=False)
    anytime = judged(Workspace(tmp_path / "nowhere"), ranking)
    first, second = (line.model for line in ranking.models[:2])
    difference = ranking.difference(first, second)
    assert found.ahead(first, second, 0.025) == pytest.approx(difference.low, abs=1e-9)
    assert anytime.ahead(first, second, 0.025) == pytest.approx(difference.anytime_low, abs=1e-9)
    assert found.ahead(first, second, 0.001) < difference.low  # type: ignore[operator]


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_the_table_fits_the_terminal(votes: str, tmp_path: Path, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from luosi.cli import worth as command

    names = [f"{name} \x1b[31m[red]{'长' * 30}" for name in read_votes(votes).models]
    write_votes(named(read_votes(votes), names), votes)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(command.sys.stdout.__class__, "isatty", lambda self: True, raising=False)
    text = run(votes, "--answers-per-month", "10", "-w", str(tmp_path))
    table = [line for line in text.splitlines() if "price unknown" in line]
    assert len(table) == 6 and "\x1b" not in text


@pytest.fixture(scope="module")
def place(small: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace in which real models were made and two were served: ours, without a price, and a rented one."""
    root = tmp_path_factory.mktemp("worth") / "work"
    shutil.copytree(small.root, root, ignore=shutil.ignore_patterns("accounts.db*"))  # others may have served it
    name = Workspace(root).served()[0].name
    with Accounts(root / "accounts.db") as accounts:
        for model, status, tokens, nano in (
            (name, "done", (100, 11), None), (name, "done", (200, 10), None), (name, "cancelled", (90, 1), None),
            ("big", "done", (100, 10), 1001), ("big", "done", (100, 11), 1001), ("big", "done", (100, 12), 1001),
            ("big", "cancelled", (100, 1), 500), ("big", "failed", None, None),
        ):  # fmt: skip
            usage = Usage(prompt_tokens=tokens[0], completion_tokens=tokens[1]) if tokens else None
            cost = Money(nano=nano, currency="USD") if nano else None
            accounts.record(Charge(model, "x", status, usage, cost)).result()  # type: ignore[arg-type]
    return Workspace(root)


def three(place: Workspace, folder: Path) -> str:
    """Votes about a model of ours, the rented one and one that nobody knows."""
    names = (place.served()[0].name, "big", "other")
    write_votes(named(arena(3, 1500, voters=40, prompts=30), names), folder / "three.csv")
    return str(folder / "three.csv")


def test_money_of_accounts_and_ledger(place: Workspace, tmp_path: Path) -> None:
    votes, one = three(place, tmp_path), place.served()[0]
    found = lines(run(votes, "-w", str(place.root), "--answers-per-month", "3000000", "--json", "--months", "6"))
    big, own = found["big"], found[one.name]
    assert big["month"]["nano"] == (3 * 1001 + 500) * 1_000_000 and big["answers_measured"] == 3
    assert (big["prompt_tokens"], big["completion_tokens"]) == (100, 11) and big["to_make"]["nano"] == 0
    key = one.bundle.path.parent.name
    tries = [t for k in sorted(ancestors(place.store, key)) for t in read_attempts(place.store.attempts_file(k))]
    made = sum((t.cost for t in tries), Cost()).money(place.rates())
    assert own["to_make"] == made.model_dump() and made.nano > 0
    facts = place.store.find(key).facts
    assert facts.prompt_tokens_per_s and facts.decode_tokens_per_s
    # of both answers that were whole, with the mean prompt of this model's (150) and the other's (100)
    seconds = 250 / facts.prompt_tokens_per_s + 21 / facts.decode_tokens_per_s
    hour = place.rates().machine_hour
    assert hour is not None
    expected = hour.money.nano * seconds / 3600 * 1_500_000 + made.nano / 6
    assert own["month"]["nano"] == pytest.approx(expected, rel=1e-12, abs=2)
    assert own["answers_measured"] == 2 and own["machines"] == math.ceil(seconds * 1_500_000 / (730 * 3600))
    assert found["other"]["not_compared"] == "price unknown"
    notes = run(votes, "-w", str(place.root), "--answers-per-month", "10", error=True)
    assert "own models: this machine, by the seconds it is busy" in notes and "price unknown: 1 model;" in notes


def test_a_rented_machine_must_stand_there(place: Workspace, tmp_path: Path) -> None:
    votes, name = three(place, tmp_path), place.served()[0].name
    prices = price_file(tmp_path, ("other", 1_000_000, 1_000_000, "USD"), more='[use]\nmachine = "aws c7i.large"\n')
    where = (votes, "-w", str(place.root), "--prices", prices, "--json", "--answers-per-month")
    found = lines(run(*where, "1"))
    hour = place.prices().machines["aws c7i.large"].hour_nano
    assert found[name]["per_machine_month"]["nano"] == hour * 730 and found[name]["machines"] == 1
    assert found[name]["month"]["nano"] == hour * 730 + math.ceil(found[name]["to_make"]["nano"] / 12)
    assert found["other"]["prompt_tokens"] == (150 + 100) / 2  # the mean of those that were measured
    assert lines(run(*where, "1000000000000"))[name]["machines"] > 1


def test_prices_of_ones_own_win_over_what_was_paid(place: Workspace, tmp_path: Path) -> None:
    prices = price_file(tmp_path, ("big", 10_000_000, 20_000_000, "USD"))
    where = (three(place, tmp_path), "-w", str(place.root), "--prices", prices, "--json", "--answers-per-month", "3")
    assert lines(run(*where))["big"]["month"]["nano"] == 3 * 125 * 10 + 33 * 20  # 125: the mean prompt of both
    given = lines(run(*where, "--tokens-per-answer", "7,5"))["big"]
    assert given["month"]["nano"] == 3 * (70 + 100) and given["answers_measured"] == 0


def test_the_verdict_where_there_are_no_votes(place: Workspace) -> None:
    data = json.loads(run("-w", str(place.root), "--answers-per-month", "1000", "--json"))
    assert data["scale"] == "accuracy" and "exam that Luosi made" in data["notes"][0]
    report = place.verdict("small")
    routes = {
        route.model: route
        for route in report.routes
        if route.route in ("adapt", "open", "scratch") and route.accuracy is not None
    }
    found = {line["model"]: line for line in data["models"] if line["quality"] is not None}
    assert routes and found.keys() == routes.keys()
    for name, route in routes.items():
        assert found[name]["quality"] == route.accuracy and found[name]["to_make"] == route.cost_to_make.model_dump()  # type: ignore[union-attr]
        assert found[name]["month"]["nano"] == math.ceil(route.cost_per_1000.nano + route.cost_to_make.nano / 12)  # type: ignore[union-attr]
    assert data["choice"] in found
    assert (
        run("-w", str(place.root), "--answers-per-month", "1000", "--recipe", "small").splitlines()[-1] == data["line"]
    )


def test_leads_in_a_race_are_those_of_paired_questions() -> None:
    """What both got right or wrong tells nothing: ten questions of sixty decide, where the two intervals overlap widely."""
    good, bad = [1.0] * 50 + [0.0] * 10, [1.0] * 38 + [0.0] * 22
    difference = difference_of(good, bad)
    assert difference is not None
    route = {
        "route": "open",
        "step": "",
        "score_key": "",
        "bundle_key": "",
        "bpb": None,
        "accuracy": None,
        "bpb_difference": None,
    }
    routes = {
        name: Route(**route, accuracy_difference=None, model=name, arm=name, own=accuracy_of(marks))  # type: ignore[arg-type]
        for name, marks in (("good", good), ("bad", bad))
    }
    summary = VerdictSummary(
        source="", reference="", routes=tuple(routes.values()), prompt_tokens=1, answer_tokens=1, rented_model="", advice=(),
        pairs=(Between(arm="bad", other="good", difference=difference_of(bad, good), asked=60),),  # type: ignore[arg-type]
    )  # fmt: skip
    entries = [
        Entry(
            name, one.own.mean, one.own.low, one.own.high, Money(nano=1, currency="USD"), Money(nano=0, currency="USD")
        )  # type: ignore[union-attr]
        for name, one in routes.items()
    ]
    ahead = ahead_by_pairs(summary, routes, entries)
    assert ahead("good", "bad", 0.025) == pytest.approx(difference.low, abs=1e-9)
    assert ahead("good", "bad", 0.001) < difference.low and ahead("bad", "good", 0.025) < 0  # type: ignore[operator]
    alone = independent(entries)("good", "bad", 0.025)
    assert alone is not None and alone < difference.low and entries[0].low < entries[1].high  # type: ignore[operator]


def test_the_arenas_votes_come_first(place: Workspace, tmp_path: Path) -> None:
    shutil.copytree(place.root, tmp_path / "work")
    there = Workspace(tmp_path / "work")
    name = there.served()[0].name
    with there.battles() as store:
        for number in range(150):
            pairing = Pairing(
                f"v{number % 9}",
                "s",
                f"p{number % 17}",
                "en",
                "short",
                "",
                *(["big", name][:: 1 - 2 * (number % 2)]),
                1.0,
            )
            battle = store.begin(pairing, "Who?", OWN).id
            sides = {pairing.left: "left", pairing.right: "right"}
            asked, paid = Usage(prompt_tokens=50, completion_tokens=20), Money(nano=800, currency="USD")
            ours, rented = Answer("a", "done", "", asked), Answer("b", "done", "", asked, paid)
            store.answer(battle, 1, {sides[name]: ours, sides["big"]: rented})  # type: ignore[dict-item]
            store.vote(battle, OUTCOMES[number % 4])
    data = json.loads(run("-w", str(there.root), "--answers-per-month", "1000", "--json"))
    assert data["scale"] == "Elo" and set(lines(json.dumps(data))) == {"big", name}
    found = lines(json.dumps(data))
    assert found["big"]["month"]["nano"] == 800_000 and found[name]["month"]
    assert all((line["prompt_tokens"], line["answers_measured"]) == (50, 150) for line in found.values())
    verdict = run("-w", str(there.root), "--answers-per-month", "1000", "--json", "--recipe", "small")
    assert json.loads(verdict)["scale"] == "accuracy"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--budget", "50"), "names no currency"), (("--budget", "-5USD"), "not an amount of money"),
        (("--budget", "0 USD"), "buys nothing"), (("--budget", "$5 EUR"), "two currencies"), (("--budget", "5 dollars"), "not an amount"),
        (("--answers-per-month", "0"), "0 answers a month; expected 1 to"), (("--answers-per-month", "9" * 15), "expected 1 to"),
        (("--answers-per-month", "-3"), "not a whole number"), (("--months", "0"), "spread over 0 months; expected 1 to"),
        (("--prices", "nofile.toml"), "there is no file nofile.toml"), (("--tokens-per-answer", "1000"), "not PROMPT,ANSWER"),
        (("--tokens-per-answer", "0,0"), "not PROMPT,ANSWER"),
    ],
)  # fmt: skip
def test_bad_input_is_answered(votes: str, tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    given = ("--answers-per-month", "10", *arguments)
    with pytest.raises(UsageError, match=said):
        run(votes, "-w", str(tmp_path), *given)


def test_nothing_to_go_by(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing says how good the models are: no votes were given") as caught:
        run("-w", str(tmp_path), "--answers-per-month", "10")
    assert "luosi worth VOTES" in caught.value.hint
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(UsageError, match="is empty"):
        run(str(tmp_path / "empty.csv"), "-w", str(tmp_path), "--answers-per-month", "10")
    (tmp_path / "bad.toml").write_text("[models.m0]\nprovider = 3\n")
    write_votes(arena(3, 300), tmp_path / "votes.csv")
    with pytest.raises(UsageError, match=r"bad\.toml: models\.m0"):
        run(
            str(tmp_path / "votes.csv"),
            "-w",
            str(tmp_path),
            "--answers-per-month",
            "10",
            "--prices",
            str(tmp_path / "bad.toml"),
        )


def test_no_prices_at_all(votes: str, tmp_path: Path) -> None:
    text = run(votes, "-w", str(tmp_path), "--answers-per-month", "10")
    assert text.splitlines()[-1] == (
        "For 10 answers a month: nothing to choose from, no model has both a measured quality and a known price"
    )
    assert "price unknown: 6 models; rows in rates.toml" in run(
        votes, "-w", str(tmp_path), "--answers-per-month", "10", error=True
    )


def test_tokens_are_read() -> None:
    assert parse_tokens("1000, 300") == (1000, 300) and parse_tokens("") is None
