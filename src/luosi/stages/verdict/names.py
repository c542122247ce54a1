"""How routes, shares and differences are put into words, in English and Chinese; shared by all sentences of a verdict."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Protocol

from luosi.artifacts.evidence import Difference, Sentence

_STOPPED_ZH = {"cannot win": "已不可能胜出", "spending cap": "达到花费上限", "does not answer": "不作答"}
_TROUBLES_ZH = {
    "timed out": "超时", "refused": "拒绝", "unreachable": "连不上", "connection lost": "连接中断", "rate limited": "被限速",
    "answer too long": "回答过长", "not an answer": "返回的不是回答", "empty answer": "空回答",
}  # fmt: skip
_LOOSE = re.compile(r"(?<=[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]) (?=[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef])")


def said(en: str, zh: str) -> Sentence:
    """A sentence in both languages; blanks that names left between Chinese characters are taken out."""
    return Sentence(en=en, zh=_LOOSE.sub("", zh))


class Named(Protocol):
    """A route, with its money or without."""

    @property
    def model(self) -> str:
        """For people."""

    @property
    def files(self) -> bool:
        """Whether it has the files."""


def called(route: Named) -> Sentence:
    """The model, and whether it has the files."""
    return Sentence(
        en=f"{route.model} with your files" if route.files else route.model,
        zh=f"{route.model} 加您的文件" if route.files else route.model,
    )


def points(difference: Difference) -> Sentence:
    """A difference in accuracy with its interval: "+14 points (+3..+25)"."""
    mean, low, high = (signed(value) for value in (difference.mean, difference.low, difference.high))
    return said(en=f"{mean} points ({low}..{high})", zh=f"{mean} 个百分点（{low}..{high}）")


def signed(share: float) -> str:
    """A share as percent with its sign, without one for 0.

    >>> signed(0.14), signed(-0.001), signed(-0.2)
    ('+14', '0', '-20')
    """
    whole = round(share * 100)
    return f"{whole:+d}" if whole else "0"


def percent(share: float) -> str:
    """A share as percent: "84 %"."""
    return f"{share * 100:.0f} %"


def listed(parts: Iterable[Sentence]) -> Sentence:
    """Several in a row, the first with a mark of its language between."""
    several = list(parts)
    return Sentence(en="; ".join(part.en for part in several), zh="；".join(part.zh for part in several))


def why_stopped(reason: str) -> Sentence:
    """Why an arm was stopped, from the race's reason and its detail."""
    start, colon, detail = reason.partition(":")
    return Sentence(en=reason, zh=f"{_STOPPED_ZH.get(start, start)}{colon}{detail}")


def troubles(counts: dict[str, int]) -> Sentence:
    """Answers that did not come, by reason: "timed out 3, refused 2"."""
    return Sentence(
        en=", ".join(f"{reason} {count}" for reason, count in counts.items()),
        zh="、".join(f"{_TROUBLES_ZH.get(reason, reason)} {count}" for reason, count in counts.items()),
    )
