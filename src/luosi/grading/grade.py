"""One answer's marks: by the question's own grader, and by every other that applies. Knows no models and asks none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from luosi.artifacts import Question
from luosi.artifacts.answers import Cited
from luosi.artifacts.corpus import Grader
from luosi.grading.choices import choice
from luosi.grading.citation import citation
from luosi.grading.dates import as_date, date
from luosi.grading.overlap import exact, f1, passage
from luosi.grading.quantities import as_quantity, number


@dataclass(frozen=True, slots=True)
class Graded:
    """An answer's marks, each from 0 (wrong) to 1 (right).

    Attributes:
        mark: By the question's grader. For grader "judge", until a judge has spoken (see `judged`): the token F1, or the passage's.
        marks: By every grader that applies: "choice", "exact", "f1", "number", "date", "passage", "citation".
        chosen: Index of the choice taken; None for none, and for questions without choices.
    """

    mark: float
    marks: dict[str, float]
    chosen: int | None


ANSWER_CHARS = 20_000
"""No answer is read further: a model that runs on must not hold up the marking."""
_BY_ANSWER: dict[Grader, Callable[[str, str, str], float]] = {
    "exact": lambda text, accepted, question: exact(text, accepted),
    "f1": lambda text, accepted, question: f1(text, accepted),
    "number": number,
    "date": date,
}


def grade(question: Question, text: str, cited: Sequence[Cited]) -> Graded:
    """Mark the answer `text`; of several accepted answers the one that gives most counts.

    Args:
        question: As in the exam.
        text: The model's whole answer. Of questions with choices, the choice is taken out of it; where choices were compared by
            likelihood instead, nobody needs this function.
        cited: The passages shown with the question, those the answer rests on marked; () for none.
    """
    text = text[:ANSWER_CHARS]
    marks: dict[str, float] = {}
    chosen = choice(text, question.choices) if question.choices else None
    if question.choices:
        marks["choice"] = float(chosen == question.answer)
    for grader, mark in _BY_ANSWER.items():
        accepted = [answer for answer in question.answers if fits(grader, answer)]
        if accepted:
            marks[grader] = max(mark(text, answer, question.prompt) for answer in accepted)
    if question.passage:
        marks["passage"] = passage(text, question.passage, question.prompt)
    own = marks.get(question.grader, marks.get("f1", marks.get("passage", 0.0)))
    cites = citation(question, cited)
    return Graded(own, marks if cites is None else marks | {"citation": cites}, chosen)


def fits(grader: Grader, answer: str) -> bool:
    """Whether an accepted answer is of the form that a grader marks.

    A date of two readings (03/04/2021) is no form for "date": nobody can say what it accepts.
    """
    if grader == "number":
        return as_quantity(answer) is not None
    if grader == "date":
        found = as_date(answer)
        return found is not None and len(found.readings) == 1
    return grader in ("exact", "f1", "judge")


def grader_for(choices: Sequence[str], answers: Sequence[str]) -> Grader:
    """The grader that a question's answers call for: choice, date, number, else token F1; the passage's for no answers.

    >>> grader_for((), ("25 days",)), grader_for((), ("2021年3月3日",)), grader_for((), ("Paris",)), grader_for((), ())
    ('number', 'date', 'f1', 'passage')
    """
    if choices:
        return "choice"
    if not answers:
        return "passage"
    forms: tuple[Grader, ...] = ("date", "number")
    return next((form for form in forms if all(fits(form, answer) for answer in answers)), "f1")
