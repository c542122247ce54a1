"""Corpus: clean text by source and split, what was dropped and why. Exam: questions with choices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from luosi.artifacts.base import Artifact, read_jsonl

Split = Literal["train", "heldout"]


class Document(BaseModel):
    """One text; `id` is unique in its corpus, `family` is shared by near-duplicates, which stay on one side of the split."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    id: str
    source: str
    text: str
    family: str = ""
    language: str = ""


class Corpus(Artifact):
    """`train.jsonl`, `heldout.jsonl` (rows: Document), `dropped.jsonl` (id, source, reason, excerpt), `report.json`.

    report.json: {"order": [name], "sources": {name: {"read": n, "kept": n, "train_documents": n, "train_bytes": n,
    "heldout_documents": n, "heldout_bytes": n, "dropped": {reason: n}, "repaired": {reason: n}}}, "leakage": {...}}
    """

    required = ("train.jsonl", "heldout.jsonl", "dropped.jsonl", "report.json")

    def documents(self, split: Split, source: str | None = None) -> Iterator[Document]:
        """The documents of one split, in stored order, of one source or of all."""
        for row in read_jsonl(self.path / f"{split}.jsonl"):
            if source is None or row["source"] == source:
                yield Document.model_validate(row)

    def sources(self) -> list[str]:
        """Names of the sources, in the recipe's order; the first is the one the model is for."""
        order = self.json("report.json")["order"]
        assert isinstance(order, list)
        return [str(name) for name in order]


class Question(BaseModel):
    """A multiple-choice question: which of `choices` goes on from `prompt`; `answer` is the index of the right one."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    id: str
    source: str
    prompt: str
    choices: tuple[str, ...] = Field(min_length=2)
    answer: int = Field(ge=0)
    document: str = ""
    """The held-out document it was made from: the cluster of its error. "" for the user's own questions."""

    @model_validator(mode="after")
    def _answer_is_a_choice(self) -> Question:
        if self.answer >= len(self.choices):
            raise ValueError(f"answer is choice {self.answer}, but there are {len(self.choices)} choices")
        return self


class Exam(Artifact):
    """`questions.jsonl` (rows: Question) and `report.json` (how many by source, how many asked for, why fewer)."""

    required = ("questions.jsonl", "report.json")

    def questions(self) -> list[Question]:
        """All questions in stored order."""
        return [Question.model_validate(row) for row in read_jsonl(self.path / "questions.jsonl")]
