"""Which route to take at which volume where nobody was asked the user's own questions: by scores and money alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from luosi.artifacts.evidence import Sentence, VerdictSummary
from luosi.cost import Money, Rates
from luosi.stages.verdict.advice import best_route
from luosi.stages.verdict.costs import ANSWERS, RouteMoney
from luosi.stages.verdict.names import said


def advise_by_scores(summary: VerdictSummary, table: Sequence[RouteMoney], rates: Rates) -> Iterator[Sentence]:
    """Which route to take at which volume, and what would change that."""
    step = best_route(summary).step
    own = next(line for line in table if line.step == step)
    rent = next((line for line in table if line.route == "rent"), None)
    cheaper = next((line for line in table if line.route == "baseline" and _fewer_bits(line, own)), None)
    if cheaper is not None:
        yield said(
            en=f"Take none of these models: {cheaper.model} predicts this text better than {own.model}, the best of them. Rent one, "
            "or adapt a larger open model; what would change that: more text, more training, or questions that they answer well",
            zh=f"这些模型一个也别用：{cheaper.model} 对这些文本的预测比其中最好的 {own.model} 还好。请租用模型，或适配更大的开放模型；"
            "能改变这一点的：更多文本、更多训练，或它们答得好的问题",
        )
        return
    take, take_zh = f"By quality take {own.model}", f"论质量请用 {own.model}"
    if rent is None or rent.cost_per_1000 is None:
        yield said(
            en=f"{take}; no rented model's price was given to hold its cost against",
            zh=f"{take_zh}；没有租用模型的价格可作比较",
        )
    elif own.cost_per_1000 is None or own.cost_to_make is None:
        yield said(
            en=f"{take}; its cost is not known: its speed was not measured here, or this machine has no price",
            zh=f"{take_zh}；其费用未知：没有在此测过速度，或本机没有价格",
        )
    elif own.cost_per_1000.currency != rent.cost_per_1000.currency:
        currencies = own.cost_per_1000.currency, rent.cost_per_1000.currency
        yield said(
            en=f"{take}; it is priced in {currencies[0]}, {rent.model} in {currencies[1]}",
            zh=f"{take_zh}；它以 {currencies[0]} 计价，{rent.model} 以 {currencies[1]} 计价",
        )
    else:
        yield from _rent_or_own(own, rent, own.cost_per_1000, rent.cost_per_1000)
        yield from idle(rates, rent.cost_per_1000)


def idle(rates: Rates, rent_price: Money) -> Iterator[Sentence]:
    """What a machine that is kept on costs beside."""
    day = rates.machine_hour.money.times(24) if rates.machine_hour is not None else None
    if day is not None and day.currency == rent_price.currency and rent_price.nano:
        answers = -(-day.nano * ANSWERS // rent_price.nano)
        yield said(
            en=f"Only the seconds of answering are counted: a machine kept on costs {day} a day, for which renting gives "
            f"{answers:,} answers",
            zh=f"只计作答的秒数：机器一直开着每天要 {day}，这笔钱可租得 {answers:,} 次回答",
        )


def _fewer_bits(line: RouteMoney, other: RouteMoney) -> bool:
    return line.bpb is not None and other.bpb is not None and line.bpb < other.bpb


def _rent_or_own(own: RouteMoney, rent: RouteMoney, own_price: Money, rent_price: Money) -> Iterator[Sentence]:
    prices = said(
        en=f"{own_price} per 1,000 answers against {rent_price}", zh=f"每千次回答 {own_price}，租用 {rent_price}"
    )
    quality = said(en=f"the quality of {rent.model} is {rent.note}", zh=f"{rent.model} 的质量在接上之前没有测量")
    if own.break_even_answers is None:
        yield said(
            en=f"Rent {rent.model} at any volume if its quality will do: {own.model} costs more for each answer ({prices.en}); {quality.en}",
            zh=f"只要质量够用，多少量都请租用 {rent.model}：{own.model} 每次回答更贵（{prices.zh}）；{quality.zh}",
        )
        times = f"{own_price.nano / max(1, rent_price.nano):,.1f}"
        yield said(
            en=f"What would change that: a machine that gives {times} times the answers for its price, or a rented price above {own_price} "
            "per 1,000 answers",
            zh=f"能改变这一点的：同样价格能给出 {times} 倍回答的机器，或租用价格高于每千次 {own_price}",
        )
        return
    even = f"{own.break_even_answers:,}"
    yield said(
        en=f"Take {own.model} from {even} answers on, rent {rent.model} below ({prices.en}, and {own.cost_to_make} once); {quality.en}",
        zh=f"{even} 次回答以上用 {own.model}，以下租用 {rent.model}（{prices.zh}，另有一次性 {own.cost_to_make}）；{quality.zh}",
    )
    yield said(
        en=f"What would change that: a volume below {even} answers, or a rented price below {own_price} per 1,000 answers",
        zh=f"能改变这一点的：用量低于 {even} 次回答，或租用价格低于每千次 {own_price}",
    )
