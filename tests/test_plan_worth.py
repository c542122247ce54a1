"""Quality against money: the choice against a plain second reading of its rule, its properties, exact money, and the one line."""

from __future__ import annotations

import math
import random
from fractions import Fraction
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luosi.cost import Money
from luosi.errors import UsageError
from luosi.plan.worth import MOST_ANSWERS, Entry, Worth, worth
from luosi.plan.worth_field import independent
from luosi.plan.worth_words import untold

MONTH_S = 730 * 3600


def usd(amount: float) -> Money:
    return Money(nano=round(amount * 10**9), currency="USD")


def rented(model: str, rating: float, each: float, half: float = 20.0, **more: object) -> Entry:
    return Entry(model, rating, rating - half, rating + half, usd(each), usd(0), **more)  # type: ignore[arg-type]


@st.composite
def fields(draw: st.DrawFn, *, machines: bool = True) -> list[Entry]:
    """A few models, some alike, some of our own, some that cannot be compared."""
    found = []
    for number in range(draw(st.integers(1, 7))):
        rating, half = draw(st.integers(90, 110)) * 10.0, draw(st.integers(1, 12)) * 5.0
        own, stands = draw(st.booleans()), draw(st.booleans()) and machines
        cost = draw(st.one_of(st.integers(1, 30).map(lambda n: n * 10**5), st.integers(0, 10**7), st.none()))
        found.append(
            Entry(
                f"m{number}", rating, rating - half, rating + half,
                None if cost is None else Money(nano=cost, currency="USD"),
                Money(nano=draw(st.integers(0, 10**12)) if own else 0, currency="USD"),
                usd(draw(st.integers(1, 200))) if stands else None,
                answers=draw(st.integers(1, 1000)), seconds=draw(st.floats(0, 50)) if stands else 0.0,
                provisional=draw(st.integers(0, 5)) == 0,
            )
        )  # fmt: skip
    return found


volumes = st.one_of(st.integers(1, 10**4), st.integers(1, MOST_ANSWERS))
budgets = st.one_of(st.none(), st.integers(1, 10**13).map(lambda nano: Money(nano=nano, currency="USD")))


def month(entry: Entry, answers: int, months: int = 12) -> Fraction:
    assert entry.cost is not None and entry.to_make is not None
    found = Fraction(entry.cost.nano * answers, entry.answers) + Fraction(entry.to_make.nano, months)
    if entry.per_month:
        busy = Fraction(entry.seconds) * answers / entry.answers
        found += entry.per_month.nano * max(1, math.ceil(busy / MONTH_S))
    return found


def by_the_rule(entries: list[Entry], answers: int, budget: Money | None) -> str:
    """The choice, read off the rule as it stands in the docstring."""
    priced = [e for e in entries if e.cost is not None]
    compared = [e for e in priced if not e.provisional] or priced
    z = NormalDist().inv_cdf(1 - 0.05 / max(1, len(compared) - 1)) / NormalDist().inv_cdf(0.975)
    cost = {e.model: month(e, answers) for e in compared}
    affordable = [e for e in compared if budget is None or cost[e.model] <= budget.nano]

    def told(better: Entry, worse: Entry) -> bool:
        return better.rating - worse.rating > z * math.hypot(better.rating - better.low, worse.high - worse.rating)  # type: ignore[operator]

    def beats(one: Entry, other: Entry) -> bool:
        here, there = (-one.rating, cost[one.model]), (-other.rating, cost[other.model])  # type: ignore[operator]
        return all(a <= b for a, b in zip(here, there, strict=True)) and here != there

    left = [
        e for e in affordable
        if not any(beats(other, e) for other in compared) and not any(told(other, e) for other in affordable)
    ]  # fmt: skip
    return min(left, key=lambda e: (cost[e.model], e.model)).model if left else ""


def chosen(found: Worth) -> str:
    return found.choice.entry.model if found.choice else ""


@given(fields(), volumes, budgets)
def test_the_choice_is_the_rules(entries: list[Entry], answers: int, budget: Money | None) -> None:
    found = worth(entries, answers_per_month=answers, budget=budget)
    assert chosen(found) == by_the_rule(entries, answers, budget)
    assert {line.entry.model for line in found.lines} == {entry.model for entry in entries}
    if found.choice:
        assert found.choice.frontier and found.choice.affordable and found.choice.tied
        assert found.best is not None and found.best.entry.rating >= found.choice.entry.rating  # type: ignore[operator]


