"""One answer with its marks, from what was said and what was shown. Asks nobody."""

from __future__ import annotations

from luosi.artifacts import Question
from luosi.artifacts.answers import Answered
from luosi.grading import grade
from luosi.grading.citation import citation
from luosi.retrieval.prompt import cited
from luosi.stages.race.said import Found, Said


def answered(arm: str, question: Question, said: Said, found: Found) -> Answered:
    """The answer of `arm`, marked by everything but a judge; one that did not come counts as wrong, and cites nothing."""
    shown = found.passages[: said.shown]
    cites = cited(said.text, shown)
    if said.trouble:
        mark, marks, chosen = 0.0, {}, None
    elif said.tie_mark is not None:
        cites_right = citation(question, cites)
        mark, chosen = said.tie_mark, said.chosen
        marks = {"choice": mark} | ({} if cites_right is None else {"citation": cites_right})
    else:
        graded = grade(question, said.text, cites)
        mark, marks, chosen = graded.mark, graded.marks, graded.chosen
    return Answered(
        arm=arm,
        question=question.id,
        text=said.text,
        chosen=chosen,
        passages=cites,
        mark=mark,
        marks=marks,
        prompt_tokens=said.prompt_tokens,
        answer_tokens=said.answer_tokens,
        trouble=said.trouble,
    )
