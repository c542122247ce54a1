"""The one line in which worth is told, in English and Chinese; why an entry is listed and not compared; and all of it as plain values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

from luosi.cost import Money
from luosi.statistics.elo import UNTOLD

if TYPE_CHECKING:
    from luosi.plan.worth import Line, Scale, Worth

Language = Literal["en", "zh"]

REASONS = {
    "unrated": ("quality not measured", "没有质量数据"),
    "provisional": ("quality provisional", "质量数据为暂定"),
    "unjoined": ("no votes join it to the others", "没有投票把它与其他模型相连"),
    "price": ("price unknown", "价格未知"),
    "making": ("cost to make unknown", "制作费用未知"),
    "mixed": ("priced in two currencies", "费用有两种货币"),
    "currency": ("in another currency", "货币不同"),
}
"""Of `worth.Reason`: English, Chinese."""


def reason(name: str, language: Language = "en") -> str:
    """Why an entry is not compared; "" if it is."""
    return REASONS[name][language == "zh"] if name else ""


def level(value: float, scale: Scale) -> str:
    """A quality, or a difference of two.

    >>> level(1041.6, "Elo"), level(0.84, "accuracy")
    ('1042 Elo', '84 %')
    """
    return f"{value * 100:.0f} %" if scale == "accuracy" else f"{value:.0f} Elo"


def interval(line: Line, scale: Scale) -> str:
    """Of the quality at 95 %; "" where it is not known."""
    low, high, size = line.entry.low, line.entry.high, 100 if scale == "accuracy" else 1
    if low is None or high is None or untold(high - low, scale):
        return ""
    return f"{low * size:.0f}..{high * size:.0f}"


def untold(width: float, scale: Scale) -> bool:
    """Whether an interval or a difference is of ratings, and too wide to be told."""
    return scale == "Elo" and width > UNTOLD


def told(found: Worth, language: Language) -> str:
    """The whole line."""
    parts = _Chinese(found) if language == "zh" else _English(found)
    if found.cheapest is None:
        return parts.nothing()
    if found.choice is None:
        return parts.too_dear(found.cheapest)
    return parts.between.join([parts.take(found.choice), *_rest(found, parts)])


def _rest(found: Worth, parts: _English) -> Iterator[str]:
    if found.best is not None and found.behind is not None:
        yield parts.best(found.best, found.behind)
    if found.next is not None and found.next is not found.best:
        yield parts.following(found.next)
    if found.below is not None:
        yield parts.below(found.below.answers, found.below.model)
    if found.above is not None:
        yield parts.above(found.above.answers, found.above.model)


class _English:
    between = "; "
    provisional = "provisional"

    def __init__(self, found: Worth) -> None:
        self.found, self.scale = found, found.scale
        self.volume = f"{found.answers_per_month:,} answer{'s' * (found.answers_per_month != 1)} a month"

    def quality(self, line: Line) -> str:
        ends = ", ".join(filter(None, [interval(line, self.scale), self.provisional * line.entry.provisional]))
        rating = line.entry.rating
        return "" if rating is None else level(rating, self.scale) + (f" ({ends})" if ends else "")

    def nothing(self) -> str:
        other = any(line.reason in ("currency", "mixed") for line in self.found.lines)
        where = f" in {self.found.currency}" if other else ""
        return (
            f"For {self.volume}: nothing to choose from, no model has both a measured quality and a known price{where}"
        )

    def too_dear(self, line: Line) -> str:
        return (
            f"For {self.volume} no model fits a budget of {self.found.budget} a month: the cheapest, {line.entry.model}, "
            f"{self.quality(line)}, costs {line.month}{self._made(line)}"
        )

    def take(self, line: Line) -> str:
        limit = f" and at most {self.found.budget}" if self.found.budget else ""
        return f"For {self.volume}{limit}: take {line.entry.model}, {self.quality(line)}, for {line.month} a month{self._made(line)}"

    def _made(self, line: Line) -> str:
        make = line.entry.to_make
        return f" (with {make} to make it, spread over {self.found.months} months)" if make and make.nano else ""

    def best(self, line: Line, behind: float) -> str:
        return (
            f"{line.entry.model} was measured higher, {self.quality(line)} for {line.month}, but cannot be told from it "
            + (
                "(how far, too few have said)"
                if untold(behind, self.scale)
                else f"(at most {level(behind, self.scale)} better)"
            )
        )

    def following(self, line: Line) -> str:
        how = "shown to be better" if self.found.next_told else "measured higher, though not told from it"
        return f"{how}: {line.entry.model}, {self.quality(line)}, for {line.month}"

    def below(self, answers: int, model: str) -> str:
        return f"at {answers:,} answers or fewer: {model or 'nothing fits the budget'}"

    def above(self, answers: int, model: str) -> str:
        return f"from {answers:,} answers on: {model or 'nothing fits the budget'}"


class _Chinese(_English):
    between = "；"
    provisional = "暂定"

    def __init__(self, found: Worth) -> None:
        super().__init__(found)
        self.volume = f"每月 {found.answers_per_month:,} 次回答"

    def quality(self, line: Line) -> str:
        return super().quality(line).replace(" (", "（").replace(", ", "，").replace(")", "）")

    def nothing(self) -> str:
        other = any(line.reason in ("currency", "mixed") for line in self.found.lines)
        where = f"以 {self.found.currency} 计的" if other else ""
        return f"{self.volume}：无从选择，没有一个模型既测过质量又有{where}已知价格"

    def too_dear(self, line: Line) -> str:
        return (
            f"{self.volume}：没有模型合乎每月 {self.found.budget} 的预算；最便宜的 {line.entry.model}（{self.quality(line)}）"
            f"每月需 {line.month}{self._made(line)}"
        )

    def take(self, line: Line) -> str:
        limit = f"、每月至多 {self.found.budget}" if self.found.budget else ""
        return (
            f"{self.volume}{limit}：请用 {line.entry.model}，{self.quality(line)}，每月 {line.month}{self._made(line)}"
        )

    def _made(self, line: Line) -> str:
        make = line.entry.to_make
        return f"（含制作费 {make}，按 {self.found.months} 个月分摊）" if make and make.nano else ""

    def best(self, line: Line, behind: float) -> str:
        return f"{line.entry.model} 测得更高，{self.quality(line)}，每月 {line.month}，但与它分不出高下" + (
            "（投票者太少，相差多少无从得知）"
            if untold(behind, self.scale)
            else f"（至多好 {level(behind, self.scale)}）"
        )

    def following(self, line: Line) -> str:
        how = "已证明更好的" if self.found.next_told else "测得更高、但分不出高下的"
        return f"{how}：{line.entry.model}，{self.quality(line)}，每月 {line.month}"

    def below(self, answers: int, model: str) -> str:
        return f"每月 {answers:,} 次及以下：{f'改用 {model}' if model else '没有模型合乎预算'}"

    def above(self, answers: int, model: str) -> str:
        return f"每月 {answers:,} 次起：{f'改用 {model}' if model else '没有模型合乎预算'}"


def as_dict(found: Worth) -> dict[str, Any]:
    """Everything as plain values for JSON."""
    return {
        "line": found.line("en"), "line_zh": found.line("zh"), "answers_per_month": found.answers_per_month,
        "months": found.months, "budget": _plain(found.budget), "scale": found.scale, "currency": found.currency,
        "choice": _name(found.choice), "best": _name(found.best), "behind": found.behind,
        "next": _name(found.next), "next_told": found.next_told,
        "below": asdict(found.below) if found.below else None, "above": asdict(found.above) if found.above else None,
        "frontier": [line.entry.model for line in found.frontier],
        "models": [_line(line) for line in found.lines],
    }  # fmt: skip


def _line(line: Line) -> dict[str, Any]:
    entry = line.entry
    return {
        "model": entry.model, "quality": entry.rating, "low": entry.low, "high": entry.high,
        "per_answer": _plain(entry.per_answer), "to_make": _plain(entry.to_make), "per_machine_month": _plain(entry.per_month),
        "month": _plain(line.month), "per_1000": _plain(line.per_1000), "per_million_tokens": _plain(line.per_million),
        "machines": line.machines, "prompt_tokens": _each(entry.prompt_tokens, entry.answers),
        "completion_tokens": _each(entry.completion_tokens, entry.answers), "answers_measured": entry.measured,
        "source": entry.source, "not_compared": reason(line.reason), "affordable": line.affordable,
        "frontier": line.frontier, "tied": line.tied,
    }  # fmt: skip


def _plain(money: Money | None) -> dict[str, Any] | None:
    return None if money is None else money.model_dump()


def _name(line: Line | None) -> str | None:
    return None if line is None else line.entry.model


def _each(tokens: int | None, answers: int) -> float | None:
    return None if tokens is None else tokens / answers
