"""What follows from the answers to the user's own questions alone, as sentences: whether files help, whether training helps, what
stands in the way, what early stopping saved. Which route to take is said where money is known."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from luosi.artifacts.evidence import Difference, Route, Sentence, VerdictSummary
from luosi.stages.verdict.advice import better
from luosi.stages.verdict.asked import CANNOT_WIN
from luosi.stages.verdict.names import called, listed, percent, points, said, troubles, why_stopped
from luosi.statistics import detectable

TOO_FEW = 8
"""Questions; with fewer, nothing is said of what to do."""
FEW = 20
"""Questions; with fewer, nearly nothing can be told apart."""
LOSS_WORTH_NAMING = 0.1
"""Share of the questions lost to retrieval, or to not using what it found."""

Pair = tuple[Route, Route, Difference]
"""A route, what it is held against, and the first's accuracy less the second's."""


def advise_on_answers(summary: VerdictSummary) -> Iterator[Sentence]:
    """The sentences; none where there was no race."""
    if not summary.questions:
        return
    yield from _few(summary)
    yield from _overlap(summary)
    yield from _training(summary)
    yield from _scratch(summary)
    yield from _files(summary)
    yield from _retrieval(summary)
    yield from _stopping(summary)
    yield from _silent(summary)


def overlapping(summary: VerdictSummary) -> int:
    """Questions marked by the words an answer shares with what is expected, if those are half of them or more; else 0."""
    count = sum(summary.graders.get(grader, 0) for grader in ("f1", "passage"))
    return count if 2 * count >= summary.questions else 0


def _overlap(summary: VerdictSummary) -> Iterator[Sentence]:
    if count := overlapping(summary):
        yield said(
            en=f"{count} of {summary.questions} questions are marked by the words that an answer shares with what is expected: these shares "
            "rank the routes, but are not shares of right answers; short expected answers or a judge model tell right from wrong",
            zh=f"{summary.questions} 题中有 {count} 题按与标准答案重合的词语评分：这样的得分可以排出高下，但不等于答对的比例；"
            "改用简短的标准答案或评判模型才能分出对错",
        )


def _few(summary: VerdictSummary) -> Iterator[Sentence]:
    if summary.questions >= FEW:
        return
    count, most = (
        summary.questions,
        f"{min(1.0, median([detectable(p.difference) for p in summary.pairs] or [1.0])) * 100:.0f}",
    )
    yield said(
        en=f"{count} question{'s are' if count > 1 else ' is'} few: only a difference of about {most} points would have shown; "
        "write thirty or more",
        zh=f"只有 {count} 道题，太少：差别要到约 {most} 个百分点才会显现；请写到三十道以上",
    )


def _held_against(summary: VerdictSummary, route: str, other: str) -> list[Pair]:
    """Every arm of `route` against the first arm of `other` that has the files if it has them."""
    arms = [one for one in summary.routes if one.arm]
    found = []
    for one in arms:
        twin = next((its for its in arms if its.route == other and its.files == one.files), None)
        if one.route == route and twin is not None and (difference := summary.between(one.arm, twin.arm)):
            found.append((one, twin, difference))
    return found


def _files(summary: VerdictSummary) -> Iterator[Sentence]:
    """What the files are worth to each model."""
    arms = [route for route in summary.routes if route.arm]
    worths = []
    for route in arms:
        bare = next(
            (one for one in arms if not one.files and (one.model, one.bundle_key) == (route.model, route.bundle_key)),
            None,
        )
        if route.files and bare is not None and (difference := summary.between(route.arm, bare.arm)):
            worth = points(difference)
            worths.append(said(en=f"{route.model} {worth.en}", zh=f"{route.model} {worth.zh}"))
    if worths:
        every = listed(worths)
        yield said(en=f"What handing over your files changes: {every.en}", zh=f"附上您的文件带来的变化：{every.zh}")


def _training(summary: VerdictSummary) -> Iterator[Sentence]:
    """Whether adapting pays in quality, with the files and without; never a claim without an interval."""
    pairs = _held_against(summary, "adapt", "open")
    if not pairs:
        return
    marks = [better(difference, higher=True) for _, _, difference in pairs]
    several = len({route.bundle_key for route, _, _ in pairs}) > 1
    every = listed(_adapted(route, difference, named=several) for route, _, difference in pairs)
    if True in marks:
        yield said(en=f"What adapting changes: {every.en}", zh=f"适配带来的变化：{every.zh}")
    elif summary.questions < TOO_FEW:
        yield said(en=f"Whether adapting helps cannot be told: {every.en}", zh=f"适配有没有用还看不出来：{every.zh}")
    else:
        worse = False in marks
        yield said(
            en=f"Adapting {'made it worse' if worse else 'is not shown to help'}: {every.en}",
            zh=f"适配{'反而更差' if worse else '没有显出好处'}：{every.zh}",
        )


def _adapted(route: Route, difference: Difference, *, named: bool) -> Sentence:
    """ "adapted with your files against your files alone +2 points (..), 50 questions"."""
    kind, kind_zh = (
        ("with your files against your files alone", "并附文件，对比只附文件")
        if route.files
        else ("against the unmodified model, both without your files", "后对比原模型，都不附文件")
    )
    who, who_zh = (route.model, route.model) if named else ("adapted", "适配")
    much, count = points(difference), difference.clusters
    return said(en=f"{who} {kind} {much.en}, {count} questions", zh=f"{who_zh}{kind_zh} {much.zh}，{count} 题")


def _scratch(summary: VerdictSummary) -> Iterator[Sentence]:
    for _, other, difference in _held_against(summary, "scratch", "open"):
        much, won = points(difference), better(difference, higher=True)
        what = {True: ("pays", "有好处"), False: ("loses", "更差"), None: ("is not shown to pay", "没有显出好处")}[won]
        yield said(
            en=f"Training from scratch {what[0]} on these questions: {much.en} against {other.model}",
            zh=f"在这些问题上，从零训练{what[1]}：与 {other.model} 相比 {much.zh}",
        )


def _retrieval(summary: VerdictSummary) -> Iterator[Sentence]:
    """Whether answers are lost because the passage was not found, or because the model did not use it."""
    armed = [route for route in summary.routes if route.files and route.own and route.found and route.own_found]
    route = max(armed, key=lambda one: one.own.mean if one.own else 0.0, default=None)
    if route is None or route.found is None or route.own_found is None:
        return
    missed, unused = 1 - route.found.mean, route.found.mean * (1 - route.own_found.mean)
    if max(missed, unused) < LOSS_WORTH_NAMING:
        return
    name, found, right = called(route), percent(route.found.mean), percent(route.own_found.mean)
    first, first_zh = (
        f"the passage you named was found for {found} of the questions",
        f"您指明的出处有 {found} 的题目找到了",
    )
    second, second_zh = f"of these {name.en} answers {right} rightly", f"其中 {name.zh} 答对 {right}"
    what, what_zh = (
        (
            "better retrieval would change this verdict most: cleaner files, more passages for each question",
            "改进检索最能改变结论：更干净的文件、每题更多段落",
        )
        if missed >= unused
        else (
            "a model that makes more of what it is shown would change this verdict most, not better retrieval",
            "更会利用所给段落的模型最能改变结论，而不是更好的检索",
        )
    )
    yield said(
        en=f"What stands in the way: {first}, {second}; {what}", zh=f"差在哪里：{first_zh}，{second_zh}；{what_zh}"
    )


def _stopping(summary: VerdictSummary) -> Iterator[Sentence]:
    """Who was stopped early and what that saved; who was stopped for something else."""
    lost = [route for route in summary.routes if route.stopped.startswith(CANNOT_WIN)]
    if lost:
        every = listed(
            said(en=f"{called(one).en} after {one.asked}", zh=f"{called(one).zh} 答了 {one.asked} 题") for one in lost
        )
        saved = percent(summary.saved_share)
        yield said(
            en=f"Stopped early, of {summary.questions} questions, because they could no longer win: {every.en}; that saved {saved} of the "
            "evaluation's cost",
            zh=f"共 {summary.questions} 题，因已不可能胜出而提前停下：{every.zh}；省下 {saved} 的评测费用",
        )
    for route in summary.routes:
        if route.stopped and route not in lost:
            why, name = why_stopped(route.stopped), called(route)
            yield said(
                en=f"{name.en} was stopped after {route.asked} of {summary.questions} questions: {why.en}",
                zh=f"{name.zh} 答了 {summary.questions} 题中的 {route.asked} 题后停下：{why.zh}",
            )


def _silent(summary: VerdictSummary) -> Iterator[Sentence]:
    """Answers that did not come."""
    for route in summary.routes:
        if route.troubles:
            name, why, count = called(route), troubles(route.troubles), sum(route.troubles.values())
            yield said(
                en=f"{name.en} gave no answer to {count} of {route.asked} questions ({why.en}): they count as wrong",
                zh=f"{name.zh} 有 {count} 题（共 {route.asked} 题）没有回答（{why.zh}）：按答错计",
            )
