"""Corpus: clean text by source and split, what was dropped and why. Exam: questions and how their answers are marked."""

from __future__ import annotations

from bisect import bisect_right
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
    file: str = ""
    """The file it is from, as people know it: "a/b.pdf", "all.zip/c.docx"."""
    page: int = 0
    """Page (or slide) of its first character, from 1; 0 where the format has none."""
    pages: tuple[int, ...] = ()
    """Character offsets in `text` at which each further page begins."""

    def page_at(self, offset: int) -> int:
        """The page on which character `offset` stands; 0 where the format has none."""
        return self.page + bisect_right(self.pages, offset) if self.page else 0


class Corpus(Artifact):
    """`train.jsonl`, `heldout.jsonl` (rows: Document), `dropped.jsonl` (id, source, reason, excerpt), `report.json`.

    report.json: {"order": [name], "sources": {name: {"read": n, "kept": n, "train_documents": n, "train_bytes": n,
    "heldout_documents": n, "heldout_bytes": n, "dropped": {reason: n}, "repaired": {reason: n},
    "noted": [{"file", "what", "detail"}]}}, "leakage": {...}}; noted are files that were read in part: pages without text, and the like.
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


Grader = Literal["choice", "exact", "number", "date", "f1", "passage", "judge"]
"""How an answer is marked: a choice taken, the same words, the same number, the same date, tokens shared with an accepted answer,
tokens shared with the reference passage, or the word of a judge model."""


class Question(BaseModel):
    """One question. With `choices`, `answer` is the index of the right one; else `answers` are the accepted ones, or `passage` is
    all that is known of the answer."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    id: str
    source: str
    """The corpus's source it was made from; "own" for the user's own."""
    prompt: str
    choices: tuple[str, ...] = ()
    answer: int | None = Field(default=None, ge=0)
    answers: tuple[str, ...] = ()
    passage: str = ""
    file: str = ""
    """Where the answer stands, if the user said so: the file's name as people know it."""
    page: int = 0
    grader: Grader = "choice"
    document: str = ""
    """The held-out document it was made from: the cluster of its error. "" for the user's own questions."""
    origin: str = ""
    """Where it comes from: "questions.xlsx row 12", "correction 3 of 2026-11-22"."""

    @model_validator(mode="after")
    def _can_be_marked(self) -> Question:
        if self.choices:
            if len(self.choices) < 2:
                raise ValueError("a question has one choice; expected at least two, or none")
            if self.answer is None or self.answer >= len(self.choices):
                raise ValueError(f"answer is choice {self.answer}, but there are {len(self.choices)} choices")
        elif not self.answers and not self.passage:
            raise ValueError("a question has neither choices nor answers nor a passage")
        if (self.grader == "choice") != bool(self.choices):
            raise ValueError(f"grader {self.grader!r} and {len(self.choices)} choices do not go together")
        return self


class Exam(Artifact):
    """`questions.jsonl` (rows: Question) and `report.json` (how many by source, how many asked for, why fewer)."""

    required = ("questions.jsonl", "report.json")

    def questions(self) -> list[Question]:
        """All questions in stored order."""
        return [Question.model_validate(row) for row in read_jsonl(self.path / "questions.jsonl")]
