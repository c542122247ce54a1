"""How the answers to an exam are marked, by the rule that counts and by others for those who compare."""

from __future__ import annotations

from collections.abc import Sequence

from luosi.artifacts import Question
from luosi.artifacts.evidence import QuestionScore
from luosi.models.choices import SAVED_BITS, Rule, take

OTHER_RULES: dict[str, Rule] = {
    "accuracy_by_total_bits": lambda after, alone, size: after,
    "accuracy_by_bits_per_byte": lambda after, alone, size: after / size,
}
"""Reported beside the score, for those who compare with other harnesses."""


def mark(question: Question, bits: Sequence[float], rule: Rule = SAVED_BITS) -> QuestionScore:
    """The score of one question with k choices, from the 2 k numbers of `luosi.models.likelihood.choice_bits`."""
    taken = take(question.choices, question.answer, bits, rule)
    return QuestionScore(
        id=question.id,
        source=question.source,
        cluster=question.document or question.id,
        correct=taken.mark,
        chosen=taken.chosen,
    )
