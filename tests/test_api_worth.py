"""What the models of votes cost: of the arena's battles or of the accounts, made alike, and what is said of it."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from luosi import Workspace
from luosi.api.used import Used, in_battles
from luosi.api.worth import Judged, arena_ranking, judged
from luosi.cost import Money
from luosi.errors import UsageError
from luosi.plan.prices import listed_prices
from luosi.ranking import Ranking
from luosi.serve.accounts import Accounts, Charge
from luosi.serve.battle_tables import Spent
from luosi.serve.battles import OUTCOMES, OWN, SIDES, Answer, Battles, Pairing
from luosi.serve.prices import Usage

NAMES = ("x", "y")
MORE = {"propensity": 1.0}
ROW = """
[models.{}]
provider = "someone"
currency = "USD"
prompt_nano = {}
completion_nano = {}
source = "their list"
date = "2026-11-01"
"""


@dataclass
class Site:
    """An arena between x and y, whose answers all have 100 + 200 tokens at 1,000 nano each, and its accounts."""

    place: Workspace
    accounts: Accounts
    store: Battles

    def charge(self, model: str, prompt: int, completion: int, status: str = "done", *, known: bool = True) -> None:
        usage = Usage(prompt_tokens=prompt, completion_tokens=completion) if known else None
        cost = Money(nano=(prompt + completion) * 1000, currency="USD") if known else None
        self.accounts.record(Charge(model, "u", status, usage, cost)).result()  # type: ignore[arg-type]

    def battle(self, number: int, prompt: int = 100) -> int:
        left, right = NAMES[:: 1 - 2 * (number % 2)]
        pairing = Pairing(f"v{number % 9}", "s", f"p{number}", "en", "short", "", left, right, **MORE)
        battle = self.store.begin(pairing, f"question {number}", OWN)
        usage = Usage(prompt_tokens=prompt, completion_tokens=200)
        cost = Money(nano=(prompt + 200) * 1000, currency="USD")
        for side in SIDES:
            self.charge(battle.model(side), prompt, 200)
        self.store.answer(battle.id, 1, {side: Answer("text", "done", "", usage, cost, 0.1) for side in SIDES})
        return battle.id

    def ranking(self) -> Ranking:
        found = arena_ranking(self.place)
        assert found is not None
        return found

    def prices(self, *rows: tuple[str, int, int]) -> Path:
        path = self.place.root / "prices.toml"
        path.write_text("".join(ROW.format(*row) for row in rows), encoding="utf-8")
        return path


@pytest.fixture(scope="module")
def fought(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the accounts of 120 battles."""
    root, draw = tmp_path_factory.mktemp("fought"), random.Random(3)
    with Battles(root / "accounts.db") as store, Accounts(root / "accounts.db") as accounts:
        found = Site(Workspace(root), accounts, store)
        for number in range(120):
            store.vote(found.battle(number), draw.choice(OUTCOMES))
    return root


@pytest.fixture
def site(fought: Path, tmp_path: Path) -> Iterator[Site]:
    shutil.copytree(fought, tmp_path, dirs_exist_ok=True)
    place = Workspace(tmp_path)
    with place.battles() as store, Accounts(tmp_path / "accounts.db") as accounts:
        yield Site(place, accounts, store)


