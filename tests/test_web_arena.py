"""The arena's and leaderboard's parts that need no browser: tables, whiskers, the picture of worth, the reveal; hostile names stay text."""

from __future__ import annotations

import asyncio
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nicegui import Client, ui

from luosi.cost import Money
from luosi.plan.worth import Entry, worth
from luosi.serve import battle_tables
from luosi.serve.arena import ALL, Arena, Moved
from luosi.serve.battle_tables import Spent
from luosi.serve.battles import Answer, Battle, Battles, Side
from luosi.serve.duel import Duel, Shown
from luosi.serve.gateway import Gateway
from luosi.serve.upstreams import Address, ServedModel
from luosi.web import frontier, standings
from luosi.web.arena import Fight
from luosi.web.frame import View
from luosi.web.reveal import cost_of, rating_line, tokens_of
from luosi.web.running import Running, running
from luosi.web.words import Words
from luosi.web.worth import budget_of
from tests.arena_kit import fill, fought, said, upstream
from tests.web_example import HOSTILE, IMAGE

EN, ZH = Words("en"), Words("zh")
BOTH = pytest.mark.parametrize("words", [EN, ZH], ids=["en", "zh"])
NAMES = ["plain", f"{IMAGE}{HOSTILE}", "long " * 60, "\u202eright-to-left"]


@pytest.fixture
def arena(tmp_path: Path) -> Iterator[Arena]:
    with Battles(tmp_path / "accounts.db") as store:
        yield Arena(store, lambda: dict.fromkeys(NAMES, True))


def rows(markup: str) -> list[list[str]]:
    """The cells of every body row; the markup must be well-formed."""
    root = ElementTree.fromstring(f"<div>{markup}</div>".replace("class=hint", 'class="hint"'))
    return [["".join(cell.itertext()) for cell in row] for row in root.iter("tr") if row.find("td") is not None]


@BOTH
def test_a_board_becomes_tables_whatever_models_are_called(arena: Arena, words: Words) -> None:
    fill(arena, 40)
    board = arena.board()
    table = rows(standings.islands(board, words))
    assert len(table) == 4 and {name.strip() for name in NAMES} == {
        name for name in (n.strip() for n in NAMES) if any(name in row[0] for row in table)
    }
    for markup in (standings.entries(board, words), standings.pairs(board, words)):
        assert rows(markup) and "<script" not in markup and "<img" not in markup
    assert {name for name, _ in standings.trust(board, words)} == {
        "intervals",
        "sides",
        "ties",
        "provisional",
        "left_out",
    }
    assert re.search(r"\b40 (votes|票)", standings.summary(board, words))


def test_costs_that_are_known_in_part_say_so() -> None:
    known, unknown = Spent("m", "USD", 5, 5, 5000, 1, 1), Spent("m", "", 100, 100, 0, 1, 1)
    assert "price" not in standings._cost([known], "m", EN) and "0.001" in standings._cost([known], "m", EN)
    assert "100 of 105 answers have no price" in standings._cost([known, unknown], "m", EN)
    assert "105 次回答中有 100 次无价格" in standings._cost([known, unknown], "m", ZH)


def test_failed_and_cut_answers_stand_with_the_entries(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(battle_tables, "OPEN_S", 0.0)
    fought(arena, None, left=said("", "failed"), right=said(cut=True))
    assert sorted(row[-2:] for row in rows(standings.entries(arena.board(), EN))) == [["0", "1"], ["1", "0"]]


def test_models_that_no_vote_joins_are_told_apart(tmp_path: Path) -> None:
    with Battles(tmp_path / "accounts.db") as store:
        for pair in (("a", "b"), ("c", "d")):
            fill(Arena(store, lambda pair=pair: dict.fromkeys(pair, True)), 6)  # type: ignore[misc]
        board = Arena(store, lambda: {"a": True, "b": False}).board()
    shown = standings.islands(board, EN)
    assert shown.count("<table") == 2 and "No votes join these 2 models" in shown
    states = {row[0]: row[1] for row in rows(standings.entries(board, EN))}
    assert states == {"a": "can be drawn", "b": "cannot answer now", "c": "not served now", "d": "not served now"}


def test_who_always_takes_one_side_is_named_and_the_ratings_with_those_votes_shown(arena: Arena) -> None:
    fill(arena, 100, voters=6)
    for number in range(30):
        fought(arena, "left", voter="parrot", prompt=f"p{number}")
    board = arena.board()
    left_out = dict(standings.trust(board, EN))["left_out"]
    assert "30 votes, because: always takes one side (voter parrot)." in left_out
    assert all(len(row) == 9 for row in rows(standings.islands(board, EN)))
    assert "总是选同一侧" in dict(standings.trust(board, ZH))["left_out"]


def test_one_voters_board_says_so_and_an_empty_one_is_empty(arena: Arena) -> None:
    empty = arena.board()
    assert standings.trust(empty, EN) == [] and rows(standings.islands(empty, EN)) == []
    fought(arena, "left")
    assert "one voter's" in standings.summary(arena.board(), EN)
    links = dict.fromkeys((category for category, _ in arena.board().categories), "/?a=1&b=2")
    assert 'href="/?a=1&amp;b=2" aria-current="page"' in standings.categories(arena.board(), ALL, links, EN)


@given(*[st.floats(-5000, 5000)] * 5)
def test_a_whisker_stays_in_its_cell(a: float, b: float, c: float, d: float, e: float) -> None:
    anytime_low, low, rating, high, anytime_high = sorted((a, b, c, d, e))
    line = {"low": low, "high": high, "rating": rating, "anytime_low": anytime_low, "anytime_high": anytime_high}
    for ends in ((low, high), (-100.0, 100.0)):
        places = [float(value) for value in re.findall(r":(-?[\d.]+)%", standings.whisker(line, ends))]
        assert len(places) == 6 and all(0 <= place <= 100 for place in places)


def entry(name: str, rating: float, nano: int | None) -> Entry:
    cost = None if nano is None else Money(nano=nano, currency="USD")
    return Entry(name, rating, rating - 20, rating + 20, cost, Money(nano=0, currency="USD"))


@BOTH
def test_the_picture_of_worth_names_the_frontier_and_is_well_formed(words: Words) -> None:
    found = worth(
        [
            entry(NAMES[1], 1100, 9_000_000),
            entry("cheap", 1000, 1_000),
            entry("beaten", 900, 20_000),
            entry("?", 900, None),
        ],
        answers_per_month=1000,
    )
    for picture in re.findall(r"<svg.*?</svg>", frontier.pictures(found, words), re.S):
        svg = ElementTree.fromstring(picture)
        labels = [text.text or "" for text in svg.iter("text") if text.get("class") == "label"]
        assert len(labels) == 3 and labels[0].startswith("<img") and labels[0].endswith("…")
        spots = [
            (float(c.get("cx", 0)), float(c.get("cy", 0))) for c in svg.iter("circle") if c.find("title") is not None
        ]
        width, height = map(float, svg.get("viewBox", "").split()[2:])
        assert len(spots) == 3 and all(0 < x < width and 0 < y < height for x, y in spots)
    assert frontier.pictures(worth([entry("one", 1000, 5)], answers_per_month=1), words) == ""


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(500, 1500), st.integers(1, 10**12)), min_size=2, max_size=15))
def test_any_models_can_be_drawn(models: list[tuple[int, int]]) -> None:
    found = worth([entry(f"m{n}", rating, nano) for n, (rating, nano) in enumerate(models)], answers_per_month=10_000)
    for picture in re.findall(r"<svg.*?</svg>", frontier.pictures(found, EN), re.S):
        assert "nan" not in picture and ElementTree.fromstring(picture) is not None


