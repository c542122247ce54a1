"""Worth, wired: quality from votes or from a verdict, money from the accounts, the ledger and the price list, joined by the models' names.

A served model is one of ours if it goes by the name it is served under; any other is looked for in the price list,
by exactly its name. What is assumed is said in the notes. Knows no page and no command line.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from luosi.api.till import Till, Tokens
from luosi.api.till_words import models, notes
from luosi.api.used import Used, in_accounts, in_battles
from luosi.api.workspace import ACCOUNTS, Workspace
from luosi.artifacts.evidence import Sentence
from luosi.cost import Money
from luosi.errors import ArtifactError, UsageError
from luosi.plan.worth import Ahead, Entry, Scale, Worth, worth
from luosi.plan.worth_field import independent
from luosi.plan.worth_words import Language, as_dict
from luosi.stages.verdict.answered import TOO_FEW
from luosi.stages.verdict.choice import FIT
from luosi.stages.verdict.names import called, said

if TYPE_CHECKING:
    from luosi.artifacts.evidence import Difference, Route, Score, VerdictSummary
    from luosi.ranking import Ranking
    from luosi.stages.verdict.costs import RouteMoney


UNFIT = said(
    en="it is certain to answer fewer than half of your questions rightly: read `luosi verdict` before you use it",
    zh="它肯定答不对您一半的问题：使用前请先看 `luosi verdict`",
)


@dataclass(frozen=True)
class Judged:
    """Models with their quality and their money, and what these rest on."""

    entries: tuple[Entry, ...]
    scale: Scale
    ahead: Ahead
    sentences: tuple[Sentence, ...]
    """Where quality and money come from, and what is assumed."""
    own: bool = False
    """Whether an accuracy is one on the user's own questions."""

    @property
    def notes(self) -> tuple[str, ...]:
        """The sentences in English."""
        return tuple(sentence.en for sentence in self.sentences)

    def worth(self, *, answers_per_month: int, months: int = 12, budget: Money | None = None) -> Worth:
        """What they are worth at a volume; raises UsageError as `luosi.plan.worth.worth`."""
        return worth(
            self.entries, answers_per_month=answers_per_month, months=months, budget=budget, scale=self.scale,
            ahead=self.ahead,
        )  # fmt: skip

    def told(self, found: Worth, language: Language = "en") -> list[str]:
        """The sentences, and what must be known of this answer."""
        high = found.choice.entry.high if found.choice and self.own else None
        unfit = [UNFIT] if high is not None and high < FIT else []
        return [getattr(sentence, language) for sentence in (*self.sentences, *unfit)]

    def as_dict(self, found: Worth) -> dict[str, Any]:
        """For JSON."""
        return as_dict(found) | {"notes": self.told(found)}


def judged(
    place: Workspace,
    votes: Ranking | None = None,
    *,
    prices: Path | None = None,
    tokens: Tokens | None = None,
    recipe: str = "",
    arena: bool = True,
) -> Judged:
    """Every model whose quality is known, with its money.

    Args:
        place: Its accounts, ledger and rates.
        votes: A ranking; None takes that of the votes in the workspace's own arena, or if there are none, or a recipe is named,
            the recipe's verdict.
        prices: A file like rates.toml in place of the workspace's; its rows win over what the accounts say was paid.
        tokens: Prompt and completion of one answer, for all models alike; None takes them as measured.
        recipe: Whose verdict; "" for the one run last.
        arena: Whether the votes are those of the workspace's own arena: one looks at them as often as one likes, and answers cost what they
            cost in its battles. Else they are counted once, and answers cost what the accounts say (see luosi.api.till).

    Raises:
        UsageError: Nothing says how good the models are; the price file cannot be used.
    """
    if votes is not None and recipe:
        raise UsageError(f"votes are given, and the verdict of {recipe} too", hint="compare models by one of them")
    found = votes if votes is not None or recipe else arena_ranking(place)
    if found is None:
        return _of_verdict(place, recipe or _latest(place), Till.of(place, {}, prices, tokens, "race"))
    names = {line.model for line in found.models}
    if arena and (place.root / ACCOUNTS).exists():
        spent = _among(names, in_battles(place.battles().spent()))
        return _of_ranking(found, Till.of(place, spent, prices, tokens, "battles"), "any")
    used = _among(names, in_accounts(place.root / ACCOUNTS))
    return _of_ranking(found, Till.of(place, used, prices, tokens), "any" if arena else "one")


