"""The user's own questions, as the recipe has them: the file unchanged, what is usable of it, and what to think of it."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from luosi.artifacts import Question
from luosi.artifacts.base import file_sha256
from luosi.errors import InputError
from luosi.grading.questions import read_questions
from luosi.stages.exam.config import Config

SHOWN = 10
FEW = 30
"""Fewer questions than this are warned about; they are asked all the same."""


@dataclass(frozen=True, slots=True)
class Own:
    """The usable questions in file order, a message for each row refused, and warnings about the whole."""

    questions: list[Question]
    refused: list[str]
    warnings: list[str]

    def report(self) -> dict[str, object]:
        """For report.json."""
        graders = dict(sorted(Counter(question.grader for question in self.questions).items()))
        return {"made": len(self.questions), "graders": graders, "refused": self.refused, "warnings": self.warnings}


def own_questions(config: Config) -> Own:
    """The questions of `config.own`.

    Raises:
        InputError: The file is missing, has changed, is of no known format, or has no usable question.
    """
    path = Path(config.own).expanduser()
    found = file_sha256(path) if path.is_file() else ""
    if found and found != config.own_sha256:
        raise InputError(
            f"the question file {path} has changed: its digest is {found}, the recipe has {config.own_sha256}",
            hint=f'restore it, or put own_sha256 = "{found}" into the recipe to take it as it is now',
        )
    read = read_questions(path)
    refused = [str(one) for one in read.refused]
    if not read.questions:
        raise InputError(
            f"no question of {path} can be used: {'; '.join(refused[:SHOWN]) or 'it has no rows'}",
            hint='a row looks like {"question": "..", "answer": ".."}; `luosi exam check FILE` tells of every row',
        )
    return Own(read.questions, refused, _warnings(len(read.questions)))


def _warnings(count: int) -> list[str]:
    if count >= FEW:
        return []
    # Half of Wilson's 95 % interval where half of the answers are right, its widest.
    points = 100 * 0.98 / math.sqrt(count + 3.84)
    return [
        f"only {count} question{'s' if count > 1 else ''}: an accuracy is known to about {points:.0f} points either way; "
        f"{FEW} or more tell routes apart sooner"
    ]
