"""The answers of a race as the page looks at them: which are right, by rule or by a person, where routes differ, and how far the
judge agrees with people. No page in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from luosi.artifacts.answers import Answered
from luosi.artifacts.corpus import Question
from luosi.grading import Agreement, agreement
from luosi.serve.feedback import Mark
from luosi.web.source import Row

RIGHT = 0.5
"""Marks from here on count as right where only right or wrong is asked for."""


@dataclass
class Round:
    """One question with every arm's answer, and what people said of them."""

    number: int
    """From 1, in the order in which they were asked."""
    question: Question
    answers: dict[str, Answered]
    """By arm; an arm that was stopped before has none."""
    marks: dict[str, bool] = field(default_factory=dict)
    """By arm: right or wrong, said by a person."""
    correction: str = ""
    """What a person said should have been expected."""

    def right(self, arm: str) -> bool | None:
        """A person's mark, else the grader's; None where the arm was not asked."""
        answer = self.answers.get(arm)
        if answer is None:
            return None
        return self.marks.get(arm, answer.mark >= RIGHT)


def rounds(asked: Sequence[Row], marks: Iterable[Mark], own: Iterable[Question]) -> list[Round]:
    """The questions in their order; marks of other answers than those given now are left out.

    Args:
        asked: [{"question": Question, "answers": [Answered]}].
        marks: Of the recipe.
        own: The questions as people have them now.
    """
    made = [
        Round(number, row["question"], {answer.arm: answer for answer in row["answers"]})
        for number, row in enumerate(asked, 1)
    ]
    by_id = {one.question.id: one for one in made}
    for mark in marks:
        answer = by_id[mark.question_id].answers.get(mark.arm) if mark.question_id in by_id else None
        if answer is not None and mark.answer in ("", answer.text):
            by_id[mark.question_id].marks[mark.arm] = mark.right
    for question in own:
        one = by_id.get(question.id)
        if one is not None and expected(question) != expected(one.question):
            one.correction = expected(question)
    return made


def kinds(best: str) -> Mapping[str, Callable[[Round], bool]]:
    """What the list can be narrowed to; `best` is the arm with most right answers."""
    return {
        "all": lambda one: True,
        "differ": lambda one: len({one.right(arm) for arm in one.answers}) > 1,
        "best_wrong": lambda one: one.right(best) is False,
        "unanswered": lambda one: any(answer.trouble for answer in one.answers.values()),
    }


def judge_and_people(made: Iterable[Round]) -> tuple[str, Agreement]:
    """The judge's name ("" if there was none), and how far it agrees with people where it decided."""
    name, pairs = "", []
    for one in made:
        for arm, answer in one.answers.items():
            said = answer.judgement
            if said is None:
                continue
            name = said.model
            if arm in one.marks and said.first is not None and said.first == said.second:
                pairs.append((said.first, one.marks[arm]))
    return name, agreement(pairs)


def expected(question: Question) -> str:
    """What should have been answered."""
    if question.choices and question.answer is not None:
        return question.choices[question.answer]
    return " / ".join(question.answers) or question.passage


def said(question: Question, answer: Answered) -> str:
    """What was answered: the words, or the choice taken."""
    if not answer.text.strip() and answer.chosen is not None and answer.chosen < len(question.choices):
        return question.choices[answer.chosen]
    return answer.text.strip()
