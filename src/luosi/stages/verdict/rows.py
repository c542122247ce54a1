"""Every question with every arm's answer, citation and mark, for people to read; and how far the judge agrees with their own marks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pydantic import Field

from luosi.artifacts import Question
from luosi.artifacts.answers import Answered
from luosi.cost import Frozen
from luosi.grading.agreement import Agreement, agreement
from luosi.grading.judge import judged

RIGHT = 0.5
"""A mark above this counts as right where right or wrong is asked."""


class ArmAnswer(Frozen):
    """What one arm said to one question."""

    arm: str
    text: str
    """What it said; for a question with choices the choice it took."""
    mark: float
    marks: dict[str, float] = Field(default_factory=dict)
    cited: tuple[str, ...] = ()
    """Where the passages stand that the answer rests on: "handbook.pdf, p. 12"."""
    shown: int = 0
    """Passages it was shown."""
    judge_agrees: bool | None = None
    """Whether the judge said the same in both orders; None where there was no judge, or it said nothing."""
    trouble: str = ""


class AnswerRow(Frozen):
    """One question with the answers of the arms that were asked it, in the order of the race's arms."""

    id: str
    prompt: str
    choices: tuple[str, ...] = ()
    expected: tuple[str, ...]
    """Any of them is right; the reference passage where that is all that is known."""
    place: str = ""
    """Where the answer stands, if the user said so."""
    grader: str
    origin: str = ""
    answers: tuple[ArmAnswer, ...]


def answer_rows(questions: Iterable[Question], answers: Iterable[Answered]) -> list[AnswerRow]:
    """One row a question, in the order given; of the passages only the places of those cited are kept."""
    asked = {question.id: question for question in questions}
    given: dict[str, list[ArmAnswer]] = {name: [] for name in asked}
    for answer in answers:
        given[answer.question].append(_answer(answer, asked[answer.question]))
    return [_row(question, given[name]) for name, question in asked.items()]


def judge_agreement(answers: Iterable[Answered], people: Mapping[tuple[str, str], bool]) -> Agreement | None:
    """How far the judge's marks agree with people's, given as (arm, question id) -> right; None where both marked nothing."""
    pairs = []
    for answer in answers:
        said = answer.judgement
        word = judged(said.first, said.second) if said else None
        person = people.get((answer.arm, answer.question))
        if word is not None and person is not None:
            pairs.append((word > RIGHT, person))
    return agreement(pairs) if pairs else None


def _row(question: Question, answers: Sequence[ArmAnswer]) -> AnswerRow:
    right = (
        (question.choices[question.answer],) if question.answer is not None and question.choices else question.answers
    )
    return AnswerRow(
        id=question.id,
        prompt=question.prompt,
        choices=question.choices,
        expected=right or (question.passage,),
        place=f"{question.file}, p. {question.page}" if question.page else question.file,
        grader=question.grader,
        origin=question.origin,
        answers=tuple(answers),
    )


def _answer(answer: Answered, question: Question) -> ArmAnswer:
    said = question.choices[answer.chosen] if question.choices and answer.chosen is not None else answer.text
    words = (answer.judgement.first, answer.judgement.second) if answer.judgement else (None, None)
    return ArmAnswer(
        arm=answer.arm,
        text=said,
        mark=answer.mark,
        marks=answer.marks,
        cited=tuple(dict.fromkeys(passage.place for passage in answer.passages if passage.cited)),
        shown=len(answer.passages),
        judge_agrees=None if None in words else words[0] == words[1],
        trouble=answer.trouble,
    )
