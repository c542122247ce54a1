"""The arena's core: battles are kept whole, pairs are drawn with their chance, and the log gives the live ranking again."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import http.server
import io
import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from luosi.artifacts import Question
from luosi.errors import InputError, UsageError
from luosi.ranking import rank, read_votes
from luosi.ranking.votes import WORDS
from luosi.serve import arena as arena_module
from luosi.serve import battle_tables
from luosi.serve.accounts import MIGRATIONS, Accounts
from luosi.serve.arena import Arena
from luosi.serve.battles import OUTCOMES, SIDES, Battle, Battles, Row, Status, Turn
from luosi.serve.categories import language, length
from luosi.serve.duel import STEP_CHARS, Duel, Shown
from luosi.serve.gateway import Gateway
from luosi.serve.prompts import MOST_CHARS, draw, of_questions, prompt_id, read_prompts
from luosi.serve.upstreams import OUTCOMES as NOT_NAMES
from luosi.serve.upstreams import Address, ServedModel
from luosi.serve.vote_log import COLUMNS, csv_log, jsonl_log
from tests.arena_kit import Upstream, fill, fought, said, upstream

MODELS = ["small", "large", "=HYPERLINK(1)", "<img src=x onerror=alert(1)>"]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Battles]:
    with Battles(tmp_path / "work" / "accounts.db") as battles:
        yield battles


@pytest.fixture
def arena(store: Battles) -> Arena:
    return Arena(store, lambda: dict.fromkeys(MODELS, True))


def begun(arena: Arena) -> Battle:
    return arena.begin("v", "s", "Who signs?")


def test_a_battle_is_kept_whole_over_its_turns_and_its_vote(arena: Arena, store: Battles) -> None:
    battle = begun(arena)
    assert battle.outcome is None and not battle.can_be_voted and {battle.model(s) for s in SIDES} < set(MODELS)
    answered = arena.answer(battle, {"left": said("the head 签"), "right": said("cut", cut=True)})
    asked = arena.ask(answered, " And then? ")
    assert [turn.prompt for turn in asked.turns] == ["Who signs?", "And then?"] and not asked.turns[1].answers
    arena.answer(asked, {"left": said("l2"), "right": said("r2", nano=None)})
    voted, moved = arena.vote(battle.id, "both_bad")
    assert voted == store.battle(battle.id) and voted.outcome == "both_bad"
    assert voted.turns[0].answers == {"left": said("the head 签"), "right": said("cut", cut=True)}
    assert {one.model for one in moved} == {battle.model(side) for side in SIDES}
    (row,) = store.votes()
    assert row["drawable"] == battle.pairing.drawable == 6
    assert (row["turns"], row["winner"], row["source"], row["prompt_source"]) == (2, "both_bad", "person", "own")
    assert row["cost_left"] == "0.000001400" and row["tokens_left"] == 10 and row["currency_left"] == "USD"
    assert row["cost_right"] is None and row["currency_right"] is None and row["tokens_right"] == 10


@pytest.mark.parametrize(("left", "right"), [("failed", "done"), ("done", "stopped"), ("failed", "stopped")])
@pytest.mark.parametrize("turns", [1, 2])
def test_no_pair_is_judged_of_which_one_side_gave_no_whole_answer(
    arena: Arena, store: Battles, left: Status, right: Status, turns: int
) -> None:
    battle = begun(arena)
    if turns == 2:
        battle = arena.ask(arena.answer(battle, {side: said() for side in SIDES}), "And then?")
    battle = arena.answer(battle, {"left": said("l", left), "right": said("r", right)})
    assert battle.spoiled and not battle.is_open and not battle.can_be_voted
    with pytest.raises(InputError, match="cannot be judged: one side gave no whole answer"):
        arena.vote(battle.id, "right")
    with pytest.raises(InputError, match="cannot be judged"):  # it was told who they were
        arena.ask(battle, "and now?")
    assert store.votes() == []


def test_a_turn_that_a_kill_left_without_answers_can_be_asked_again(arena: Arena, store: Battles) -> None:
    battle = arena.answer(begun(arena), {side: said() for side in SIDES})
    battle = arena.ask(battle, "killed in this one")
    assert battle.can_be_voted  # on the turn before
    battle = arena.answer(arena.ask(battle, "again"), {side: said() for side in SIDES})
    arena.vote(battle.id, "tie")
    assert [row["turns"] for row in store.votes()] == [3]


def test_a_battle_that_may_be_told_of_takes_no_vote_and_no_turn(
    arena: Arena, store: Battles, monkeypatch: pytest.MonkeyPatch
) -> None:
    battle = arena.answer(begun(arena), {side: said() for side in SIDES})
    assert battle.can_be_voted and list(jsonl_log(store)) == []
    monkeypatch.setattr(battle_tables, "OPEN_S", 0.0)
    assert len(list(jsonl_log(store))) == 1 and battle.late and not battle.can_be_voted
    for late in (lambda: arena.vote(battle.id, "left"), lambda: arena.ask(battle, "more?")):
        with pytest.raises(InputError, match="had no vote for too long, and may be told of now"):
            late()
    assert store.votes() == [] and len(store.battle(battle.id).turns) == 1


def test_two_tabs_cannot_ask_the_same_turn(arena: Arena, store: Battles) -> None:
    battle = arena.answer(begun(arena), {side: said() for side in SIDES})
    arena.ask(battle, "mine")
    with pytest.raises(InputError, match="went on elsewhere"):
        arena.ask(battle, "no, mine")
    assert [turn.prompt for turn in store.battle(battle.id).turns] == ["Who signs?", "mine"]


def test_reading_waits_for_no_writer_and_lets_everybody_write(arena: Arena, store: Battles) -> None:
    fill(arena, 3)
    other = sqlite3.connect(store._path, isolation_level=None, timeout=0)
    with Accounts(store._path) as accounts, contextlib.closing(other):
        other.execute("BEGIN IMMEDIATE")  # another process writes
        assert arena.board().votes == 3 and len(list(jsonl_log(store))) == 3 and accounts.totals() == []
        other.execute("ROLLBACK")
        with store._reading() as reading:
            count = "SELECT count(*) FROM battles"
            before = reading.exec_driver_sql(count).scalar()
            other.execute("BEGIN IMMEDIATE")
            other.execute("DELETE FROM battle_votes")
            other.execute("COMMIT")
            assert reading.exec_driver_sql("SELECT count(*) FROM battle_votes").scalar() == before == 3  # of one moment


def test_there_is_one_vote_a_battle_and_none_before_an_answer(arena: Arena, store: Battles) -> None:
    battle = begun(arena)
    with pytest.raises(InputError, match="no answers to vote on yet"):
        arena.vote(battle.id, "left")
    number = fought(arena, "right")
    with pytest.raises(InputError, match="voted on already"):
        arena.vote(number, "left")
    with pytest.raises(InputError, match="voted on already"):
        arena.ask(store.battle(number), "more?")
    with pytest.raises(InputError, match="there is no battle 99"):
        arena.vote(99, "left")
    with pytest.raises(InputError, match="a vote for 'me'"):
        arena.vote(battle.id, "me")  # type: ignore[arg-type]
    fresh = fought(arena, None)
    with ThreadPoolExecutor(8) as pool:
        tries = [pool.submit(arena.vote, fresh, "left") for _ in range(8)]
    assert sum(one.exception() is None for one in tries) == 1


def test_prompts_are_cleaned_and_refused(arena: Arena, store: Battles) -> None:
    for bad in ("", "  \n", None, "\0"):
        with pytest.raises(InputError, match="the prompt is empty"):
            arena.begin("v", "s", bad)
    with pytest.raises(InputError, match="over 20,000 characters") as told:
        arena.begin("v", "s", "x" * (MOST_CHARS + 1))
    assert "20,001" in told.value.hint
    battle = arena.begin("v", "s", "a\ud800b\0 ")
    assert store.battle(battle.id).turns[0].prompt == "a?b"
    assert store.count() == 1


def test_two_models_must_be_able_to_answer(store: Battles) -> None:
    with pytest.raises(InputError, match="1 models can answer now; a battle needs two") as told:
        begun(Arena(store, lambda: {"only": True, "down": False}))
    assert "luosi serve" in told.value.hint and "only" not in str(told.value)
    ready = ["a", "b", "c"]
    arena = Arena(store, lambda: dict.fromkeys(ready, True))
    battle = begun(arena)
    arena.answer(battle, {"left": said("", "failed"), "right": said()}, down=["left"])
    assert arena.ready() == [name for name in ready if name != battle.model("left")]  # it rests
    assert all(battle.model("left") not in vars(begun(arena).pairing).values() for _ in range(20))
    assert arena.board().served == dict.fromkeys(ready, True)  # or it would tell who stands in the battle


def test_failures_and_cuts_are_counted_once_they_may_be_told(
    arena: Arena, store: Battles, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = store.battle(fought(arena, None, left=said("", "failed"), right=said(cut=True)))
    voted = store.battle(fought(arena, "left", right=said(cut=True)))
    counts = {one.model: (one.failed, one.cut) for one in store.entries()}
    assert counts == {voted.pairing.left: (0, 0), voted.pairing.right: (0, 1)}
    monkeypatch.setattr(battle_tables, "OPEN_S", 0.0)
    assert sum(one.failed for one in store.entries()) == 1 and sum(one.cut for one in store.entries()) == 2
    assert {one.model: one.failed for one in store.entries()}[lost.pairing.left] == 1


def test_pairs_are_drawn_with_the_chance_that_is_kept(
    arena: Arena, store: Battles, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(120):
        battle = begun(arena)
        assert battle.pairing.propensity == pytest.approx(1 / 6)  # nothing is known yet
        assert battle.pairing.drawable == 6
    fill(arena, 60)
    assert (
        sum(one.battles for one in store.drawn()) == 60
    )  # those that may still be voted on would tell who stands there
    monkeypatch.setattr(battle_tables, "OPEN_S", 0.0)
    assert {one.least != one.most for one in store.drawn()} == {True}  # votes change the chances
    assert sum(one.battles for one in store.drawn()) == 180 and sum(one.votes for one in store.drawn()) == 60


NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20).filter(
    lambda name: name == name.strip()
)
VOTES = st.lists(
    st.tuples(st.integers(0, 2), st.integers(1, 2), st.sampled_from(OUTCOMES), st.integers(0, 3), st.integers(0, 4)), min_size=1, max_size=25
)  # fmt: skip


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(NAMES, min_size=3, max_size=3, unique=True), VOTES)
def test_the_ranking_of_the_log_is_the_live_ranking(
    tmp_path: Path, names: list[str], votes: list[tuple[int, int, str, int, int]]
) -> None:
    path = tmp_path / "accounts.db"
    path.unlink(missing_ok=True)
    with Battles(path) as store:
        arena = Arena(store, lambda: dict.fromkeys(names, True))
        for first, step, outcome, voter, prompt in votes:
            arena._models = lambda first=first, step=step: {names[first]: True, names[(first + step) % 3]: True}  # type: ignore[misc]
            fought(arena, outcome, voter=f"={voter}", prompt=f"question {prompt}")  # type: ignore[arg-type]
        live = arena.board().ranking
        for kind, written in (("csv", csv_log(store.votes())), ("jsonl", jsonl_log(store))):
            file = tmp_path / f"votes.{kind}"
            file.write_bytes(b"".join(written))
            if live is None:
                with pytest.raises(InputError):
                    rank(file)
            else:
                assert rank(file).models == live.models


def test_no_cell_of_the_log_is_a_formula_and_lengths_can_be_taken_out(
    arena: Arena, store: Battles, tmp_path: Path
) -> None:
    fill(arena, 40)
    (tmp_path / "votes.csv").write_bytes(b"".join(csv_log(store.votes())))
    assert len(read_votes(tmp_path / "votes.csv", features=["tokens"])) == 40
    lines = list(csv.reader(io.StringIO(b"".join(csv_log(store.votes())).decode())))
    assert tuple(lines[0]) == COLUMNS and len(lines) == 41
    cells = {cell for line in lines for cell in line}
    assert " =HYPERLINK(1)" in cells and not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)


def test_the_log_holds_every_battle_and_conversation(
    arena: Arena, store: Battles, monkeypatch: pytest.MonkeyPatch
) -> None:
    fought(arena, None)
    fought(arena, "left", left=said("hello 你好"))
    assert len(list(jsonl_log(store))) == 1  # the other may still be voted on
    monkeypatch.setattr(battle_tables, "OPEN_S", 0.0)
    silent, voted = [json.loads(line) for line in b"".join(jsonl_log(store)).splitlines()]
    assert silent["winner"] is None and voted["winner"] == "left"
    (turn,) = voted["conversation"]
    assert turn["left"]["text"] == "hello 你好" and turn["right"]["cost"] == {"nano": 700, "currency": "USD"}


def test_beyond_some_votes_a_vote_refits_and_comes_to_the_same(
    arena: Arena, store: Battles, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(arena, 40)
    monkeypatch.setattr(arena_module, "AFRESH", 10)
    monkeypatch.setattr(arena_module, "SHARE", 10.0)
    fill(arena, 5, seed=1)
    live = arena.board().ranking
    assert live is not None
    whole = rank(store.votes(), ties=live.fit.ties.name)
    assert live is not None and len(live.added) == 5
    assert {line.model: line.rating for line in live.models} == pytest.approx(
        {line.model: line.rating for line in whole.models}, abs=1e-6
    )


def test_votes_of_another_process_are_taken_in(arena: Arena, store: Battles, monkeypatch: pytest.MonkeyPatch) -> None:
    before = arena.board()
    assert before.told is None and before.votes == 0 and before.number == 0
    fill(Arena(store, lambda: {"other": True, "small": True}), 6)
    after = arena.board()
    assert after is not before and after.votes == 6 and after.number == 6
    assert arena.board() is after  # nothing new
    fought(arena, None)
    assert arena.board().begun == 7 and arena.board().ranking is after.ranking  # nobody has voted
    assert arena.board().told is after.told and arena.board().entries is after.entries
    monkeypatch.setattr(arena_module, "COUNTS_S", -1.0)
    monkeypatch.setattr(battle_tables, "OPEN_S", 0.0)
    fought(arena, None)
    assert sum(one.battles for one in arena.board().entries) == 2 * 8  # told of by their age


def test_a_vote_does_not_wait_for_a_board_that_is_being_made(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(arena, 8)
    open_battle = fought(arena, None)
    entered, go_on, ranked = threading.Event(), threading.Event(), arena_module._ranked

    def slow(rows: Sequence[Row]) -> object:
        if threading.current_thread().name.startswith("board"):
            entered.set()
            assert go_on.wait(60)
        return ranked(rows)

    monkeypatch.setattr(arena_module, "_ranked", slow)
    with ThreadPoolExecutor(1, "board") as boards:
        board = boards.submit(arena.board, "length:short")
        assert entered.wait(60)
        assert arena.vote(open_battle, "left")[0].outcome == "left" and begun(arena).turns
        go_on.set()
        assert board.result().votes == 8 and arena.board("length:short").votes == 9


def test_the_battles_of_a_page_are_read_with_their_votes(arena: Arena, store: Battles) -> None:
    """A vote that comes while the log is written is in it wholly or not at all."""
    fill(arena, 3)
    open_battle = fought(arena, None)
    lines = jsonl_log(store)
    first = json.loads(next(lines))
    arena.vote(open_battle, "left")
    fought(arena, "right")
    rows = [first, *map(json.loads, lines)]
    assert all(row["winner"] == store.battle(row["battle"]).outcome for row in rows) and len(rows) >= 3


def test_the_board_tells_everything_an_honest_one_must(arena: Arena) -> None:
    fill(arena, 30, voters=3)
    fought(arena, "left", prompt="谁来签字？", topic="law")
    arena._models = lambda: {"small": True, "large": False, "new": True}
    board = arena.board()
    assert board.told is not None and {"flips", "bias", "ties", "filtered", "islands", "interval"} <= board.told.keys()
    assert [
        (one.model, one.model in board.served) for one in board.entries if one.model == "<img src=x onerror=alert(1)>"
    ] == [("<img src=x onerror=alert(1)>", False)]  # no longer served, and there
    assert sum(one.votes for one in board.entries) == 62 and board.voters == 4
    assert dict(board.categories) == {
        "all": 31,
        "language:latin": 30,
        "language:zh": 1,
        "length:short": 31,
        "topic:law": 1,
    }
    law = arena.board("topic:law")
    assert law.votes == 1 and law.told is not None and len(law.told["models"]) == 2
    assert arena.board("topic:nothing").told is None and arena.board("nonsense").votes == 0
    costs = {one.model: one for one in board.spent}
    assert costs["small"].per_answer is not None and costs["small"].per_answer.nano == 700
    fought(arena, "tie", left=said(nano=None), right=said(nano=None))
    assert "" in {one.currency for one in arena.board().spent}  # unknown is not 0


def test_an_older_database_is_brought_up_to_date_and_keeps_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "accounts.db"
    with sqlite3.connect(path) as old:
        for statement in [s for part in MIGRATIONS[:2] for s in part]:
            old.execute(statement)
        old.execute("CREATE TABLE versions (version INTEGER PRIMARY KEY)")
        old.executemany("INSERT INTO versions VALUES (?)", [(1,), (2,)])
        old.execute("INSERT INTO charges (time, model, upstream, status) VALUES ('t', 'm', 'u', 'done')")
    old.close()
    with Battles(path) as store, Accounts(path) as accounts:
        fought(Arena(store, lambda: dict.fromkeys(MODELS, True)), "tie")
        assert [total.requests for total in accounts.totals()] == [1] and store.count() == 1


@pytest.mark.parametrize(
    ("text", "script"),
    [("ｈｅｌｌｏ ｗｏｒｌｄ", "latin"), ("① ² ٣ 12", "none"), ("ﾊﾝｶｸ ｶﾀｶﾅ", "ja"), ("Who?", "latin"), ("用 Python 写一个 quicksort", "zh"), ("谁", "zh"), ("これは何ですか", "ja"), ("누구?", "ko"), ("Кто?", "cyrillic"), ("2+2=", "none")],
)  # fmt: skip
def test_scripts_are_told_apart(text: str, script: str) -> None:
    assert language(text) == script


@given(st.text(max_size=300))
def test_any_text_has_a_language_a_length_and_an_id(text: str) -> None:
    assert language(text) and length(text) in ("short", "medium", "long")
    assert prompt_id(text) == prompt_id(f" {text.upper().lower()} ") or text.lower() != text.upper().lower()


def test_a_pool_is_read_from_files(tmp_path: Path) -> None:
    rows = [
        {"prompt": "Who signs?", "topic": "law"},
        {"question": "谁签字？"},
        {"prompt": "who  SIGNS?"},
        {"other": 1},
        {"prompt": "x" * 20_001},
        {"prompt": "y" * 20_002},
    ]
    lines = "\n".join(map(json.dumps, rows)) + "\nno json\n{bad\n{worse"
    for name, text, count, bad in (
        ("a.jsonl", lines, 2, 7),
        ("a.csv", "prompt,topic\nWho signs?,law\n,\n2+2?,=1\n", 2, 0),
        ("a.txt", "\ufeffWho signs?\n\n谁签字？\n", 2, 0),
    ):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        found, refused = read_prompts(path)
        assert (len(found), sum(refused.values())) == (count, bad), name
        assert all(not any(sign.isdigit() for sign in why.replace("20,000", "")) for why in refused), refused
        assert len(refused) == (4 if bad else 0)  # reasons, not rows
        assert found[0].text == "Who signs?" and found[0].topic == ("" if name == "a.txt" else "law")
    for name, text in (("none.jsonl", ""), ("none.csv", "a,b\n1,2\n"), ("none.pdf", "x")):
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError, match=r"none\.(jsonl|csv|pdf)"):
            read_prompts(tmp_path / name)
    with pytest.raises(InputError, match="does not exist"):
        read_prompts(tmp_path / "nowhere.csv")


def test_own_questions_are_a_pool_and_unseen_ones_come_first(arena: Arena, store: Battles) -> None:
    choices = Question(
        id="own/1", source="own", prompt="Which?", choices=("red", "green"), answer=1, file="handbook.pdf"
    )
    plain = Question(id="own/2", source="own", prompt="Who?", answers=("Arthur",), grader="f1")
    pool = of_questions([choices, plain])
    assert pool[0].text == "Which?\nA. red\nB. green" and pool[0].topic == "handbook.pdf"
    arena.begin("v", "s", pool[0].text, source=f"pool/{pool[0].id}", topic=pool[0].topic)
    assert {draw(pool, store.asked("v")) for _ in range(20)} == {pool[1]}
    assert draw(pool, {f"pool/{one.id}" for one in pool}) in pool and draw([], set()) is None


async def duel(
    url: str, left: str, right: str, stop_after: int = 0, turns: tuple[Turn, ...] = (Turn("Why?", "own"),)
) -> tuple[dict, list[Shown], Duel]:
    gateway = Gateway([ServedModel(name, Address(url)) for name in (left, right)], None)
    frames: list[Shown] = []
    async with gateway.running():
        fight = Duel(gateway, {"left": left, "right": right}, turns)

        def show(shown: Shown) -> None:
            frames.append(shown)
            if len(frames) == stop_after:
                fight.stop()

        return await fight.run(show), frames, fight


def test_both_are_shown_at_one_pace_whoever_is_faster() -> None:
    with upstream() as url:
        answers, frames, _ = asyncio.run(duel(url, "hasty", "slow", turns=(Turn("why " * 60, "own"),)))
    whole = {side: answers[side].text for side in SIDES}
    assert answers["left"].status == answers["right"].status == "done" and answers["left"].usage is not None
    assert answers["left"].seconds < answers["right"].seconds
    assert len(frames) > 3 and frames[-1] == whole
    shown = [[len(frame[side]) for side in SIDES] for frame in frames]
    limits = [min(len(whole[side]) for side in SIDES)] * len(shown)
    assert all(left == right or max(left, right) > limit for (left, right), limit in zip(shown, limits, strict=True))
    steps = [max(b) - max(a) for a, b in zip([[0, 0], *shown], shown, strict=False)]
    assert all(0 < step <= STEP_CHARS for step in steps)


def test_a_duel_is_stopped_and_both_upstreams_are_left() -> None:
    with upstream() as url:
        gone = Upstream.left
        answers, _, _ = asyncio.run(asyncio.wait_for(duel(url, "endless", "slow", stop_after=3), 60))
        assert answers["left"].status == "stopped" and answers["left"].text.startswith("word word")
        for _ in range(200):
            if Upstream.left > gone:
                break
            asyncio.run(asyncio.sleep(0.02))
        assert Upstream.left > gone


def test_a_side_that_fails_keeps_its_reason_and_the_other_goes_on() -> None:
    with upstream() as url:
        answers, frames, fight = asyncio.run(duel(url, "telling", "slow"))
    assert answers["left"].status == "failed" and "telling" in answers["left"].trouble and fight.down == {"left"}
    assert answers["right"].status == "done" and all(not frame["left"] for frame in frames)


class Odd(http.server.BaseHTTPRequestHandler):
    """Says what it was named as its one chunk."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        self.wfile.write(f"data: {asked['model']}\n\ndata: [DONE]\n\n".encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(
    "chunk",
    ['{"choices":[{"delta":"x"}]}', '{"choices":[{"delta":{"content":["a"]}}]}', '{"choices":5}', '{"choices":["x"]}'],
)
def test_a_chunk_of_unknown_shape_makes_the_answer_fail(chunk: str) -> None:
    ends = '{"choices":[{"delta":{"content":"to the limit"},"finish_reason":"length"}]}'
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Odd) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        answers, _, fight = asyncio.run(duel(f"http://127.0.0.1:{server.server_port}/v1", chunk, ends))
        server.shutdown()
    assert answers["left"].status == "failed" and "unknown shape" in answers["left"].trouble and fight.down == {"left"}
    assert answers["right"].status == "done" and answers["right"].cut and answers["right"].text == "to the limit"


