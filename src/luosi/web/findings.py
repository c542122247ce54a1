"""What was found about one's own questions, in the words of the page: among themselves at once, in a recipe's text when asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from luosi.artifacts.corpus import Question
from luosi.grading.near import near_pairs
from luosi.web.words import Words

if TYPE_CHECKING:  # looking through texts needs numpy, which pages do without
    from luosi.grading.check import Checked, Place, Report

SHOWN_CHARS = 80


def among_themselves(questions: Sequence[Question], words: Words) -> dict[str, list[str]]:
    """By id, which earlier questions each is nearly the same as; questions of their own are left out."""
    found: dict[str, list[str]] = {}
    for earlier, later, _ in near_pairs([" ".join((one.prompt, *one.choices)) for one in questions]):
        found.setdefault(questions[later].id, []).append(_near(questions[earlier].prompt, words))
    return found


def in_text(report: Report, words: Words) -> dict[str, list[str]]:
    """By id, all that was found about each."""
    prompts = {one.id: one.prompt for one in report.questions}
    return {one.id: list(_found(one, prompts, words)) for one in report.questions}


def _found(one: Checked, prompts: Mapping[str, str], words: Words) -> Iterator[str]:
    for earlier in one.near:
        yield _near(prompts[earlier], words)
    for place in one.leaked:
        yield words("found_leaked", place=_place(place, words))
    for place in one.verbatim:
        yield words("found_verbatim", place=_place(place, words))
    if one.answer_somewhere is False:
        yield words("found_nowhere")
    if one.file_missing:
        yield words("found_no_file")


def _near(prompt: str, words: Words) -> str:
    return words("found_near", prompt=prompt if len(prompt) <= SHOWN_CHARS else prompt[: SHOWN_CHARS - 1] + "…")


def _place(place: Place, words: Words) -> str:
    more = words("and_more", count=place.texts - 1) if place.texts > 1 else ""
    return f"{words(f'in_{place.where}')}: {place.files[0]}{more}"
