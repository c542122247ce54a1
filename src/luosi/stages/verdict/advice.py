"""What follows from quality alone, as sentences: who beats the unmodified model, who loses and why, what is not to be told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from luosi.artifacts.evidence import Difference, Route, VerdictSummary
from luosi.stages.verdict.routes import Scored
from luosi.statistics import needed_clusters

LEAST_BITS = 0.005
LEAST_ACCURACY = 0.05
"""Differences smaller than these are not worth more documents or questions."""

USUAL_BYTES_PER_PARAMETER = 80
"""About 20 tokens of 4 bytes: Hoffmann et al. 2022 (arXiv 2203.15556), table 3."""


def advise(summary: VerdictSummary, scores: Sequence[Scored]) -> Iterator[str]:
    """The sentences, the verdict on each route first."""
    by_step = {score.step: score for score in scores}
    reference = by_step[summary.reference]
    for route in summary.routes:
        if route.step and route.step != summary.reference and route.route != "baseline":
            yield from _bits(route, reference, summary.source)
            yield from _accuracy(route, by_step[route.step], reference)
            yield from _forgotten(by_step[route.step], reference, summary.source)
    yield from _scratch(scores, summary.source)
    yield from _against_baselines(scores, summary.source)


def better(difference: Difference | None, *, higher: bool) -> bool | None:
    """True where the whole interval is on the good side, False where it is on the bad side, None where it spans 0."""
    if difference is None or difference.low <= 0 <= difference.high:
        return None
    return (difference.mean > 0) is higher


def best_route(summary: VerdictSummary) -> Route:
    """The own model to take by quality: of those that beat the reference in one thing and lose to it in none, the one with the
    fewest bits per byte; the reference itself where none does."""
    reference = next(route for route in summary.routes if route.step == summary.reference)
    winners = []
    for route in summary.routes:
        marks = {better(route.bpb_difference, higher=False), better(route.accuracy_difference, higher=True)}
        if route.route != "baseline" and True in marks and False not in marks:
            winners.append(route)
    return min(winners, key=lambda route: route.bpb.mean if route.bpb else 0.0, default=reference)


def _bits(route: Route, reference: Scored, source: str) -> Iterator[str]:
    difference = route.bpb_difference
    if difference is None:
        return
    won, other = better(difference, higher=False), reference.summary.model
    ends = sorted((abs(difference.low), abs(difference.high)))
    if won is not None:
        yield (
            f"{route.model} {'beats' if won else 'loses to'} {other} on {source}: {abs(difference.mean):.3f} bits per byte "
            f"{'better' if won else 'worse'} (95 % interval {ends[0]:.3f} to {ends[1]:.3f})"
        )
        return
    needed = needed_clusters(difference, LEAST_BITS) - difference.clusters
    more = f"about {needed:,} more held-out documents would tell" if needed > 0 else f"less than {LEAST_BITS} if any"
    yield (
        f"Not enough held-out text to tell {route.model} from {other} on {source}: {difference.mean:+.3f} bits per byte "
        f"(95 % interval {difference.low:+.3f} to {difference.high:+.3f}, {difference.clusters} documents): {more}"
    )


def _accuracy(route: Route, score: Scored, reference: Scored) -> Iterator[str]:
    difference = route.accuracy_difference
    if difference is None:
        return
    won, other, asked = better(difference, higher=True), reference.summary.model, len(score.questions)
    interval = f"95 % interval {difference.low * 100:+.0f} to {difference.high * 100:+.0f}, {asked} questions"
    points = abs(difference.mean) * 100
    if won is not None:
        more_or_fewer = "more" if won else "fewer"
        yield f"{route.model} answers {points:.0f} points {more_or_fewer} of the exam rightly than {other} ({interval})"
        return
    clusters = needed_clusters(difference, LEAST_ACCURACY) - difference.clusters
    more = round(clusters * asked / difference.clusters)
    shown = max(points, LEAST_ACCURACY * 100)
    what = (
        f"a difference of {shown:.0f} points would show with about {more:,} more"
        if more > 0
        else f"less than {shown:.0f} if any"
    )
    yield (
        f"Not enough questions to tell {route.model} from {other} by the exam: {difference.mean * 100:+.0f} points "
        f"({interval}): {what}"
    )


def _forgotten(score: Scored, reference: Scored, first: str) -> Iterator[str]:
    """Other sources on which an adapted model got worse."""
    for source in score.summary.bits_per_byte:
        if source == first or score.route != "adapt":
            continue
        difference = score.bits_difference(reference, source)
        if difference is not None and better(difference, higher=False) is False:
            yield (
                f"{score.summary.model} forgot some of what it knew: {difference.mean:.3f} bits per byte worse than "
                f"{reference.summary.model} on {source} (95 % interval {difference.low:.3f} to {difference.high:.3f})"
            )


def _scratch(scores: Sequence[Scored], source: str) -> Iterator[str]:
    """Plainly that training from scratch loses to adapting, and why."""
    adapted = [score for score in scores if score.route == "adapt" and source in score.summary.bits_per_byte]
    if not adapted:
        return
    best = min(adapted, key=lambda score: score.summary.bits_per_byte[source].mean)
    for score in scores:
        difference = score.bits_difference(best, source) if score.route == "scratch" else None
        if difference is not None and better(difference, higher=False) is False:
            yield (
                f"Training from scratch loses to adapting: {score.summary.model} needs {difference.mean:.2f} bits per byte more "
                f"than {best.summary.model}{_why(score)}"
            )


def _why(score: Scored) -> str:
    shape, text = score.facts.shape, score.facts.text_bytes
    if shape is None or text is None:
        return ", which had read far more text before it saw yours"
    return (
        f". There are only {text / 1e6:,.1f} MB of training text, {text / shape.parameters:.1f} bytes for each of its "
        f"{shape.parameters / 1e6:,.1f} million parameters, where about {USUAL_BYTES_PER_PARAMETER} are usual; an open model "
        "brings what it read before"
    )


def _against_baselines(scores: Sequence[Scored], source: str) -> Iterator[str]:
    """Which models need fewer bits than a plain compressor: one that does not has learned nothing worth its price."""
    for baseline in (score for score in scores if score.route == "baseline"):
        name, models = baseline.summary.model, [score for score in scores if score.route != "baseline"]
        marks = {s.summary.model: better(s.bits_difference(baseline, source), higher=False) for s in models}
        if lost := [model for model, won in marks.items() if won is False]:
            yield f"Worse than {name} on {source}, so not worth their price for this text: {', '.join(lost)}"
        if level := [model for model, won in marks.items() if won is None]:
            yield f"Not shown to be better than {name} on {source}: {', '.join(level)}"
        if marks and all(marks.values()):
            yield f"Every model beats {name} on {source}"
