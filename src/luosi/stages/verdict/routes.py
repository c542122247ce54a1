"""From scorecards to routes: checks that all were taken on the same documents and questions; pairs each with the reference."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from luosi.artifacts import Facts, Scorecard
from luosi.artifacts.evidence import Difference, DocumentScore, QuestionScore, Route, ScoreSummary
from luosi.errors import RecipeError, StageError
from luosi.pipeline.stage import Input
from luosi.stages.verdict.config import Config
from luosi.statistics import accuracy_difference, bits_difference

Contents = Mapping[tuple[str, str], Hashable]
"""(source, id) -> what must be equal for two models to have been scored on the same."""


@dataclass(frozen=True)
class Scored:
    """One scorecard in memory, its rows sorted so that those of two models pair."""

    step: str
    key: str
    route: str
    facts: Facts
    summary: ScoreSummary
    source: str
    """The corpus's first source: that of its first document."""
    documents: tuple[DocumentScore, ...]
    questions: tuple[QuestionScore, ...]

    @property
    def bundle(self) -> str:
        """Key of the model that was scored; "" for a baseline."""
        return str(self.facts.figures.get("bundle", ""))

    def bits_difference(self, other: Scored, source: str) -> Difference | None:
        """Bits per byte less those of `other` on one source; None where either was not scored, or on a single document."""
        own, its = self._of(source), other._of(source)
        return bits_difference(own, its) if own and its else None

    def accuracy_difference(self, other: Scored) -> Difference | None:
        """Accuracy less that of `other`; None where either took no exam."""
        both = self.questions and other.questions
        return accuracy_difference(self.questions, other.questions) if both else None

    def _of(self, source: str) -> list[DocumentScore]:
        return [document for document in self.documents if document.source == source]


def read_scores(config: Config, inputs: Sequence[Input]) -> list[Scored]:
    """The scorecards of the routes, checked to be comparable; [] if there are none.

    Raises:
        RecipeError: The routes name other steps than those given.
        StageError: They were not taken on the same documents or questions, or not in the same precision.
    """
    steps = {one.step: one for one in inputs}
    if steps.keys() != config.routes.keys():
        wrong = ", ".join(sorted(steps.keys() ^ config.routes.keys()))
        raise RecipeError(
            f"the routes are {', '.join(config.routes)}, but the scores given are {', '.join(steps)}",
            field="routes",
            hint=f"name in both, or in neither: {wrong}",
        )
    scores = [_read(steps[step], route) for step, route in config.routes.items()]
    for score in scores:
        _require_same(score, reference_of(scores, config.reference))
    return scores


def reference_of(scores: Sequence[Scored], step: str) -> Scored:
    """The scorecard that differences are counted from."""
    return next(score for score in scores if score.step == step)


def _read(given: Input, route: str) -> Scored:
    card = given.artifact
    assert isinstance(card, Scorecard), f"{given.step} is a {type(card).__name__}, the graph let it pass as Scorecard"
    documents, questions = card.documents(), card.questions()
    return Scored(
        step=given.step,
        key=given.key,
        route=route,
        facts=given.facts,
        summary=card.summary(),
        source=documents[0].source if documents else "",
        documents=tuple(sorted(documents, key=lambda document: document.id)),
        questions=tuple(sorted(questions, key=lambda question: question.id)),
    )


def route_of(score: Scored, reference: Scored) -> Route:
    """A scorecard as a route, compared with the reference's."""
    bits = dict(score.summary.bits_per_byte)
    itself = score is reference
    return Route(
        route=score.route,
        model=score.summary.model,
        step=score.step,
        score_key=score.key,
        bundle_key=score.bundle,
        bpb=bits.pop(reference.source, None),
        other_bpb=bits,
        accuracy=score.summary.accuracy.get("all"),
        bpb_difference=None if itself else score.bits_difference(reference, reference.source),
        accuracy_difference=None if itself else score.accuracy_difference(reference),
    )


def _require_same(score: Scored, reference: Scored) -> None:
    """A part that was not scored at all is no contradiction; one scored on other things is."""
    parts: dict[str, list[Contents]] = {
        "documents": [{(d.source, d.id): d.bytes for d in one.documents} for one in (score, reference)],
        "questions": [{(q.source, q.id): q.cluster for q in one.questions} for one in (score, reference)],
    }
    for what, (own, its) in parts.items():
        if own and its and own != its:
            raise StageError(
                f"{score.step} and {reference.step} were not scored on the same {what}: {_difference(own, its)}",
                hint="evaluate every model with the same corpus and exam inputs",
            )
    own_precision, its_precision = score.summary.precision, reference.summary.precision
    if score.summary.what == reference.summary.what and own_precision != its_precision:
        raise StageError(
            f"{score.step} was scored in {own_precision}, {reference.step} in {its_precision}",
            hint="set the same precision in both steps",
        )


def _difference(own: Contents, its: Contents) -> str:
    more, fewer = own.keys() - its.keys(), its.keys() - own.keys()
    changed = [key for key in own.keys() & its.keys() if own[key] != its[key]]
    named = min(more or fewer or changed)
    return f"{len(more)} only in the first, {len(fewer)} only in the second, {len(changed)} changed, such as {'/'.join(named)}"
