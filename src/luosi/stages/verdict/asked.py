"""From races to routes: what every arm made of the user's own questions, and every two arms paired on those both were asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from luosi.artifacts import Answers, Question
from luosi.artifacts.answers import Answered, AnswersSummary, Arm
from luosi.artifacts.evidence import Between, Score
from luosi.errors import StageError
from luosi.grading.citation import citation
from luosi.pipeline.stage import Input
from luosi.statistics import accuracy_of, difference_of

CANNOT_WIN = "cannot win"
"""How the reason of an arm begins that was stopped for its marks."""


@dataclass(frozen=True)
class Mark:
    """What is kept of one answer."""

    mark: float
    cited: float | None
    """Whether it cites the place that the question names; None where it names none, or no files were shown."""
    found: bool
    """Whether a passage of that place was shown."""
    trouble: str


@dataclass(frozen=True)
class Raced:
    """One arm in memory: its marks by question, in the order in which they were asked."""

    arm: Arm
    key: str
    questions: dict[str, Question]
    marks: dict[str, Mark]

    @property
    def stopped(self) -> bool:
        """Whether its marks ended its questions: intervals of differences must know."""
        return self.arm.stopped.startswith(CANNOT_WIN)

    def score(self, keep: Callable[[Question, Mark], bool] = lambda question, mark: True) -> Score | None:
        """Accuracy on the questions that `keep` keeps; None if those are none."""
        kept = [name for name, mark in self.marks.items() if keep(self.questions[name], mark)]
        marks = [self.marks[name].mark for name in kept]
        return accuracy_of(marks, self._clusters(kept)) if kept else None

    def share(self, value: Callable[[Mark], float]) -> Score | None:
        """Mean of `value` over the questions that name a place and were shown passages; None if there are none."""
        kept = [name for name, mark in self.marks.items() if mark.cited is not None]
        return accuracy_of([value(self.marks[name]) for name in kept], self._clusters(kept)) if kept else None

    def by_grader(self) -> dict[str, Score]:
        """Accuracy by the grader of the questions, in alphabetic order."""
        graders = sorted({self.questions[name].grader for name in self.marks})
        scores = {grader: self.score(lambda question, _, is_=grader: question.grader == is_) for grader in graders}  # type: ignore[misc]
        return {grader: score for grader, score in scores.items() if score is not None}

    def troubles(self) -> dict[str, int]:
        """Answers that did not come by reason, what stands before its colon."""
        return dict(sorted(Counter(mark.trouble.split(":")[0] for mark in self.marks.values() if mark.trouble).items()))

    def against(self, other: Raced) -> Between | None:
        """Its accuracy less that of `other` on the questions both were asked; None if those are fewer than two."""
        both = [name for name in self.marks if name in other.marks]
        if not both:
            return None
        difference = difference_of(
            [self.marks[name].mark for name in both],
            [other.marks[name].mark for name in both],
            self._clusters(both),
            stopped=self.stopped or other.stopped,
        )
        if difference is None:
            return None
        return Between(arm=self.arm.name, other=other.arm.name, difference=difference, asked=len(both))

    def _clusters(self, names: Sequence[str]) -> list[str]:
        """A question made from a document shares its cluster with all of that document; one of the user's stands alone."""
        return [self.questions[name].document or f"question {name}" for name in names]


@dataclass(frozen=True)
class Races:
    """Every race that was given, as one."""

    arms: tuple[Raced, ...]
    questions: dict[str, Question]
    summaries: tuple[AnswersSummary, ...]

    def pairs(self) -> Iterator[Between]:
        """Every two arms once, the later against the earlier."""
        for earlier, later in combinations(self.arms, 2):
            if (pair := later.against(earlier)) is not None:
                yield pair


def read_races(inputs: Sequence[Input]) -> Races:
    """All arms of all races.

    Raises:
        StageError: Two arms have one name, or one question differs from race to race.
    """
    arms: dict[str, Raced] = {}
    questions: dict[str, Question] = {}
    summaries = []
    for given in inputs:
        answers = given.artifact
        assert isinstance(answers, Answers), (
            f"{given.step} is a {type(answers).__name__}, the graph let it pass as Answers"
        )
        asked = {question.id: question for question in answers.questions()}
        if changed := [name for name, question in asked.items() if questions.get(name, question) != question]:
            raise StageError(
                f"question {changed[0]!r} of {given.step} differs from that of another race",
                hint="race all arms with one exam",
            )
        questions |= asked
        summaries.append(answers.summary())
        for raced in _arms(answers, given.key, asked, summaries[-1]):
            if raced.arm.name in arms:
                raise StageError(
                    f"two arms are called {raced.arm.name!r}", hint="give the arms of the races different names"
                )
            arms[raced.arm.name] = raced
    return Races(tuple(arms.values()), questions, tuple(summaries))


def _arms(answers: Answers, key: str, questions: dict[str, Question], summary: AnswersSummary) -> Iterator[Raced]:
    arms = {arm.name: arm for arm in summary.arms}
    marks: dict[str, dict[str, Mark]] = {name: {} for name in arms}
    for row in answers.answers():
        marks[row.arm][row.question] = _mark(row, questions[row.question], files=arms[row.arm].files)
    for name, arm in arms.items():
        yield Raced(arm, key, questions, {one: marks[name][one] for one in questions if one in marks[name]})


def _mark(row: Answered, question: Question, *, files: bool) -> Mark:
    if not files or not question.file:
        return Mark(row.mark, None, False, row.trouble)
    shown = [one.model_copy(update={"cited": True}) for one in row.passages]
    return Mark(row.mark, citation(question, row.passages) or 0.0, bool(citation(question, shown)), row.trouble)
