"""What the money of a comparison rests on, and what is assumed: a sentence each, in English and Chinese."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from luosi.stages.verdict.names import said

ALIKE = 1.5
"""Mean prompts farther apart than by this factor are said to be."""
NAMED = 5
"""So many models are named at most."""
MEAN = said(en="the mean of those measured here", zh="即此处已测模型的平均")

if TYPE_CHECKING:
    from luosi.api.till import Till
    from luosi.artifacts.evidence import Sentence
    from luosi.plan.worth import Entry


def notes(till: Till, entries: Sequence[Entry]) -> list[Sentence]:
    """What money rests on, and what is assumed."""
    return [
        *_unpriced(till, entries), *_tokens(till, entries), *_prompts(till, entries), *_uncounted(till, entries),
        *_machine(till, entries),
    ]  # fmt: skip


def _unpriced(till: Till, entries: Sequence[Entry]) -> Iterator[Sentence]:
    names = [entry.model for entry in entries]
    for name in sorted(till.given - set(names)):
        near = get_close_matches(name, names, 1)
        yield said(
            en=f"no model here is called {name!r}, which has a price"
            + (f"; did you mean {near[0]!r}?" if near else ""),
            zh=f"有价格的 {name!r} 不在这些模型之中" + (f"；是否指 {near[0]!r}？" if near else ""),
        )
    if without := sum(entry.cost is None for entry in entries):
        yield said(
            en=f"price unknown: {models(without)}; rows in rates.toml (or --prices FILE) named as they are here give one",
            zh=f"价格未知：{without:,} 个模型；在 rates.toml（或 --prices FILE）里按这里的名字写上即可",
        )


def _tokens(till: Till, entries: Sequence[Entry]) -> Iterator[Sentence]:
    assumed = sum(entry.cost is not None and not entry.measured for entry in entries)
    if till.tokens:
        prompt, answer = (f"{count:,}" for count in till.tokens)
        yield said(
            en=f"tokens per answer: {prompt} prompt + {answer} answer, as given, for every model",
            zh=f"每次回答的词元：各模型一律按所给的 {prompt} 提示 + {answer} 回答",
        )
    elif assumed:
        prompt, answer = (f"{count:,.0f}" for count in till.typical)
        yield said(
            en=f"tokens per answer: not measured for {models(assumed)}, taken as {prompt} prompt + {answer} answer, {till.why.en}; "
            "--tokens-per-answer PROMPT,ANSWER gives yours",
            zh=f"每次回答的词元：{assumed:,} 个模型没有测过，按 {prompt} 提示 + {answer} 回答计，{till.why.zh}；"
            "可用 --tokens-per-answer PROMPT,ANSWER 指定",
        )


def _prompts(till: Till, entries: Sequence[Entry]) -> Iterator[Sentence]:
    """Which prompts the answers that were measured are of."""
    priced = [entry for entry in entries if entry.cost is not None and entry.measured]
    if till.tokens or not priced or till.traffic == "race":
        return
    if till.traffic == "battles":
        yield said(
            en="tokens and money: of the whole answers in the arena's battles, whose prompts are of one kind for every model; answers "
            "that failed or were stopped are not in them",
            zh="词元与费用：取自竞技场对战中的完整回答，各模型所答提示同类；失败或中止的回答不计在内",
        )
        return
    lengths = [(entry.prompt_tokens or 0) / entry.answers for entry in priced]
    if till.prompt is not None and any(till.paid(entry.model) is None for entry in priced):
        yield said(
            en=f"tokens per answer: {till.prompt:,.0f} prompt, {MEAN.en}, for every model priced by the token, and its own answer",
            zh=f"每次回答的词元：按词元计价的模型，提示一律 {till.prompt:,.0f}，{MEAN.zh}；回答按各自所测",
        )
    if max(lengths) > ALIKE * min(lengths):
        yield said(
            en=f"not alike: prompts from {min(lengths):,.0f} to {max(lengths):,.0f} tokens on average, as a model of which only the sum "
            "paid is known was asked; its price per token (--prices FILE) makes it comparable",
            zh=f"不可直接比较：提示平均 {min(lengths):,.0f} 至 {max(lengths):,.0f} 词元，因为有的模型只知付款总额；给出其词元单价（--prices FILE）即可比较",
        )


def _uncounted(till: Till, entries: Sequence[Entry]) -> Iterator[Sentence]:
    """Requests whose cost is missing."""
    counts = {
        e.model: count for e in entries if e.cost is not None and e.measured and (count := till.uncounted(e.model))
    }
    if not counts:
        return
    total = f"{sum(counts.values()):,}"
    most = sorted(counts, key=lambda name: (-counts[name], name))[:NAMED]
    named = ", ".join(f"{name} {counts[name]:,}" for name in most) + (", ..." if len(counts) > NAMED else "")
    if till.traffic == "battles":
        yield said(
            en=f"not counted: {total} whole answers in battles whose cost or tokens are not known ({named})",
            zh=f"未计入：对战中 {total} 次费用或词元数未知的完整回答（{named}）",
        )
    else:
        yield said(
            en=f"not in the cost, which is then too low: {total} requests that failed or were cancelled ({named})",
            zh=f"费用未包括（因而偏低）：{total} 次失败或取消的请求（{named}）",
        )


def _machine(till: Till, entries: Sequence[Entry]) -> Iterator[Sentence]:
    if any(entry.seconds or entry.per_month for entry in entries):
        how, how_zh = (
            ("which stands there all month", "整月占用")
            if till.standing
            else ("by the seconds it is busy, idle hours not counted", "按忙碌秒数计，闲置不计")
        )
        price = till.known.machine_hour or till.known.electricity
        unit, unit_zh = ("an hour", "小时") if till.known.machine_hour else ("a kWh", "千瓦时")
        yield said(
            en=f"own models: this machine, {how}; "
            + (f"{price.money} {unit} ({price.source})" if price else "its price is not known"),
            zh=f"自有模型：本机，{how_zh}；"
            + (f"每{unit_zh} {price.money}（{price.source}）" if price else "价格未知"),
        )


def models(count: int) -> str:
    """ "1 model", "2 models"."""
    return f"{count:,} model{'' if count == 1 else 's'}"
