"""A recipe's verdict as it is shown: quality from its verdict step, money from the ledger and today's prices, marks from people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from luosi.artifacts import Answers, Facts, Manifest, Verdict
from luosi.artifacts.answers import Answered
from luosi.artifacts.evidence import VerdictSummary
from luosi.cost import Cost, Estimate, Machine, Rates
from luosi.errors import ArtifactError, UsageError
from luosi.grading.agreement import Agreement
from luosi.ledger.attempts import read_attempts
from luosi.pipeline.graph import Graph
from luosi.pipeline.lineage import ancestors
from luosi.pipeline.stage import Stage
from luosi.pipeline.store import Store
from luosi.plan.prices import PriceTable
from luosi.plan.pricing import scratch_estimate
from luosi.stages.verdict.money import VerdictReport, report
from luosi.stages.verdict.rows import AnswerRow, answer_rows, judge_agreement

if TYPE_CHECKING:
    from luosi.serve.feedback import Feedback, Mark


@dataclass(frozen=True)
class Verdicts:
    """What is known of one recipe's verdict.

    Attributes:
        graph: The recipe's steps and their keys.
        store: Where its artifacts are.
        stages: Of the workspace, by name.
        feedback: What people said of answers; None where nobody ever did.
    """

    graph: Graph
    store: Store
    stages: Mapping[str, Stage[Any, Any]]
    feedback: Feedback | None

    @cached_property
    def summary(self) -> VerdictSummary:
        """Of the verdict step.

        Raises:
            UsageError: The recipe has no verdict step.
            ArtifactError: It was not run yet.
        """
        step = next((step for step in self.graph.steps if step.stage.output is Verdict), None)
        if step is None:
            raise UsageError(
                f"recipe {self.graph.recipe} has no verdict step", hint="`luosi new FILES...` writes one that has"
            )
        manifest = published(self.graph, self.store, step.name)
        self.store.require_whole(manifest, step.name)
        verdict = self.store.open(manifest)
        assert isinstance(verdict, Verdict)
        return verdict.summary()

    def races(self) -> Iterator[Answers]:
        """The races that the verdict rests on."""
        for key in dict.fromkeys(route.answers_key for route in self.summary.routes if route.answers_key):
            answers = self.store.open(self.store.find(key))
            assert isinstance(answers, Answers)
            yield answers

    def report(self, machine: Machine, rates: Rates, prices: PriceTable) -> VerdictReport:
        """The routes side by side, with their money, and the advice."""
        summary = self.summary
        costs = {route.made_of: cost_of(self.store, route.made_of) for route in summary.routes if route.made_of}
        keys = {key for route in summary.routes for key in (route.bundle_key, route.answers_key) if key}
        rented = {route.model for route in summary.routes if route.route == "rent"} | {summary.rented_model}
        return report(
            summary,
            costs,
            {key: self.store.find(key).facts for key in keys},
            rates,
            {name: prices.models[name] for name in rented if name in prices.models},
            watts=machine.watts_busy,
            scratch=self._scratch(machine),
            agreement=self._agreement(),
        )

    def marks(self) -> list[Mark]:
        """What people said of the answers; a mark of an answer that is another by now is left out."""
        said = self.feedback.marks(self.graph.recipe) if self.feedback else []
        if not said:
            return []
        texts = {(one.arm, one.question): one.text for race in self.races() for one in race.answers()}
        return [mark for mark in said if mark.answer in ("", texts.get((mark.arm, mark.question_id)))]

    def _agreement(self) -> Agreement | None:
        people = {(mark.arm, mark.question_id): mark.right for mark in self.marks()}
        return judge_agreement((one for race in self.races() for one in race.answers()), people) if people else None

    def answers(self) -> list[dict[str, Any]]:
        """Every question that a race asked with its answers, {"question": Question, "answers": [Answered]}, as they were asked."""
        rows = []
        for race in self.races():
            given: dict[str, list[Answered]] = {}
            for one in race.answers():
                given.setdefault(one.question, []).append(one)
            rows += [{"question": question, "answers": given.get(question.id, [])} for question in race.questions()]
        return rows

    def answer_rows(self) -> list[AnswerRow]:
        """The same for a report."""
        return [row for race in self.races() for row in answer_rows(race.questions(), race.answers())]

    def _scratch(self, machine: Machine) -> Estimate | None:
        """What training from scratch on this text would take, where the user's own questions were asked and it was not done."""
        facts: Facts | None = next(
            (
                published(self.graph, self.store, step.name).facts
                for step in self.graph.steps
                if step.stage.name == "curate"
            ),
            None,
        )
        if not self.summary.reference_arm or facts is None:
            return None
        return scratch_estimate(facts.text_bytes or 0, machine, self.stages)


def cost_of(store: Store, keys: Iterable[str]) -> Cost:
    """All that was ever tried to make the artifacts `keys`, and what they were made from; what several share is counted once."""
    made = {ancestor for key in keys for ancestor in ancestors(store, key)}
    tries = [one for key in sorted(made) for one in read_attempts(store.attempts_file(key))]
    return sum((one.cost for one in tries), Cost())


def published(graph: Graph, store: Store, step: str) -> Manifest:
    """The manifest of a finished step.

    Raises:
        ArtifactError: It is not built.
    """
    manifest = store.manifest(graph.step(step).stage.name, graph.keys[step])
    if manifest is None:
        raise ArtifactError(f"step {step} of {graph.recipe} is not built", hint=f"`luosi run {graph.recipe}` builds it")
    return manifest
