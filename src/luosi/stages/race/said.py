"""What an arm said to one question, as it is kept in the journal: everything that cannot be computed again for nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from luosi.artifacts import Question
from luosi.artifacts.retrieval import Passage
from luosi.cost import Frozen


class Said(Frozen):
    """An answer, or why there is none; marked later, for marks cost nothing."""

    text: str = ""
    chosen: int | None = None
    """The choice taken by likelihood; None where the answer is text."""
    tie_mark: float | None = None
    """Its mark: 1/k where k choices tie."""
    shown: int = 0
    """Passages shown: the first so many of those found."""
    fitted: bool = False
    """Whether passages were left out or the question was cut, for the model's context is too short for them."""
    prompt_tokens: int | None = None
    answer_tokens: int | None = None
    seconds: float = 0.0
    """From question to whole answer, the search for passages not counted."""
    searched_s: float = 0.0
    trouble: str = ""
    ticket: int | None = None
    """Of the reservation in the purse, for rented models."""
    nano: int = 0
    """Charged."""
    overdrawn: bool = False
    """Whether it cost more than was put aside: the server did not keep to the limit it was given."""


@dataclass(frozen=True)
class Found:
    """The passages found for a question, best first, and how long that took."""

    passages: Sequence[Passage]
    seconds: float


@dataclass(frozen=True)
class Asking:
    """A question as one arm is asked it; `passages` are () for an arm without the files."""

    question: Question
    passages: Sequence[Passage]
    system: str
    answer_tokens: int
