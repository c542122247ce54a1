"""From scorecards and races to a summary: every arm a route, joined with the scorecard of the same model; what was scored but not
asked stands beside them. Advice that follows from quality alone is in it; money is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from luosi.artifacts.evidence import Route, VerdictSummary
from luosi.pipeline.stage import Input
from luosi.stages.verdict.advice import advise
from luosi.stages.verdict.answered import advise_on_answers
from luosi.stages.verdict.asked import Raced, Races, read_races
from luosi.stages.verdict.config import Config
from luosi.stages.verdict.routes import Scored, read_scores, reference_of, route_of

NOT_MEASURED = "not measured until you connect it"


def compare(config: Config, scorecards: Sequence[Input], answers: Sequence[Input]) -> VerdictSummary:
    """The routes side by side with what follows from their quality.

    Raises:
        RecipeError: The routes name other steps than those given.
        StageError: Scorecards or races do not fit together.
    """
    scores, races = read_scores(config, scorecards), read_races(answers)
    reference = races.summaries[0].reference if races.summaries else ""
    summary = VerdictSummary(
        source=reference_of(scores, config.reference).source if scores else "",
        reference=config.reference,
        routes=tuple(_routes(config, scores, races, reference)),
        prompt_tokens=config.prompt_tokens,
        answer_tokens=config.answer_tokens,
        rented_model=config.rented_model,
        advice=(),
        reference_arm=reference,
        questions=len(races.questions),
        graders=dict(sorted(Counter(question.grader for question in races.questions.values()).items())),
        pairs=tuple(races.pairs()),
        sequential=any(one.sequential for one in races.summaries),
        saved_share=max((one.saved_share for one in races.summaries), default=0.0),
        judge=next((one.judge for one in races.summaries if one.judge), ""),
    )
    return summary.model_copy(update={"advice": (*advise_on_answers(summary), *advise(summary, scores))})


def _routes(config: Config, scores: Sequence[Scored], races: Races, reference: str) -> Iterator[Route]:
    scored = {score.step: route_of(score, reference_of(scores, config.reference)) for score in scores}
    by_bundle = {route.bundle_key: route for route in reversed(scored.values()) if route.bundle_key}
    first = next((raced for raced in races.arms if raced.arm.name == reference), None)
    asked = {raced.arm.bundle_key for raced in races.arms}
    for raced in races.arms:
        yield _asked(raced, by_bundle.get(raced.arm.bundle_key), first)
    for route in scored.values():
        if not route.bundle_key or route.bundle_key not in asked:
            yield route
    if config.rented_model and not any(raced.arm.route == "rent" for raced in races.arms):
        yield _empty("rent", config.rented_model).model_copy(update={"leaves_house": True, "note": NOT_MEASURED})


def _empty(route: str, model: str) -> Route:
    return Route(
        route=route, model=model, step="", score_key="", bundle_key="", bpb=None, accuracy=None, bpb_difference=None,
        accuracy_difference=None,
    )  # fmt: skip


def _asked(raced: Raced, scored: Route | None, first: Raced | None) -> Route:
    """An arm as a route: what its model scored, if it was scored, and what it made of the questions."""
    arm = raced.arm
    pair = raced.against(first) if first is not None and first is not raced else None
    return (scored or _empty(arm.route, arm.model)).model_copy(
        update={
            "route": arm.route,
            "model": arm.model,
            "bundle_key": arm.bundle_key,
            "arm": arm.name,
            "files": arm.files,
            "index_key": arm.index_key,
            "leaves_house": arm.leaves_house,
            "asked": len(raced.marks),
            "answers_key": raced.key,
            "stopped": arm.stopped,
            "own": raced.score(),
            "own_difference": pair.difference if pair else None,
            "by_grader": raced.by_grader(),
            "cited": raced.share(lambda mark: mark.cited or 0.0),
            "found": raced.share(lambda mark: float(mark.found)),
            "own_found": raced.score(lambda _, mark: mark.found),
            "troubles": raced.troubles(),
        }
    )