@pytest.mark.parametrize(
    "name",
    [
        "",
        " x",
        "x ",
        "x\ny",
        "x\0",
        "y\u2028z",
        "\u202eRTL",
        "x\ud800",
        "x" * 201,
        "left",
        "Tie",
        "both_bad",
        "Model_A",
    ],
)
def test_names_that_cannot_be_shown_or_read_back_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="a model cannot be served as"):
        ServedModel(name, Address("http://127.0.0.1:9/v1"))


def test_words_of_outcomes_are_those_of_the_reader_of_votes() -> None:
    assert set(WORDS) == NOT_NAMES and set(OUTCOMES) <= NOT_NAMES
    for name in ("=HYPERLINK(1)", "模型", "x" * 200, "meta/llama-3.1:8b", "a1"):
        assert ServedModel(name, Address("http://127.0.0.1:9/v1")).name == name


def test_a_side_is_told_only_what_it_said_itself() -> None:
    first = Turn("Hello", "own", {"left": said("I am left"), "right": said("", "failed")})
    fight = Duel(Gateway([], None), {"left": "a", "right": "b"}, [first, Turn("And?", "own")])
    assert [m["content"] for m in fight._messages("left")] == ["Hello", "I am left", "And?"]
    assert [m["content"] for m in fight._messages("right")] == ["And?"]


def test_the_arena_needs_numpy_only_when_pairs_are_drawn() -> None:
    code = "import sys, luosi.serve.arena, luosi.serve.duel, luosi.serve.vote_log; print('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
