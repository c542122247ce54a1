"""The arena and its leaderboard in a real browser: votes by keyboard, nothing told before the vote, reloads, tabs, failing models."""

from __future__ import annotations

import contextlib
import re
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytest.importorskip("nicegui", reason="nicegui is not installed: pip install 'luosi[pages]'")

from playwright.sync_api import Browser, BrowserContext, Page, WebSocket, expect  # noqa: E402

from luosi.ranking import rank  # noqa: E402
from luosi.serve.accounts import Accounts  # noqa: E402
from luosi.serve.arena import Arena  # noqa: E402
from luosi.serve.battles import Battles  # noqa: E402
from tests.arena_kit import Upstream, fill, start, upstream  # noqa: E402
from tests.serving import Running, small_model  # noqa: E402
from tests.test_pages import CHROMIUM, PATIENCE_MS, SIZES, is_local, shoot, visit  # noqa: E402
from tests.test_pages import browser as browser  # noqa: E402
from tests.test_pages import pytestmark as pytestmark  # noqa: E402
from tests.test_pages import shots as shots  # noqa: E402
from tests.web_example import HOSTILE, IMAGE  # noqa: E402

assert shutil.which("chromium") == CHROMIUM
SMALL = "smollm-the-small"
LONG = f"={IMAGE}{HOSTILE}" + "very-long-" * 11
TOLD = ("smollm", "very-long", "telling", "hasty", "endless", "127.0.0.1:")
POOLED = "Is water wet? Answer yes or no."
PRICES = [10**8, 4 * 10**8]
BOTH = pytest.mark.parametrize(("context", "language"), [("desktop", "en"), ("phone", "zh")], indirect=["context"])
DESKTOP = pytest.mark.parametrize("context", ["desktop"], indirect=True)
WORDS = {
    "en": ("A prompt from the pool", "You preferred A.", "Next pair", "Cut off here.", "Stop"),
    "zh": ("从题库取一条提示", "你更喜欢 A。", "下一对", "在此中断。", "停止"),
}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with upstream() as url:
        yield url


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("arena") / "work"