def each(models: Judged) -> dict[str, tuple[int | None, float]]:
    """Nano-units and prompt tokens of an answer, by model."""
    lines = models.worth(answers_per_month=1_000_000).lines
    return {
        line.entry.model: (line.month and line.month.nano // 1_000_000, (line.entry.prompt_tokens or 0) / line.entry.answers)
        for line in lines
    }  # fmt: skip


def test_in_the_arena_only_its_own_prompts_count(site: Site) -> None:
    assert each(judged(site.place)) == {"x": (300_000, 100), "y": (300_000, 100)}
    for _ in range(100):
        site.charge("y", 20_000, 500)  # y alone answers over long files, elsewhere
    for _ in range(50):
        site.charge("x", 0, 0, "cancelled", known=False)
    found = judged(site.place)
    assert each(found) == {"x": (300_000, 100), "y": (300_000, 100)}
    assert any("of the whole answers in the arena's battles" in note for note in found.notes)


def test_an_open_battle_shows_nowhere(site: Site) -> None:
    board = site.ranking()
    before = site.place.worth(board).as_dict(site.place.worth(board).worth(answers_per_month=10_000))
    open_one = site.battle(999, prompt=5000)
    models = site.place.worth(board)
    assert models.as_dict(models.worth(answers_per_month=10_000)) == before
    site.store.vote(open_one, "tie")
    assert each(judged(site.place))["x"][1] > 100


def test_votes_of_a_file_are_compared_on_prompts_of_one_length(site: Site) -> None:
    for _ in range(120):
        site.charge("y", 20_100, 200)
    prices = site.prices(("x", 10**9, 10**9), ("y", 10**9, 10**9))
    found = judged(site.place, site.ranking(), prices=prices, arena=False)
    common = (100 + 10_100) / 2
    assert each(found) == {"x": ((common + 200) * 1000, common), "y": ((common + 200) * 1000, common)}
    assert any(
        "5,100 prompt, the mean of those measured here, for every model priced by" in note for note in found.notes
    )
    assert not any("not alike" in note for note in found.notes)


def test_sums_paid_for_other_prompts_are_said_not_to_be_alike(site: Site) -> None:
    alike = judged(site.place, site.ranking(), arena=False)
    assert not any("not alike" in note for note in alike.notes)
    for _ in range(120):
        site.charge("y", 200, 200)
    found = judged(site.place, site.ranking(), arena=False)
    assert each(found) == {"x": (300_000, 100), "y": (350_000, 150)}
    assert not any("not alike" in note for note in found.notes)  # 1.5 times, and no more
    site.charge("y", 1000, 200)
    notes = judged(site.place, site.ranking(), arena=False).notes
    assert any("not alike: prompts from 100 to 154 tokens" in note for note in notes)


def test_requests_without_a_cost_are_counted(site: Site) -> None:
    for _ in range(30):
        site.charge("x", 0, 0, "cancelled", known=False)
    site.charge("y", 0, 0, "failed", known=False)
    site.charge("y", 100, 10, "cancelled")  # is in the sum paid
    found = judged(site.place, site.ranking(), arena=False)
    assert each(found)["x"] == (300_000, 100) and each(found)["y"] == (300_000 + 110_000 // 120, 100)
    assert (
        "not in the cost, which is then too low: 31 requests that failed or were cancelled (x 30, y 1)" in found.notes
    )
    listed = judged(site.place, site.ranking(), prices=site.prices(("y", 10**9, 10**9)), arena=False)
    assert any("32 requests that failed or were cancelled (x 30, y 2)" in note for note in listed.notes)
    assert any("31 次失败或取消的请求" in sentence.zh for sentence in found.sentences)
    given = judged(site.place, site.ranking(), tokens=(10, 10), prices=site.prices(("y", 1, 1)), arena=False)
    assert not any("failed or were cancelled" in note for note in given.notes)


def test_every_row_of_ones_own_file_wins(tmp_path: Path, site: Site) -> None:
    """Also one that says the same as the list that Luosi ships."""
    name, row = next(iter(listed_prices().models.items()))
    for _ in range(3):
        site.charge(name, 7, 5)
    path = tmp_path / "own.toml"
    path.write_text(
        f"[models.{name!r}]\nprovider = {row.provider!r}\ncurrency = {row.currency!r}\nprompt_nano = {row.prompt_nano}\n"
        f"completion_nano = {row.completion_nano}\nsource = {row.source!r}\ndate = {row.date!r}\n"
    )
    found = judged(site.place, site.ranking(), prices=path)
    assert any(f"no model here is called {name!r}, which has a price" in note for note in found.notes)


def test_battles_whose_cost_nobody_knows() -> None:
    found = in_battles(
        [
            Spent("part", "", 3, 3, 0, 30, 30), Spent("part", "USD", 7, 7, 700, 70, 140), Spent("own", "", 4, 3, 0, 30, 60),
            Spent("two", "CNY", 1, 1, 9, 10, 10), Spent("two", "USD", 1, 1, 1, 30, 10), Spent("mute", "", 2, 0, 0, 0, 0),
        ]
    )  # fmt: skip
    assert found == {
        "part": Used(7, 70, 140, Money(nano=700, currency="USD"), unpriced=3),
        "own": Used(3, 30, 60, unpriced=1), "two": Used(2, 40, 20),
    }  # fmt: skip


def test_votes_and_a_verdict_are_not_mixed(site: Site) -> None:
    with pytest.raises(UsageError, match="votes are given, and the verdict of small too"):
        judged(site.place, site.ranking(), recipe="small", arena=False)
