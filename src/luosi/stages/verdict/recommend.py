"""The advice where the user's own questions were asked: one sentence that says what to do, then whether that is certain, and what
each choice means for people's data and for power. What would change it stands in changes.py."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from luosi.artifacts.evidence import Difference, Sentence, VerdictSummary
from luosi.cost import Rates
from luosi.stages.verdict.advice import LEAST_ACCURACY, better
from luosi.stages.verdict.changes import what_would_change_it
from luosi.stages.verdict.choice import VOLUME, Choice, difference
from luosi.stages.verdict.costs import RouteMoney, pays_from
from luosi.stages.verdict.names import called, percent, said, signed
from luosi.stages.verdict.unasked import idle

NAMED = 3
"""Routes named in one sentence, at most."""
MUCH_MORE_ENERGY = 2.0


def recommend(summary: VerdictSummary, table: Sequence[RouteMoney], choice: Choice) -> Iterator[Sentence]:
    """What to do first, then how certain that is and what would change it."""
    other = _other_side(table, choice.taken)
    yield _lead(summary, choice, other) if choice.useful else _nothing_to_take(table, choice)
    yield from _certainty(summary, choice, other)
    if (
        choice.told
        and choice.taken.route != "adapt"
        and any(line.route == "adapt" and line.own is not None for line in table)
    ):
        yield said(
            en="Do not train for these questions: no adapted route is shown to answer better than the one above",
            zh="不要为这些问题训练：没有一条适配路线被证明比上面那条答得更好",
        )
    yield from what_would_change_it(summary, table, choice)
    if choice.useful:
        yield from _data(choice)


def afterthoughts(table: Sequence[RouteMoney], choice: Choice, rates: Rates) -> Iterator[Sentence]:
    """What the route taken means for power and for a machine that is kept on."""
    if not choice.useful:
        return
    yield from _energy(choice)
    rent = next((line.cost_per_1000 for line in table if line.route == "rent" and line.cost_per_1000), None)
    if not choice.taken.leaves_house and rent is not None:
        yield from idle(rates, rent)


def _nothing_to_take(table: Sequence[RouteMoney], choice: Choice) -> Sentence:
    """What to do where there are too few questions, or where all routes fail."""
    best, name = choice.best, called(choice.best)
    if not choice.told:
        count = choice.questions
        return said(
            en=f"Write more questions before you decide: not enough to tell the routes apart from {count} (the best so far is {name.en}, "
            f"{_right(best)} right)",
            zh=f"请先多写些问题再决定：只有 {count} 题，分不出各条路线（目前最好的是 {name.zh}，答对 {_right(best)}）",
        )
    if choice.overlapping:
        return said(
            en=f"Not to be decided by these marks: the best, {name.en}, shares {_right(best)} of the words expected, which does not say how "
            "many answers are right; give short expected answers, or let a judge model mark",
            zh=f"凭这样的评分还不能决定：最好的 {name.zh} 与标准答案的词语重合 {_right(best)}，看不出答对多少；请给出简短的标准答案，或让评判模型评分",
        )
    if any(line.route == "rent" and line.own is not None for line in table):
        step, step_zh = (
            "try another rented model, or an open one of more parameters",
            "请试另一个租用模型，或参数更多的开放模型",
        )
    else:
        step, step_zh = (
            "ask a rented or a larger open model the same questions before spending more",
            "再花钱之前，请先拿同样的问题问一个租用模型或更大的开放模型",
        )
    return said(
        en=f"Use none of these as it is: the best, {name.en}, answers {_right(best)} rightly, fewer than half for certain; {step}",
        zh=f"目前哪条路线都不能直接用：最好的 {name.zh} 只答对 {_right(best)}，肯定不到一半；{step_zh}",
    )


def _lead(summary: VerdictSummary, choice: Choice, other: RouteMoney | None) -> Sentence:
    taken = choice.taken
    do, price = _do(taken), _price(taken)
    beside = _beside(summary, taken, other) if other is not None else said(en="", zh="")
    return said(
        en=f"{do.en}: {_right(taken)} right{price.en}{beside.en}",
        zh=f"{do.zh}：答对 {_right(taken)}{price.zh}{beside.zh}",
    )


def _do(line: RouteMoney) -> Sentence:
    name = called(line)
    verbs = {
        "rent": ("Rent", "请租用"), "open": ("Use the open model", "请用开放模型"), "adapt": ("Use your adapted model", "请用您适配的模型"),
        "scratch": ("Use your model from scratch,", "请用您从零训练的模型"),
    }  # fmt: skip
    verb = verbs.get(line.route, ("Use", "请用"))
    return said(en=f"{verb[0]} {name.en}", zh=f"{verb[1]} {name.zh}")


def _right(line: RouteMoney) -> str:
    """ "84 % (74..91)"."""
    assert line.own is not None, "only routes that were asked are recommended"
    interval = (
        ""
        if line.own_low is None or line.own_high is None
        else f" ({line.own_low * 100:.0f}..{line.own_high * 100:.0f})"
    )
    return f"{percent(line.own)}{interval}"


def _price(line: RouteMoney) -> Sentence:
    if line.cost_per_1000 is None:
        return said(en="", zh="")
    return said(en=f", {line.cost_per_1000} per 1,000 answers", zh=f"，每千次回答 {line.cost_per_1000}")


def _other_side(table: Sequence[RouteMoney], taken: RouteMoney) -> RouteMoney | None:
    """The best of the other kind: rented for an own route, own for a rented one."""
    others = [line for line in table if line.own is not None and (line.route == "rent") != (taken.route == "rent")]
    return max(others, key=lambda line: line.own or 0.0, default=None)


def _beside(summary: VerdictSummary, taken: RouteMoney, other: RouteMoney) -> Sentence:
    """The other kind beside it: how much worse or better, and from which volume on which is cheaper."""
    rented = other.route == "rent"
    volume = pays_from(taken, other) if rented else pays_from(other, taken)
    kinds = {"rent": ("renting ", "租用 "), "adapt": ("your own adapted model ", "您自己适配的模型 ")}
    kind, name, far = kinds.get(other.route, ("", "")), called(other), _apart(difference(summary, other, taken))
    money, money_zh = "", ""
    if volume is not None and rented:
        money, money_zh = f" is cheaper below {volume:,} answers and", f"在 {volume:,} 次回答以下更便宜，"
    elif volume is not None:
        money, money_zh = f" is cheaper from {volume:,} answers on but", f"从 {volume:,} 次回答起更便宜，但"
    return said(en=f"; {kind[0]}{name.en}{money} {far.en}", zh=f"；{kind[1]}{name.zh} {money_zh}{far.zh}")


def _apart(apart: Difference | None) -> Sentence:
    """How much better or worse, or that it cannot be told."""
    if apart is None:
        return said(en="was asked too little to compare", zh="问得太少，无法比较")
    won = better(apart, higher=True)
    if won is None:
        span = f"{signed(apart.low)}..{signed(apart.high)}"
        return said(
            en=f"is not told from it ({signed(apart.mean)} points, {span})",
            zh=f"与之分不出高下（{signed(apart.mean)} 个百分点，{span}）",
        )
    low, high = sorted((abs(apart.low), abs(apart.high)))
    size, interval = f"{abs(apart.mean) * 100:.0f}", f"{low * 100:.0f}..{high * 100:.0f}"
    return said(
        en=f"is {size} points {'better' if won else 'worse'} ({interval})",
        zh=f"{'好' if won else '差'} {size} 个百分点（{interval}）",
    )


def _certainty(summary: VerdictSummary, choice: Choice, other: RouteMoney | None) -> Iterator[Sentence]:
    """Whether the questions tell the routes apart, and by which rule one was taken if they do not."""
    taken, ties = choice.taken, [line for line in choice.tied if line is not choice.taken]
    if not ties:
        next_best = choice.losing[0] if choice.losing else None
        if next_best is not None and next_best is not other and (apart := difference(summary, next_best, taken)):
            name, far = called(next_best), _apart(apart)
            if better(apart, higher=True) is not None:
                yield said(
                    en=f"The lead is clear: the next best, {name.en}, {far.en}",
                    zh=f"领先是明确的：其次的 {name.zh} {far.zh}",
                )
            else:
                yield said(
                    en=f"On these questions the next best, {name.en}, could no longer catch up; for other questions it {far.en}",
                    zh=f"在这些问题上，其次的 {name.zh} 已追不上；换别的问题则{far.zh}",
                )
        return
    if not choice.told:
        return
    spans = [difference(summary, line, taken) for line in ties]
    close = all(one is not None and max(abs(one.low), abs(one.high)) <= LEAST_ACCURACY for one in spans)
    first, names = called(taken), _names(ties)
    told = (
        said(
            en=f"Equally good to within 5 points: {first.en}; {names.en}",
            zh=f"相差不超过 5 个百分点：{first.zh}；{names.zh}",
        )
        if close
        else said(
            en=f"Not enough questions to tell {first.en} from {names.en}",
            zh=f"问题不够多，分不出 {first.zh} 与 {names.zh}",
        )
    )
    why = _rule(taken) if choice.useful else said(en="", zh="")
    yield said(en=told.en + why.en, zh=told.zh + why.zh)


def _rule(taken: RouteMoney) -> Sentence:
    if taken.leaves_house:
        rule, rule_zh = (
            "none of them keeps your data in the house, and the cheapest is taken",
            "它们都要把数据送出门，取最便宜者",
        )
    else:
        rule, rule_zh = "the cheapest of them that keeps your data in the house is taken", "取其中数据不出门的最便宜者"
    return said(
        en=f"; {rule}, at {VOLUME:,} answers with what it costs to make",
        zh=f"；{rule_zh}（按 {VOLUME:,} 次回答计，含制作费用）",
    )


def _names(lines: Sequence[RouteMoney]) -> Sentence:
    """The first few by name, the others by number."""
    first, more = (
        [called(line) for line in sorted(lines, key=lambda line: -(line.own or 0.0))[:NAMED]],
        len(lines) - NAMED,
    )
    rest, rest_zh = (f"; and {more} more", f"等 {len(lines)} 条") if more > 0 else ("", "")
    return said(en="; ".join(name.en for name in first) + rest, zh="、".join(name.zh for name in first) + rest_zh)


def _data(choice: Choice) -> Iterator[Sentence]:
    if choice.taken.leaves_house:
        name, shown = called(choice.taken), choice.taken.files
        what, what_zh = (" with the passages of your files shown with it", "连同所附的文件段落") if shown else ("", "")
        yield said(
            en=f"Your data: {name.en} sends every question{what} to somebody else's machine",
            zh=f"您的数据：{name.zh} 会把每个问题{what_zh}送到别人的机器上",
        )


def _energy(choice: Choice) -> Iterator[Sentence]:
    """Only where equally good routes of this machine differ much in power."""
    taken = choice.taken
    if not taken.energy_j:
        return
    dearer = [line for line in choice.tied if line.energy_j and line.energy_j >= MUCH_MORE_ENERGY * taken.energy_j]
    if dearer:
        most = max(dearer, key=lambda line: line.energy_j or 0.0)
        name, other = called(taken), called(most)
        yield said(
            en=f"An answer of {name.en} takes about {taken.energy_j:,.0f} J, one of {other.en} {most.energy_j:,.0f} J (modelled from the "
            "machine's power)",
            zh=f"{name.zh} 每次回答约耗 {taken.energy_j:,.0f} J，{other.zh} 约 {most.energy_j:,.0f} J（按机器功率估算）",
        )
