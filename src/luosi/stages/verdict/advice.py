"""What follows from scores alone, as sentences: who beats the unmodified model, who loses and why, what is not to be told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from luosi.artifacts.evidence import Difference, Route, Sentence, VerdictSummary
from luosi.stages.verdict.names import said
from luosi.stages.verdict.routes import Scored, reference_of
from luosi.statistics import needed_clusters

LEAST_BITS = 0.005
LEAST_ACCURACY = 0.05
"""Differences smaller than these are not worth more documents or questions."""

USUAL_BYTES_PER_PARAMETER = 80
"""About 20 tokens of 4 bytes: Hoffmann et al. 2022 (arXiv 2203.15556), table 3."""


def advise(summary: VerdictSummary, scores: Sequence[Scored]) -> Iterator[Sentence]:
    """The sentences, the verdict on each scored route first; none where nothing was scored."""
    if not scores:
        return
    reference = reference_of(scores, summary.reference)
    routes = {route.step: route for route in reversed(summary.routes)}
    for score in scores:
        if score is not reference and score.route != "baseline":
            yield from _bits(routes[score.step], score, reference)
            yield from _accuracy(routes[score.step], score, reference)
            yield from _forgotten(score, reference, summary.source)
    yield from _scratch(scores, summary.source)
    yield from _against_baselines(scores, summary.source)


def better(difference: Difference | None, *, higher: bool) -> bool | None:
    """True where the whole interval is on the good side, False where it is on the bad side, None where it spans 0."""
    if difference is None or difference.low <= 0 <= difference.high:
        return None
    return (difference.mean > 0) is higher


def best_route(summary: VerdictSummary) -> Route:
    """The own model to take by its scores: of those that beat the reference in one thing and lose to it in none, the one with the
    fewest bits per byte; the reference itself where none does."""
    reference = next(route for route in summary.routes if route.step == summary.reference)
    winners = []
    for route in summary.routes:
        marks = {better(route.bpb_difference, higher=False), better(route.accuracy_difference, higher=True)}
        if route.route != "baseline" and True in marks and False not in marks:
            winners.append(route)
    return min(winners, key=lambda route: route.bpb.mean if route.bpb else 0.0, default=reference)


def _bits(route: Route, score: Scored, reference: Scored) -> Iterator[Sentence]:
    difference = route.bpb_difference
    if difference is None:
        return
    won, model, other, source = (
        better(difference, higher=False), score.summary.model, reference.summary.model, reference.source,
    )  # fmt: skip
    if won is not None:
        low, high = sorted((abs(difference.low), abs(difference.high)))
        size, interval = f"{abs(difference.mean):.3f}", f"{low:.3f} to {high:.3f}"
        yield said(
            en=f"{model} {'beats' if won else 'loses to'} {other} on {source}: {size} bits per byte "
            f"{'better' if won else 'worse'} (95 % interval {interval})",
            zh=f"在 {source} 上，{model} {'胜过' if won else '不如'} {other}：每字节比特{'少' if won else '多'} {size}（95% 区间 {low:.3f} 到 {high:.3f}）",
        )
        return
    needed = needed_clusters(difference, LEAST_BITS) - difference.clusters
    enough = needed > 0
    seen = f"{difference.mean:+.3f}", f"{difference.low:+.3f}", f"{difference.high:+.3f}"
    more = f"about {needed:,} more held-out documents would tell" if enough else f"less than {LEAST_BITS} if any"
    more_zh = f"大约再要 {needed:,} 篇留出文档才能分辨" if enough else f"即便有差别也小于 {LEAST_BITS}"
    yield said(
        en=f"Not enough held-out text to tell {model} from {other} on {source}: {seen[0]} bits per byte "
        f"(95 % interval {seen[1]} to {seen[2]}, {difference.clusters} documents): {more}",
        zh=f"留出文本不足以在 {source} 上分辨 {model} 与 {other}：每字节比特相差 {seen[0]}"
        f"（95% 区间 {seen[1]} 到 {seen[2]}，{difference.clusters} 篇文档）；{more_zh}",
    )


def _accuracy(route: Route, score: Scored, reference: Scored) -> Iterator[Sentence]:
    difference = route.accuracy_difference
    if difference is None:
        return
    won, asked = better(difference, higher=True), len(score.questions)
    model, other = score.summary.model, reference.summary.model
    points, low, high = abs(difference.mean) * 100, f"{difference.low * 100:+.0f}", f"{difference.high * 100:+.0f}"
    interval, interval_zh = f"95 % interval {low} to {high}, {asked} questions", f"95% 区间 {low} 到 {high}，{asked} 题"
    if won is not None:
        yield said(
            en=f"{model} answers {points:.0f} points {'more' if won else 'fewer'} of the exam rightly than {other} ({interval})",
            zh=f"在自动出的考题上，{model} 的正确率比 {other} {'高' if won else '低'} {points:.0f} 个百分点（{interval_zh}）",
        )
        return
    clusters = needed_clusters(difference, LEAST_ACCURACY) - difference.clusters
    more = round(clusters * asked / difference.clusters)
    shown = max(points, LEAST_ACCURACY * 100)
    what = (
        f"a difference of {shown:.0f} points would show with about {more:,} more"
        if more > 0
        else f"less than {shown:.0f} if any"
    )
    what_zh = (
        f"大约再多 {more:,} 题，{shown:.0f} 个百分点的差别才会显现"
        if more > 0
        else f"即便有差别也小于 {shown:.0f} 个百分点"
    )
    yield said(
        en=f"Not enough questions to tell {model} from {other} by the exam: {difference.mean * 100:+.0f} points ({interval}): {what}",
        zh=f"自动出的考题不足以分辨 {model} 与 {other}：相差 {difference.mean * 100:+.0f} 个百分点（{interval_zh}）；{what_zh}",
    )


def _forgotten(score: Scored, reference: Scored, first: str) -> Iterator[Sentence]:
    """Other sources on which an adapted model got worse."""
    for source in score.summary.bits_per_byte:
        if source == first or score.route != "adapt":
            continue
        difference = score.bits_difference(reference, source)
        if difference is not None and better(difference, higher=False) is False:
            low, high = f"{difference.low:.3f}", f"{difference.high:.3f}"
            model, other = score.summary.model, reference.summary.model
            yield said(
                en=f"{model} forgot some of what it knew: {difference.mean:.3f} bits per byte worse than {other} on {source} "
                f"(95 % interval {low} to {high})",
                zh=f"{model} 忘掉了一部分原有知识：在 {source} 上每字节比特比 {other} 多 {difference.mean:.3f}（95% 区间 {low} 到 {high}）",
            )


def _scratch(scores: Sequence[Scored], source: str) -> Iterator[Sentence]:
    """Plainly that training from scratch loses to adapting, and why."""
    adapted = [score for score in scores if score.route == "adapt" and source in score.summary.bits_per_byte]
    if not adapted:
        return
    best = min(adapted, key=lambda score: score.summary.bits_per_byte[source].mean)
    for score in scores:
        difference = score.bits_difference(best, source) if score.route == "scratch" else None
        if difference is not None and better(difference, higher=False) is False:
            why = _why(score)
            model, other, more = score.summary.model, best.summary.model, f"{difference.mean:.2f}"
            yield said(
                en=f"Training from scratch loses to adapting: {model} needs {more} bits per byte more than {other}{why.en}",
                zh=f"从零训练不如适配：{model} 每字节比 {other} 多用 {more} 比特{why.zh}",
            )


def _why(score: Scored) -> Sentence:
    shape, text = score.facts.shape, score.facts.text_bytes
    if shape is None or text is None:
        return said(
            en=", which had read far more text before it saw yours", zh="，后者在见到您的文本之前已经读过多得多的文本"
        )
    size, each, millions = f"{text / 1e6:,.1f} MB", f"{text / shape.parameters:.1f}", f"{shape.parameters / 1e6:,.1f}"
    return said(
        en=f". There are only {size} of training text, {each} bytes for each of its {millions} million parameters, where about "
        f"{USUAL_BYTES_PER_PARAMETER} are usual; an open model brings what it read before",
        zh=f"。训练文本只有 {size}，它的 {millions} 百万个参数每个只分到 {each} 字节，通常需要约 {USUAL_BYTES_PER_PARAMETER} 字节；开放模型则带着以前读过的内容",
    )


def _against_baselines(scores: Sequence[Scored], source: str) -> Iterator[Sentence]:
    """Which models need fewer bits than a plain compressor: one that does not has learned nothing worth its price."""
    for baseline in (score for score in scores if score.route == "baseline"):
        name, models = baseline.summary.model, [score for score in scores if score.route != "baseline"]
        marks = {s.summary.model: better(s.bits_difference(baseline, source), higher=False) for s in models}
        if lost := [model for model, won in marks.items() if won is False]:
            yield said(
                en=f"Worse than {name} on {source}, so not worth their price for this text: {', '.join(lost)}",
                zh=f"在 {source} 上不如 {name}，对这些文本不值其价：{'、'.join(lost)}",
            )
        if level := [model for model, won in marks.items() if won is None]:
            yield said(
                en=f"Not shown to be better than {name} on {source}: {', '.join(level)}",
                zh=f"在 {source} 上没有证据表明比 {name} 好：{'、'.join(level)}",
            )
        if marks and all(marks.values()):
            yield said(en=f"Every model beats {name} on {source}", zh=f"在 {source} 上每个模型都胜过 {name}")