@given(fields(), volumes, budgets)
def test_nobody_is_both_better_and_cheaper_than_the_choice(
    entries: list[Entry], answers: int, budget: Money | None
) -> None:
    found = worth(entries, answers_per_month=answers, budget=budget)
    if found.choice:
        own = month(found.choice.entry, answers)
        for line in found.compared:
            rating, cost = line.entry.rating, month(line.entry, answers)
            assert not (rating > found.choice.entry.rating and cost <= own)  # type: ignore[operator]
            assert not (rating == found.choice.entry.rating and cost < own)


@given(fields(), volumes, st.integers(1, 10**13), st.integers(0, 10**13))
def test_more_money_never_buys_less_quality(entries: list[Entry], answers: int, nano: int, more: int) -> None:
    less, richer = (
        worth(entries, answers_per_month=answers, budget=Money(nano=amount, currency="USD")).choice
        for amount in (nano, nano + more)
    )
    assert less is None or (richer is not None and richer.entry.rating >= less.entry.rating)  # type: ignore[operator]


@given(fields(), volumes, budgets, st.randoms())
def test_the_order_of_entries_does_not_matter(
    entries: list[Entry], answers: int, budget: Money | None, shuffler: random.Random
) -> None:
    mixed = entries[:]
    shuffler.shuffle(mixed)
    one, other = (worth(way, answers_per_month=answers, budget=budget) for way in (entries, mixed))
    assert one.line() == other.line() and one.line("zh") == other.line("zh")
    assert [line.entry for line in one.lines] == [line.entry for line in other.lines]


@given(fields(), volumes, budgets)
def test_a_change_is_where_it_is_said_to_be(entries: list[Entry], answers: int, budget: Money | None) -> None:
    found = worth(entries, answers_per_month=answers, budget=budget)
    for change, step in ((found.above, 1), (found.below, -1)):
        if change is not None:
            assert (change.answers - answers) * step > 0 and change.model != chosen(found)
            assert by_the_rule(entries, change.answers, budget) == change.model
            assert by_the_rule(entries, change.answers - step, budget) == chosen(found)


@given(fields(machines=False), volumes, budgets, st.floats(0, 1))
def test_without_machines_nothing_changes_before_the_change(
    entries: list[Entry], answers: int, budget: Money | None, share: float
) -> None:
    found = worth(entries, answers_per_month=answers, budget=budget)
    low = found.below.answers + 1 if found.below else 1
    high = found.above.answers - 1 if found.above else MOST_ANSWERS
    for volume in (low, high, round(low * (high / low) ** share)):
        assert by_the_rule(entries, min(max(volume, low), high), budget) == chosen(found)


@given(fields(), volumes)
def test_money_is_exact_and_rounded_up_once(entries: list[Entry], answers: int) -> None:
    for line in worth(entries, answers_per_month=answers, months=7).compared:
        cost = month(line.entry, answers, 7)
        assert line.month is not None and line.per_1000 is not None
        assert line.month.nano == math.ceil(cost) and line.per_1000.nano == math.ceil(cost / answers * 1000)


def test_a_mean_that_is_no_whole_number_is_not_rounded() -> None:
    entry = Entry(
        "a", 1000, 990, 1010, Money(nano=1, currency="USD"), usd(0), answers=3, prompt_tokens=1, completion_tokens=1
    )
    line = worth([entry], answers_per_month=3_000_000).lines[0]
    assert line.month == Money(nano=1_000_000, currency="USD") and entry.per_answer == Money(nano=1, currency="USD")
    assert line.per_million == Money(nano=500_000, currency="USD")


def test_the_truly_best_is_seldom_told_to_be_worse() -> None:
    """Six equal models, any of them the best by a hair: each is told to be worse than any other in at most 5 % of the measurements."""
    draws, dropped = random.Random(7), 0
    for _ in range(1500):
        entries = [rented(f"m{n}", draws.gauss(1000, 10), 0.001, half=19.6) for n in range(6)]
        dropped += sum(not line.tied for line in worth(entries, answers_per_month=1).lines)
    assert 0.03 < dropped / 6 / 1500 < 0.05  # Bonferroni is a little careful, not much


def test_the_difference_decides_not_whether_intervals_overlap() -> None:
    entries = [rented("cheap", 1000, 0.001), rented("good", 1030, 0.01)]  # 980..1020 and 1010..1050
    assert chosen(worth(entries, answers_per_month=100)) == "good"
    known = worth(entries, answers_per_month=100, ahead=lambda first, second, risk: -1.0)
    assert chosen(known) == "cheap" and known.behind == 1.0


