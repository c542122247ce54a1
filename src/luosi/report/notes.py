"""How a verdict was measured, as sentences: marks, intervals, early stopping, money with its sources, energy."""

from __future__ import annotations

from collections.abc import Iterator

from luosi.artifacts.evidence import Sentence
from luosi.report.figures import money, percent
from luosi.report.words import Language, Words
from luosi.stages.verdict.money import Listed, VerdictReport

_UNITS = {
    "machine_hour": ("an hour of this machine", "本机一小时"),
    "core_hour": ("an hour of a core", "一个核心一小时"),
    "kwh": ("a kWh", "每千瓦时"),
    "million_prompt_tokens": ("a million prompt tokens of {what}", "{what} 每百万输入词元"),
    "million_completion_tokens": ("a million answer tokens of {what}", "{what} 每百万输出词元"),
}


def notes(verdict: VerdictReport, language: Language) -> Iterator[str]:
    """The sentences that apply."""
    for sentence in _notes(verdict):
        yield getattr(sentence, language)


def _notes(verdict: VerdictReport) -> Iterator[Sentence]:
    if verdict.questions:
        yield from _asked(verdict)
    if verdict.source:
        yield Sentence(
            en=f"Bits per byte are counted on held-out text of {verdict.source} that no model was trained on here; fewer are better. "
            "± is one standard error, documents being the independent draws.",
            zh=f"每字节比特按 {verdict.source} 的留出文本计算，这里的训练没有用过它；越少越好。± 为一个标准误，以文档为独立样本。",
        )
    yield from _money(verdict)


def _asked(verdict: VerdictReport) -> Iterator[Sentence]:
    count = verdict.questions
    graders = {
        language: ", ".join(f"{Words(language)(name)} {n}" for name, n in verdict.graders.items())
        for language in ("en", "zh")
    }  # type: ignore[arg-type]
    yield Sentence(
        en=f"All routes were put the same {count} question{'s' if count > 1 else ''} of yours, by rule: {graders['en']}. An answer that did "
        "not come counts as wrong.",
        zh=f"所有路线答的是您的同样 {count} 道题，按规则评分：{graders['zh']}。没有回答按答错计。",
    )
    yield Sentence(
        en="Intervals are of 95 %: of a hundred such intervals about five miss the true value. Differences are paired: both routes on "
        "the same questions. They are not corrected for the number of routes that are compared.",
        zh="区间为 95%：一百个这样的区间约有五个不含真值。差别是配对的：两条路线答同样的题。没有按所比路线的数目再作校正。",
    )
    yield Sentence(
        en=f"Among routes that the questions cannot tell from the best, the cheapest that keeps the data in the house is taken, at "
        f"{verdict.volume:,} answers with what it costs to make.",
        zh=f"在题目分不出与最好者高下的路线中，取数据不出门的最便宜者（按 {verdict.volume:,} 次回答计，含制作费用）。",
    )
    if verdict.sequential:
        yield Sentence(
            en=f"Routes that could no longer win were stopped early, which saved {percent(verdict.saved_share)} of the evaluation's cost; "
            "their shares are of the questions they were asked.",
            zh=f"已不可能胜出的路线提前停下，省下 {percent(verdict.saved_share)} 的评测费用；它们的正确率按所答的题计算。",
        )
    if verdict.judge:
        yield from _judge(verdict)


def _judge(verdict: VerdictReport) -> Iterator[Sentence]:
    found = verdict.agreement
    if found is None or found.share is None:
        agrees = "nobody has marked answers to hold it against", "还没有人评分可作对照"
    else:
        share, span = percent(found.share), f"{found.low * 100:.0f}..{found.high * 100:.0f}"
        kappa = "" if found.kappa is None else f", kappa {found.kappa:.2f}"
        agrees = (
            f"it agrees with people on {share} ({span}) of {found.n} answers{kappa}",
            f"与人的评分有 {share}（{span}）一致，共 {found.n} 个回答{kappa}",
        )
    yield Sentence(
        en=f"{verdict.judge} judged what no rule can mark, asked in both orders; {agrees[0]}.",
        zh=f"规则评不了的由 {verdict.judge} 评判，正反两种顺序各问一次；{agrees[1]}。",
    )


def _money(verdict: VerdictReport) -> Iterator[Sentence]:
    yield Sentence(
        en="Own answers cost the seconds this machine is busy with them, one at a time; hours in which it waits are not in it. To make "
        "is the whole chain from the raw files on, killed attempts included.",
        zh="自有路线的回答按本机逐个作答的忙碌秒数计费，等待的时间不计。制作费用含从原始文件起的整条链，中断的尝试也在内。",
    )
    if verdict.watts is not None:
        yield Sentence(
            en=f"Energy is modelled from {verdict.watts:.0f} W while busy; that of rented models is not known.",
            zh=f"能耗按忙碌时 {verdict.watts:.0f} W 估算；租用模型的能耗未知。",
        )
    for listed in verdict.prices:
        yield _price(listed)


def _price(listed: Listed) -> Sentence:
    price, (en, zh) = listed.price, _UNITS[listed.price.unit]
    amount, source = money(price.money), f"{price.date}, {price.source}"
    return Sentence(
        en=f"Price of {en.format(what=listed.what)}: {amount} ({source}).",
        zh=f"{zh.format(what=listed.what)}：{amount}（{source}）。",
    )