def _among(names: set[str], used: Mapping[str, Used]) -> dict[str, Used]:
    return {name: one for name, one in used.items() if name in names}


def arena_ranking(place: Workspace) -> Ranking | None:
    """Of the votes in the workspace's own arena; None if there are none."""
    rows = place.battles().votes() if (place.root / ACCOUNTS).exists() else []
    if not rows:
        return None
    from luosi.ranking import rank

    return rank(rows)


def _latest(place: Workspace) -> str:
    names = place.recipes()
    if not names:
        raise UsageError(
            f"nothing says how good the models are: no votes were given, and no recipe was run in {place.root}",
            hint="give files of votes: luosi worth VOTES.csv ...",
        )
    return names[0]


def _of_ranking(ranking: Ranking, till: Till, looks: Literal["one", "any"]) -> Judged:
    """Models of a ranking by its ratings."""
    entries = tuple(
        Entry(
            line.model, line.rating, line.low, line.high, provisional=line.provisional, island=line.island,
            **till.money(line.model),
        )
        for line in ranking.models
    )  # fmt: skip
    count = len(ranking.votes) + sum(map(len, ranking.added))
    often, often_zh = (
        ("; who is shown to be better is so however often one looks", "；“已证明更好”无论看多少次都成立")
        if looks == "any"
        else ("", "")
    )
    told = [
        said(
            en=f"quality: {count:,} votes about {models(len(entries))}{often}",
            zh=f"质量：{len(entries):,} 个模型的 {count:,} 张投票{often_zh}",
        )
    ]
    if few := sum(entry.provisional for entry in entries):
        votes, widest = ranking.settings.least_votes, f"{ranking.settings.widest:g}"
        told.append(
            said(
                en=f"provisional: {models(few)} with fewer than {votes} votes or an interval wider than {widest} Elo; taken only "
                "where there is no other",
                zh=f"暂定：{few:,} 个模型不足 {votes} 票，或区间宽于 {widest} Elo；没有其他模型时才取",
            )
        )
    return Judged(entries, "Elo", ahead_in(ranking, looks), (*told, *notes(till, entries)))


def ahead_in(ranking: Ranking, looks: Literal["one", "any"]) -> Ahead:
    """Least leads by the ranking's own errors of differences: voters and prompts in common are in them."""
    from luosi.ranking.intervals import ELO, anytime_half, quantile

    codes = {name: code for code, name in enumerate(ranking.votes.models)}
    variances: dict[int, Any] = {}

    def ahead(first: str, second: str, risk: float) -> float | None:
        a, b = codes[first], codes[second]
        if ranking.fit.island[a] != ranking.fit.island[b]:
            return None
        if a not in variances:
            variances[a] = ranking.errors.between(slice(a, a + 1))[0]
        variance, dof = variances[a][b], ranking.errors.dof
        half = (
            anytime_half(variance, dof, risk=2 * risk) if looks == "any" else quantile(risk, dof) * math.sqrt(variance)
        )
        return float(ELO * (ranking.fit.theta[a] - ranking.fit.theta[b] - half))

    return ahead