def test_few_of_many_pairs_are_tested() -> None:
    """A thousand models, of half a million pairs: only those that can matter, with a budget and without."""
    draws, tested = random.Random(1), [0]
    entries = [rented(f"m{n}", draws.gauss(1000, 100), draws.uniform(0.0001, 0.01), half=30) for n in range(1000)]
    plainly = independent(entries)

    def ahead(first: str, second: str, risk: float) -> float | None:
        tested[0] += 1
        return plainly(first, second, risk)

    for budget in (None, usd(50)):
        found = worth(entries, answers_per_month=10_000, budget=budget, ahead=ahead)
        assert chosen(found) == by_the_rule(entries, 10_000, budget) and found.line()
    assert tested[0] < 30_000


def test_where_hundreds_are_on_the_frontier_the_choice_changes_where_it_is_said_to() -> None:
    """The better the dearer: the choice goes down model by model as the volume grows within the budget."""
    entries = [rented(f"m{n:03}", 500 + n, 0.0001 * (n + 1), half=1) for n in range(300)]
    found = worth(entries, answers_per_month=10_000, budget=usd(100))
    assert len(found.frontier) == 300 and found.above is not None and found.below is not None
    for change, step in ((found.above, 1), (found.below, -1)):
        assert by_the_rule(entries, change.answers, usd(100)) == change.model != chosen(found)
        assert by_the_rule(entries, change.answers - step, usd(100)) == chosen(found)


def test_one_that_few_votes_rate_high_does_not_shelter_a_bad_one() -> None:
    """It can be told from nobody; but the second best can, and rules the bad one out."""
    entries = [rented("bad", 900, 0.001), rented("good", 1000, 0.002), rented("unsure", 1010, 0.003, half=300)]
    assert chosen(worth(entries, answers_per_month=100)) == "good"


def test_machines_come_in_whole_numbers() -> None:
    own = Entry("own", 1000, 980, 1020, usd(0), usd(12), usd(50), answers=10, seconds=10.0)
    busy = MONTH_S  # answers of a second each that one machine gives in a month
    for answers, count in ((1, 1), (busy, 1), (busy + 1, 2), (10 * busy, 10)):
        line = worth([own], answers_per_month=answers).lines[0]
        assert line.machines == count and line.month == usd(50 * count + 1)
    against = worth([own, rented("big", 1000, 0.001)], answers_per_month=10)
    assert chosen(against) == "big" and against.above is not None and against.above.model == "own"
    assert against.above.answers == 51_001  # 50 + 1 USD a month are then less than 0.001 each


def test_what_cannot_be_compared_is_listed_and_why() -> None:
    entries = [
        rented("known", 1000, 0.001),
        Entry("unpriced", 1200, 1190, 1210, None, usd(0)),
        Entry("unmade", 1200, 1190, 1210, usd(0.1), None),
        Entry("euro", 1200, 1190, 1210, Money(nano=1, currency="EUR"), Money(nano=0, currency="EUR")),
        Entry("mixed", 1200, 1190, 1210, Money(nano=1, currency="EUR"), usd(3)),
        Entry("unrated", None, None, None, usd(0.1), usd(0)),
        rented("alone", 1200, 0.001, island=1),
        rented("new", 1200, 0.001, provisional=True),
    ]
    found = worth(entries, answers_per_month=10)
    assert chosen(found) == "known" and len(found.compared) == 1
    assert {line.entry.model: line.reason for line in found.lines} == {
        "known": "", "unpriced": "price", "unmade": "making", "euro": "currency", "mixed": "mixed", "unrated": "unrated",
        "alone": "unjoined", "new": "provisional",
    }  # fmt: skip
    euros = worth(entries, answers_per_month=10, budget=Money(nano=10**9, currency="EUR"))
    assert chosen(euros) == "euro" and euros.lines[0].month == Money(nano=10, currency="EUR")
    assert chosen(worth(entries[-1:], answers_per_month=10)) == "new"  # nothing else is there


TOP = [
    rented("small", 950, 0.0001),
    rented("middle", 1040, 0.001),
    rented("large", 1050, 0.01),
    Entry("own", 1000, 980, 1020, usd(0.00001), usd(30)),
]