@pytest.fixture(scope="module")
def site(root: Path, address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A model of the real engine against one whose name is an attack, with a pool of one prompt."""
    pool = tmp_path_factory.mktemp("pool") / "pool.csv"
    pool.write_text(f"prompt,topic\n{POOLED},{IMAGE.replace(chr(34), '')}\n")
    own = {"name": SMALL, "gguf": small_model(), "prices": PRICES}
    with start(root, [own, {"name": LONG, "url": address, "upstream_name": "hasty"}], pool) as running:
        yield running


@contextlib.contextmanager
def served(context: BrowserContext, root: Path, address: str, *names: str) -> Iterator[Running]:
    with start(root, [{"name": name, "url": address, "prices": PRICES} for name in names]) as running:
        yield running
        leave(context)


def leave(context: BrowserContext) -> None:
    for page in context.pages:
        page.goto("about:blank")  # or it would notice that the server goes


@pytest.fixture(params=SIZES)
def context(browser: Browser, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    """A voter's browser, whose pages must log no error and fetch nothing from elsewhere."""
    width, height = SIZES[request.param]
    context = browser.new_context(viewport={"width": width, "height": height}, locale="en-US")
    context.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    trouble: list[str] = []
    context.on("console", lambda line: trouble.append(line.text) if line.type in ("error", "warning") else None)
    context.on("weberror", lambda error: trouble.append(str(error.error)))
    context.on("request", lambda asked: None if is_local(asked.url) else trouble.append(asked.url))
    yield context
    leave(context)
    context.close()
    assert trouble == []


class Heard:
    """All that comes to a page, over the socket and in its HTML, to be searched for what tells a model."""

    def __init__(self, page: Page) -> None:
        self._page, self._frames = page, list[str]()
        page.on("websocket", self._listen)

    def _listen(self, socket: WebSocket) -> None:
        socket.on(
            "framereceived",
            lambda data: self._frames.append(data if isinstance(data, str) else data.decode("utf-8", "replace")),
        )

    def tells(self) -> list[str]:
        everything = "".join(self._frames) + self._page.content() + self._page.title()
        return [name for name in TOLD if name in everything]


def ask(page: Page, text: str) -> None:
    page.get_by_role("textbox").fill(text)
    page.keyboard.press("Enter")


def can_vote(page: Page) -> None:
    expect(page.locator("[data-vote=left]")).to_be_enabled()


def no_wider(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0


@BOTH
def test_a_vote_by_keyboard_reveals_and_moves_the_leaderboard(
    context: BrowserContext, site: Running, root: Path, shots: Path, language: str
) -> None:
    pool, preferred, _, _, _ = WORDS[language]
    with Battles(root / "accounts.db") as store:
        before = len(store.votes())
        board, page = context.new_page(), context.new_page()
        heard = Heard(page)
        visit(board, site, f"/{language}/leaderboard")
        visit(page, site, f"/{language}/arena")
        page.get_by_role("button", name=pool).click()
        expect(page.get_by_role("textbox")).to_have_value(POOLED)
        page.get_by_role("textbox").press("Enter")
        expect(page.locator(".turn.user")).to_have_text(POOLED)
        can_vote(page)
        assert heard.tells() == []
        shoot(page, shots, f"arena-{language}")
        page.get_by_role("textbox").fill("x")
        page.get_by_role("textbox").press("1")  # who writes does not vote
        expect(page.get_by_role("textbox")).to_have_value("x1")
        ask(page, "And ice?")
        expect(page.locator(".turn.user")).to_have_count(2)
        can_vote(page)
        assert heard.tells() == [] and len(store.votes()) == before
        page.keyboard.press("1")
        reveal = page.locator(".reveal")
        expect(reveal).to_contain_text(preferred)
        expect(reveal).to_contain_text(SMALL)
        expect(reveal.get_by_text(LONG)).to_be_visible()
        expect(reveal).to_contain_text(re.compile(r"0\.\d{9} USD"))
        shoot(page, shots, f"arena-reveal-{language}")
        with Accounts(root / "accounts.db") as accounts:
            charged = {total.model: total.requests for total in accounts.totals()}
        assert charged[SMALL] == charged[LONG] >= 2  # both turns of both
        (row,) = store.votes()[before:]
        assert (row["winner"], row["turns"], row["propensity"]) == ("left", 2, 1.0)
        assert row["topic"].startswith("<img") and re.fullmatch("[0-9a-f]{16}", row["voter"])
        expect(board.locator(".summary")).to_contain_text(re.compile(rf"\b{before + 1} (votes|票)"))  # by itself
        expect(board.locator(".standings tbody tr")).to_have_count(2)
        page.keyboard.press("Enter")  # the focus is on the next battle
        expect(reveal).to_have_count(0)
        expect(page.get_by_role("textbox")).to_be_focused()
        assert page.evaluate("window.hacked") is None and board.evaluate("window.hacked") is None


@BOTH
def test_the_leaderboard_shows_what_an_honest_one_must(
    context: BrowserContext, site: Running, shots: Path, language: str
) -> None:
    page = context.new_page()
    visit(page, site, f"/{language}/arena")
    ask(page, "谁来签字？")
    can_vote(page)
    page.keyboard.press("3")
    expect(page.locator(".reveal")).to_be_visible()
    visit(page, site, f"/{language}/leaderboard")
    board = page.locator(".standings")
    expect(board.get_by_text(SMALL)).to_be_visible()
    expect(board.locator(".whisker .at")).to_have_count(2)
    expect(board).to_contain_text({"en": "provisional", "zh": "暂定"}[language])
    for shown in {"en": ("each of", "Standing left", "Below 100 votes"), "zh": ("聚类", "居左相当于", "少于 100 票")}[
        language
    ]:
        expect(page.locator(".facts")).to_contain_text(shown)
    for details in page.locator("details").all():
        details.locator("summary").click()
    expect(
        page.get_by_role("table", name={"en": "How pairs were drawn", "zh": "配对如何抽取"}[language])
    ).to_contain_text("100.0 %")
    shoot(page, shots, f"leaderboard-{language}")
    page.get_by_role("link", name={"en": "Chinese", "zh": "中文"}[language]).filter(has=page.locator("small")).click()
    expect(page).to_have_url(re.compile(r"category=language%3Azh"))
    expect(page.locator(".kinds [aria-current]")).to_contain_text({"en": "Chinese", "zh": "中文"}[language])
    page.set_viewport_size({"width": 320, "height": 700})
    no_wider(page)
    page.wait_for_timeout(200)  # an image that fails to load would act only now
    assert page.evaluate("window.hacked") is None


@DESKTOP
def test_the_downloaded_log_gives_the_same_ranking(
    context: BrowserContext, site: Running, root: Path, tmp_path: Path
) -> None:
    page = context.new_page()
    visit(page, site, "/en/arena")
    ask(page, "Yes or no?")
    can_vote(page)
    page.get_by_role("button", name="B is better").click()
    expect(page.locator(".reveal")).to_contain_text("You preferred B.")
    with Battles(root / "accounts.db") as store:
        live = rank(store.votes())
    for form in ("csv", "jsonl"):
        answer = page.request.get(f"{site.url}/arena/votes.{form}")
        assert answer.headers["content-disposition"].startswith("attachment")
        (tmp_path / f"votes.{form}").write_bytes(answer.body())
        assert rank(tmp_path / f"votes.{form}").models == live.models
    assert page.request.get(f"{site.url}/arena/votes.exe").status == 404


@DESKTOP
def test_a_reload_loses_nothing_and_leaves_both_upstreams(
    context: BrowserContext, address: str, tmp_path: Path
) -> None:
    _, _, following, cut, stop = WORDS["en"]
    with (
        served(context, tmp_path / "work", address, "endless", "hasty") as site,
        Battles(tmp_path / "work" / "accounts.db") as store,
    ):
        page = context.new_page()
        visit(page, site, "/en/arena")
        ask(page, "How long?")
        expect(page.locator(".pair .body").filter(has_text="word word")).to_have_count(1)
        expect(page.locator("[data-vote=left]")).to_be_disabled()
        page.keyboard.press("1")
        page.reload()
        expect(page.locator(".pair .body").filter(has_text="word word")).to_have_count(1)  # both go on answering
        page.get_by_role("textbox").fill("And now?")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("is being answered")
        assert not store.battle(1).turns[0].answers
        page.get_by_role("button", name=stop).click()
        expect(page.get_by_text(cut)).to_have_count(1)
        expect(page.locator(".reveal")).to_contain_text("this pair cannot be judged")
        first = store.battle(1)
        assert first.outcome is None and sorted(one.status for one in first.turns[0].answers.values()) == [
            "done",
            "stopped",
        ]
        page.reload()
        expect(page.locator(".reveal")).to_contain_text("endless")
        page.keyboard.press("1")
        expect(page.locator("[data-vote=left]")).not_to_be_visible()
        other = context.new_page()  # another tab of the same voter has its own battle
        visit(other, site, "/en/arena")
        expect(other.locator(".pair")).to_have_count(0)
        ask(other, "And this?")
        expect(other.get_by_role("button", name=stop)).to_be_visible()
        expect(other.locator(".pair .body").filter(has_text="word word")).to_have_count(1)
        gone = Upstream.left
        other.close()  # for good: nobody watches any more
        for _ in range(300):
            if Upstream.left > gone and store.battle(2).turns[0].answers:
                break
            page.wait_for_timeout(100)
        second = store.battle(2)
        assert Upstream.left > gone and {one.status for one in second.turns[0].answers.values()} == {"done", "stopped"}
        assert second.pairing.voter == first.pairing.voter and second.pairing.session != first.pairing.session
        page.get_by_role("button", name=following).click()
        expect(page.locator(".pair")).to_have_count(0)
        assert store.votes() == [] and store.count() == 2


@DESKTOP
def test_a_battle_over_an_hour_old_takes_no_vote(context: BrowserContext, address: str, tmp_path: Path) -> None:
    root = tmp_path / "work"
    with served(context, root, address, "hasty", "slow") as site, Battles(root / "accounts.db") as store:
        page = context.new_page()
        visit(page, site, "/en/arena")
        ask(page, "How long?")
        can_vote(page)
        with contextlib.closing(sqlite3.connect(root / "accounts.db", isolation_level=None)) as clock:
            clock.execute("UPDATE battles SET time = '2026-01-01T00:00:00.000+00:00'")
        page.keyboard.press("1")
        expect(page.locator(".reveal")).to_contain_text("over an hour old, so it takes no vote")
        expect(page.get_by_role("alert")).to_contain_text("had no vote for too long")
        expect(page.locator("[data-vote=left]")).not_to_be_visible()
        assert store.votes() == []


@DESKTOP
def test_a_model_that_fails_is_not_voted_on_and_rests(context: BrowserContext, address: str, tmp_path: Path) -> None:
    with served(context, tmp_path / "work", address, "telling", "hasty") as site:
        page = context.new_page()
        visit(page, site, "/en/arena")
        ask(page, "Who are you?")
        expect(page.get_by_text("This side could not answer to the end.")).to_have_count(1)
        expect(page.locator(".reveal")).to_contain_text("this pair cannot be judged")
        expect(page.locator("[data-vote=left]")).not_to_be_visible()
        expect(page.locator(".reveal")).to_contain_text("the upstream of telling")
        page.keyboard.press("Enter")
        ask(page, "And now?")
        expect(page.get_by_role("alert")).to_contain_text("1 models can answer now; a battle needs two")
        expect(page.get_by_role("textbox")).to_have_value("And now?")
        page.get_by_role("button", name="A prompt from the pool").click()
        expect(page.get_by_role("alert")).to_contain_text("The pool is empty")


@DESKTOP
def test_one_model_is_no_arena_but_votes_of_others_are_shown_with_their_worth(
    context: BrowserContext, address: str, tmp_path: Path, shots: Path
) -> None:
    root = tmp_path / "work"
    with served(context, root, address, "alone") as site:
        page = context.new_page()
        visit(page, site, "/en/arena")
        expect(page.locator(".empty")).to_contain_text("A battle needs two models, and 1 are served.")
        visit(page, site, "/en/leaderboard")
        expect(page.locator(".empty")).to_contain_text("No vote here yet.")
        expect(page.locator(".standings")).not_to_be_visible()
        with Battles(root / "accounts.db") as store:
            fill(Arena(store, lambda: {"alone": True, "gone": True}), 30, nano={"alone": 90_000, "gone": 2_000})
        expect(page.locator(".standings")).to_contain_text("not served now")  # by itself, and of another process
        expect(page.locator(".empty")).to_have_count(0)
        said = page.locator(".lead")
        expect(page.locator("svg.frontier.wide .label")).to_have_count(2)
        expect(said).to_contain_text("10,000 answers a month: take gone")
        costs = page.get_by_role("table", name="Nobody is better and cheaper")
        expect(costs.locator("tr", has_text="gone")).to_contain_text(
            "0.25 USD"
        )  # 2,000 nano-units for 8 tokens, of a million
        page.get_by_role("slider", name="Answers a month").focus()
        page.keyboard.press("End")
        expect(said).to_contain_text("100,000,000 answers a month")
        page.get_by_role("textbox", name="Budget a month").fill("0.01 USD")
        expect(said).to_contain_text("no model fits a budget of 0.01 USD")
        shoot(page, shots, "worth")
        page.get_by_role("textbox", name="Budget a month").fill("lots")
        expect(said).to_contain_text("lots is no budget")