def _of_verdict(place: Workspace, recipe: str, till: Till) -> Judged:
    """Routes of a verdict by their accuracy: on the user's own questions, else on the exam that Luosi made."""
    verdicts = place.verdicts(recipe)
    try:
        summary = verdicts.summary
    except ArtifactError as error:
        raise UsageError(
            f"nothing says how good the models are: no votes were given, and {error.message}", hint=error.hint
        ) from error
    own = any(route.own for route in summary.routes)
    routes = [route for route in summary.routes if route.route != "baseline"]
    names = _names(routes)
    table = verdicts.report(till.machine, till.known, till.table).routes
    till = till.of_verdict(table, summary)
    lines = {(line.arm, line.step, line.model): line for line in table}
    entries = [
        _entry(name, route, route.own if own else route.accuracy, lines[route.arm, route.step, route.model], summary, till)
        for name, route in zip(names, routes, strict=True)
    ]  # fmt: skip
    if not any(entry.rating is not None for entry in entries):
        raise UsageError(
            f"the verdict of {recipe} holds no accuracy", hint="luosi new FILES... --questions FILE asks some"
        )
    by_name = dict(zip(names, routes, strict=True))
    ahead = ahead_by_pairs(summary, by_name, entries) if own else _ahead_by_exam(place, by_name, entries)
    told = (*_asked(recipe, summary.questions if own else 0), *notes(till, entries))
    return Judged(tuple(entries), "accuracy", ahead, told, own)


def _asked(recipe: str, questions: int) -> Iterator[Sentence]:
    """Which questions the accuracy is of; `questions` of the user's own, 0 for the exam's."""
    if questions:
        yield said(
            en=f"quality: share of right answers to the {questions:,} own questions of recipe {recipe}",
            zh=f"质量：配方 {recipe} 的 {questions:,} 道自有问题的答对比例",
        )
        if questions < TOO_FEW:
            yield said(en="provisional: so few questions say little", zh="暂定：题目太少，说明不了多少")
    else:
        yield said(
            en=f"quality: accuracy on the exam that Luosi made of the files of recipe {recipe}; your own questions would say more",
            zh=f"质量：Luosi 用配方 {recipe} 的文件所出考题的正确率；您自己的问题更能说明问题",
        )


def _entry(
    name: str, route: Route, score: Score | None, line: RouteMoney, summary: VerdictSummary, till: Till
) -> Entry:
    """A route; its money is that of `luosi verdict`, unless other tokens are given or its machine must stand there."""
    mean, low, high = (None, None, None) if score is None else (score.mean, score.low, score.high)
    few = bool(route.own) and summary.questions < TOO_FEW
    return Entry(name, mean, low, high, provisional=few, **till.of_route(route, line))


def _names(routes: Sequence[Route]) -> list[str]:
    """The model's, with its files; where several have the same, its arm or step too."""
    names = [called(route).en for route in routes]
    counts = Counter(names)
    return [f"{n} ({r.arm or r.step or r.route})" if counts[n] > 1 else n for n, r in zip(names, routes, strict=True)]


def ahead_by_pairs(summary: VerdictSummary, routes: dict[str, Route], entries: Sequence[Entry]) -> Ahead:
    """Least leads by the paired differences on common questions, their nearer half widened to the risk."""

    def paired(first: str, second: str) -> Difference | None:
        return summary.between(routes[first].arm, routes[second].arm)

    return _widened(paired, entries)


def _ahead_by_exam(place: Workspace, routes: dict[str, Route], entries: Sequence[Entry]) -> Ahead:
    """The same, on the exam's questions."""
    from luosi.artifacts import Scorecard
    from luosi.statistics import accuracy_difference

    marks: dict[str, dict[str, Any]] = {}

    def of(name: str) -> dict[str, Any]:
        if name not in marks:
            card = place.store.open(place.store.find(routes[name].score_key))
            assert isinstance(card, Scorecard)
            marks[name] = {question.id: question for question in card.questions()}
        return marks[name]

    @cache
    def paired(first: str, second: str) -> Difference | None:
        both = sorted(of(first).keys() & of(second).keys())
        return accuracy_difference([of(first)[q] for q in both], [of(second)[q] for q in both]) if both else None

    return _widened(paired, entries)


def _widened(paired: Callable[[str, str], Difference | None], entries: Sequence[Entry]) -> Ahead:
    from statistics import NormalDist

    from luosi.statistics import CONFIDENCE

    alone, usual = independent(entries), NormalDist().inv_cdf((1 + CONFIDENCE) / 2)

    def ahead(first: str, second: str, risk: float) -> float | None:
        found = paired(first, second)
        if found is None:
            return alone(first, second, risk)
        return float(found.mean - (found.mean - found.low) * NormalDist().inv_cdf(1 - risk) / usual)

    return ahead