@pytest.mark.parametrize(
    ("answers", "budget", "english", "chinese"),
    [
        (
            100, None,
            "For 100 answers a month: take middle, 1040 Elo (1020..1060), for 0.1 USD a month; large was measured higher, 1050 Elo "
            "(1030..1070) for 1.00 USD, but cannot be told from it (at most 38 Elo better)",
            "每月 100 次回答：请用 middle，1040 Elo（1020..1060），每月 0.1 USD；large 测得更高，1050 Elo（1030..1070），每月 1.00 USD，"
            "但与它分不出高下（至多好 38 Elo）",
        ),
        (
            10_000, 5,
            "For 10,000 answers a month and at most 5.00 USD: take own, 1000 Elo (980..1020), for 2.60 USD a month (with 30.00 USD to "
            "make it, spread over 12 months); shown to be better: middle, 1040 Elo (1020..1060), for 10.00 USD; at 5,000 answers or "
            "fewer: middle; from 250,001 answers on: nothing fits the budget",
            "每月 10,000 次回答、每月至多 5.00 USD：请用 own，1000 Elo（980..1020），每月 2.60 USD（含制作费 30.00 USD，按 12 个月分摊）；"
            "已证明更好的：middle，1040 Elo（1020..1060），每月 10.00 USD；每月 5,000 次及以下：改用 middle；每月 250,001 次起：没有模型合乎预算",
        ),
        (
            10**9, 5,
            "For 1,000,000,000 answers a month no model fits a budget of 5.00 USD a month: the cheapest, own, 1000 Elo (980..1020), costs "
            "10002.50 USD (with 30.00 USD to make it, spread over 12 months)",
            "每月 1,000,000,000 次回答：没有模型合乎每月 5.00 USD 的预算；最便宜的 own（1000 Elo（980..1020））每月需 10002.50 USD"
            "（含制作费 30.00 USD，按 12 个月分摊）",
        ),
    ],
)  # fmt: skip
def test_the_line(answers: int, budget: float | None, english: str, chinese: str) -> None:
    found = worth(TOP, answers_per_month=answers, budget=usd(budget) if budget else None)
    assert found.line() == english and found.line("zh") == chinese


def test_the_line_where_there_is_nothing_to_choose_from() -> None:
    found = worth([Entry("a", 1000, 990, 1010, None, usd(0))], answers_per_month=1)
    assert found.line().startswith("For 1 answer a month: nothing to choose from") and "无从选择" in found.line("zh")
    assert worth([], answers_per_month=1).choice is None
    euro = worth(TOP, answers_per_month=1, budget=Money(nano=1, currency="EUR")).line()
    assert euro.endswith("known price in EUR")


def test_a_provisional_quality_is_told_as_such() -> None:
    found = worth([rented("new", 1200, 0.001, provisional=True)], answers_per_month=10)
    assert "take new, 1200 Elo (1180..1220, provisional)" in found.line()
    assert "请用 new，1200 Elo（1180..1220，暂定）" in found.line("zh")


def test_shares_are_told_as_percent() -> None:
    found = worth([Entry("a", 0.84, 0.74, 0.91, usd(0.001), usd(0))], answers_per_month=10, scale="accuracy")
    assert "take a, 84 % (74..91), for 0.01 USD a month" in found.line()


def test_only_ratings_are_too_wide_to_be_told() -> None:
    assert untold(4001, "Elo") and not untold(4000, "Elo") and not untold(10**6, "accuracy")
    wide = [rented("a", 1000, 0.001, half=3000), rented("b", 1001, 0.01, half=3000)]
    assert "(how far, too few have said)" in worth(wide, answers_per_month=10).line()


@pytest.mark.parametrize(
    "change",
    [
        {"answers_per_month": 0}, {"answers_per_month": MOST_ANSWERS + 1}, {"months": 0}, {"months": 1201},
        {"budget": usd(0)}, {"budget": usd(-5)},
    ],
)  # fmt: skip
def test_limits(change: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="expected"):
        worth(TOP, **({"answers_per_month": 10} | change))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "entry",
    [
        rented("small", 1000, 0.1), Entry("b", 1000, 1001, 1010, usd(1), usd(0)), Entry("b", math.nan, 0, 1, usd(1), usd(0)),
        Entry("b", 1000, 990, 1010, usd(-1), usd(0)), Entry("b", 1000, 990, 1010, usd(1), usd(0), answers=0),
        Entry("b", 1000, 990, 1010, usd(1), usd(0), seconds=math.inf),
    ],
)  # fmt: skip
def test_nonsense_is_refused(entry: Entry) -> None:
    with pytest.raises(UsageError):
        worth([*TOP, entry], answers_per_month=10)
