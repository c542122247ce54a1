"""What the money of a comparison rests on, and what is assumed: a sentence each, in English and Chinese."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from luosi.stages.verdict.names import said

if TYPE_CHECKING:
    from luosi.api.till import Till
    from luosi.artifacts.evidence import Sentence
    from luosi.plan.worth import Entry


def notes(till: Till, entries: Sequence[Entry]) -> list[Sentence]:
    """What money rests on, and what is assumed."""
    return [*_unpriced(till, entries), *_tokens(till, entries), *_machine(till, entries)]


def _unpriced(till: Till, entries: Sequence[Entry]) -> Iterator[Sentence]:
    names = [entry.model for entry in entries]
    for name in sorted(till.said - set(names)):
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
