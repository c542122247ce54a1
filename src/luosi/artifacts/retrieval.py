"""Index: the files cut into passages that can be found by a question. Pairs: questions and answers to train on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import BaseModel, ConfigDict

from luosi.artifacts.base import Artifact, read_jsonl


class Passage(BaseModel):
    """A piece of a document that stands by itself: what is found, shown to a model, and cited."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    number: int
    """Its row in the index, from 0."""
    document: str
    """Id of the corpus's document it is cut from."""
    file: str
    page: int = 0
    """Of its first character; 0 where the format has no pages."""
    heading: str = ""
    """The headings it stands under, outermost first: "Leave > Sick leave"."""
    text: str

    @property
    def place(self) -> str:
        """How people are told where it stands: "handbook.pdf, p. 12"."""
        return f"{self.file}, p. {self.page}" if self.page else self.file


class Index(Artifact):
    """`passages.jsonl` (rows: Passage, in order of `number`), `index.json` (what it was made with, see luosi.retrieval) and the
    arrays of the searches it offers."""

    required = ("passages.jsonl", "index.json")

    def passages(self) -> Iterator[Passage]:
        """All passages in order."""
        for row in read_jsonl(self.path / "passages.jsonl"):
            yield Passage.model_validate(row)


class Pair(BaseModel):
    """A question with its answer, to train on; `passages` are shown with the question where the model is to answer from them."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    id: str
    question: str
    answer: str
    passages: tuple[Passage, ...] = ()
    document: str = ""
    """Id of the training document it was made from; "" for a correction."""
    origin: Literal["template", "model", "correction"]
    """Made by a rule, made by a model, or said by a person."""
    note: str = ""
    """Provenance for people: which rule, which model, whose correction and when."""


class Pairs(Artifact):
    """`pairs.jsonl` (rows: Pair), `dropped.jsonl` (question, answer, reason) and `report.json` (counts by origin and reason)."""

    required = ("pairs.jsonl", "dropped.jsonl", "report.json")

    def pairs(self) -> list[Pair]:
        """All pairs in stored order."""
        return [Pair.model_validate(row) for row in read_jsonl(self.path / "pairs.jsonl")]