@pytest.mark.parametrize(
    ("text", "nano", "currency"),
    [("50", 50 * 10**9, "USD"), (" 0.5 cny ", 5 * 10**8, "CNY"), ("0", None, ""), ("-1", None, ""), ("much", None, ""), ("1 dollars", None, ""), ("1e9", None, "")],
)  # fmt: skip
def test_a_budget_is_read(text: str, nano: int | None, currency: str) -> None:
    assert budget_of(text, "USD") == (None if nano is None else Money(nano=nano, currency=currency))


def test_a_turn_goes_on_while_a_page_watches_and_stops_with_the_last(arena: Arena) -> None:
    asyncio.run(asyncio.wait_for(watched(arena), 120))


async def watched(arena: Arena) -> None:
    battle = arena.begin("v", "s", "Who?")
    with upstream() as url:
        gateway = Gateway([ServedModel(name, Address(url)) for name in ("endless", "slow")], None)
        async with gateway.running():

            async def keep(answers: dict[Side, Answer]) -> Battle:
                return arena.answer(battle, answers)

            turn = Running(battle, Duel(gateway, {"left": "endless", "right": "slow"}, battle.turns), keep)
            assert running(battle) is turn and running(None) is None
            seen: dict[str, list[Shown]] = {"first": [], "second": []}
            watching = [asyncio.create_task(turn.watch(page, shown.append)) for page, shown in seen.items()]
            while not seen["first"] or not any(seen["first"][-1].values()):
                await asyncio.sleep(0.02)
            turn.leave("first")
            turn.leave("a stranger")
            count = len(seen["second"])
            while len(seen["second"]) < count + 2:  # it goes on
                await asyncio.sleep(0.02)
            assert len(seen["first"]) < len(seen["second"])
            turn.leave("second")
            kept = await asyncio.wait_for(asyncio.gather(*watching), 60)
    assert {one.id for one in kept} == {battle.id} and running(battle) is None
    assert kept[0].turns[0].answers["left"].status == "stopped" and kept[0].spoiled


def test_a_page_without_a_connection_has_a_voter_of_its_own(arena: Arena) -> None:
    asyncio.run(unconnected(arena))


async def unconnected(arena: Arena) -> None:
    site = SimpleNamespace(gateway=Gateway([], None), prompts=())
    with Client(ui.page("/nowhere")) as client:
        fight = Fight(View(site, "arena", EN, ""), arena)  # type: ignore[arg-type]
        assert not client.has_socket_connection
        await fight.restore()
        await asyncio.wait_for(fight._known.wait(), 1)
        assert re.fullmatch("[0-9a-f]{16}", fight._voter) and re.fullmatch("[0-9a-f]{16}", fight._session)
        client.delete()


def test_the_reveal_says_what_is_not_known() -> None:
    assert cost_of([said(), said()], EN) == "0.000001400 USD" and cost_of([said(), said(nano=None)], EN) == "unknown"
    assert tokens_of([said(), said()]) == "6 + 10"
    assert rating_line(EN, Moved("m", 1010.4, 2, 1000.0, 3)) == "1000 → 1010 (+10), rank 3 → 2"
    assert rating_line(EN, Moved("m", 990.0, 1, None, None)) == "990, rank 1: its first vote"
