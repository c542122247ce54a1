"""What would change the advice: another volume, another rented price, more questions, a rented model that was not asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from luosi.artifacts.evidence import Sentence, VerdictSummary
from luosi.cost import Money
from luosi.stages.verdict.advice import LEAST_ACCURACY
from luosi.stages.verdict.choice import VOLUME, Choice, difference
from luosi.stages.verdict.costs import ANSWERS, RouteMoney
from luosi.stages.verdict.names import called, said
from luosi.statistics import detectable, needed_clusters

MORE_QUESTIONS = 10


def what_would_change_it(summary: VerdictSummary, table: Sequence[RouteMoney], choice: Choice) -> Iterator[Sentence]:
    """The sentences that apply; those on volume and price only where a route is recommended."""
    if choice.useful:
        yield from _volume(choice)
        yield from _price(table, choice)
    yield from _questions(summary, choice)
    yield from _not_asked(table)


def crossing(line: RouteMoney, other: RouteMoney) -> int | None:
    """Answers at which two routes cost the same, what they cost to make included; None if at none, or not known."""
    prices = (line.cost_to_make, line.cost_per_1000, other.cost_to_make, other.cost_per_1000)
    known = [price for price in prices if price is not None]
    if len(known) < 4 or len({price.currency for price in known}) > 1:
        return None
    make, answers, its_make, its_answers = (price.nano for price in known)
    if answers == its_answers or (its_make - make) / (answers - its_answers) <= 0:
        return None
    return round((its_make - make) * ANSWERS / (answers - its_answers))


def _volume(choice: Choice) -> Iterator[Sentence]:
    """The nearest volume at which an equally good route is cheaper."""
    taken = choice.taken
    others = [(volume, line) for line in choice.tied if line is not taken and (volume := crossing(taken, line))]
    if not others:
        return
    volume, other = min(others, key=lambda one: one[0] if one[0] >= VOLUME else VOLUME * VOLUME // one[0])
    assert taken.cost_per_1000 is not None and other.cost_per_1000 is not None, "lines that cross have prices"
    above, name = other.cost_per_1000.nano < taken.cost_per_1000.nano, called(other)
    away = other.leaves_house and not taken.leaves_house
    yield said(
        en=f"Volume: {'above' if above else 'below'} {volume:,} answers {name.en} is cheaper{', if your data may leave the house' if away else ''}",
        zh=f"用量：{volume:,} 次回答{'以上' if above else '以下'}，{name.zh} 更便宜{'（如果数据可以出门）' if away else ''}",
    )


def _price(table: Sequence[RouteMoney], choice: Choice) -> Iterator[Sentence]:
    """The rented price at which renting and the best own route cost the same."""
    rents = [line for line in table if line.route == "rent" and line.cost_per_1000 is not None]
    owns = (
        [choice.taken]
        if choice.taken.route != "rent"
        else [line for line in (*choice.tied, *choice.losing) if line.route != "rent"]
    )
    if not rents or not owns:
        return
    rent, own = max(rents, key=lambda line: (line is choice.taken, line.own or 0.0)), owns[0]
    if own.cost_per_1000 is None or own.cost_to_make is None or rent.cost_per_1000 is None:
        return
    rent_make = rent.cost_to_make or Money(nano=0, currency=rent.cost_per_1000.currency)
    if len({price.currency for price in (own.cost_per_1000, own.cost_to_make, rent.cost_per_1000, rent_make)}) > 1:
        return
    nano = own.cost_per_1000.nano + (own.cost_to_make.nano - rent_make.nano) * ANSWERS // VOLUME
    if nano <= 0:
        return
    even, name, its = Money(nano=nano, currency=rent.cost_per_1000.currency), called(rent), called(own)
    today = rent.cost_per_1000
    unknown, unknown_zh = (
        ("; how well it answers is not known", "；它答得如何还不知道") if rent.own is None else ("", "")
    )
    yield said(
        en=f"Price: at {VOLUME:,} answers {name.en} is cheaper than {its.en} below {even} per 1,000 answers (today {today}){unknown}",
        zh=f"价格：按 {VOLUME:,} 次回答计，{name.zh} 的价格低于每千次 {even} 时比 {its.zh} 便宜（今天 {today}）{unknown_zh}",
    )


def _questions(summary: VerdictSummary, choice: Choice) -> Iterator[Sentence]:
    """The power calculation, for the taken route and the one it differs most from among those it is not told from."""
    spans = [
        span for line in choice.tied if line is not choice.taken and (span := difference(summary, line, choice.taken))
    ]
    if not spans:
        return
    span = max(spans, key=lambda one: abs(one.mean))
    shown = detectable(span, span.clusters + MORE_QUESTIONS)
    seen = max(abs(span.mean), LEAST_ACCURACY)
    needed = needed_clusters(span, LEAST_ACCURACY) - span.clusters
    if needed <= 0:
        return
    few = shown > 1
    first = f"with {MORE_QUESTIONS} more {'no difference' if few else f'a difference of {shown * 100:.0f} points'} would show"
    first_zh = f"再多 {MORE_QUESTIONS} 题，" + (
        "仍显不出任何差别" if few else f"{shown * 100:.0f} 个百分点的差别就会显现"
    )
    which = "seen" if abs(span.mean) >= LEAST_ACCURACY else "that would matter"
    which_zh = "所见的" if abs(span.mean) >= LEAST_ACCURACY else "值得在意的"
    yield said(
        en=f"Questions: {first}; about {needed:,} more are needed for the {seen * 100:.0f} points {which} (80 times in 100)",
        zh=f"问题：{first_zh}；要看清{which_zh} {seen * 100:.0f} 个百分点，大约还需 {needed:,} 题（100 次里 80 次）",
    )


def _not_asked(table: Sequence[RouteMoney]) -> Iterator[Sentence]:
    """What to do where no rented model was asked."""
    rents = [line for line in table if line.route == "rent"]
    if any(line.own is not None for line in rents):
        return
    price = next((line for line in rents if line.cost_per_1000), None)
    listed = f"; by its list price it would cost {price.cost_per_1000} per 1,000 answers" if price else ""
    listed_zh = f"；按标价每千次回答 {price.cost_per_1000}" if price else ""
    name = rents[0].model if rents else "NAME"
    yield said(
        en=f"No rented model was asked: `luosi new ... --rent {name}=URL` asks one your questions, under a spending cap{listed}",
        zh=f"还没有问过租用模型：`luosi new ... --rent {name}=URL` 会在花费上限内问它您的问题{listed_zh}",
    )
