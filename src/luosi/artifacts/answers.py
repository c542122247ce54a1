"""Answers: what every arm of a race said to every question it was asked, with its mark and what it was shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import BaseModel, ConfigDict

from luosi.artifacts.base import Artifact, read_jsonl
from luosi.artifacts.corpus import Question

RouteName = Literal["rent", "open", "adapt", "scratch", "baseline"]


class Arm(BaseModel):
    """One way to answer: a model, with the files or without."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    name: str
    """As the recipe calls it: "open", "open_files", "rent"."""
    route: RouteName
    model: str
    """For people: "SmolLM2-135M-Instruct, Q8_0"."""
    files: bool
    """Whether passages of the files are shown with the question."""
    bundle_key: str = ""
    index_key: str = ""
    """Of what it is made from; "" for none."""
    leaves_house: bool
    """Whether questions (and passages) are sent to somebody else's machine."""
    asked: int = 0
    """Questions it was asked: fewer than all where it was stopped."""
    stopped: str = ""
    """Why it was stopped early: "cannot win", "spending cap", "does not answer: .."; "" if it was not."""
    stopped_detail: str = ""
    """For people."""


class Cited(BaseModel):
    """A passage that was shown with a question."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    number: int
    file: str
    page: int
    heading: str
    text: str
    cited: bool = False
    """Whether the answer rests on it: the model named it, or it shares most with the answer."""

    @property
    def place(self) -> str:
        """How people are told where it stands: "handbook.pdf, p. 12"."""
        return f"{self.file}, p. {self.page}" if self.page else self.file


class Judgement(BaseModel):
    """What a judge model said of an answer, asked twice with the two answers in either order."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    first: bool | None
    """Right, by the judge shown the accepted answer first; None where it said neither."""
    second: bool | None
    """The same with the accepted answer last."""
    model: str


class Answered(BaseModel):
    """One answer to one question. A failed or refused one counts as wrong, and says why."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    arm: str
    question: str
    """Id of the question."""
    text: str
    chosen: int | None = None
    """The choice taken, for questions with choices."""
    passages: tuple[Cited, ...] = ()
    mark: float
    """From 0 (wrong) to 1 (right), by the question's grader."""
    marks: dict[str, float] = {}
    """By every grader that applies, for people: {"f1": 0.8, "exact": 0.0, "citation": 1.0}."""
    judgement: Judgement | None = None
    prompt_tokens: int | None = None
    answer_tokens: int | None = None
    trouble: str = ""
    """Why there is no answer: "refused: ..", "timed out", ..; "" where there is one."""


class AnswersSummary(BaseModel):
    """`answers.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    arms: tuple[Arm, ...]
    reference: str
    """The arm that differences are counted from: the open model as it is."""
    questions: int
    passages: int
    """Shown with each question to the arms that have the files."""
    sequential: bool
    saved_share: float
    """Share of the cost of asking every arm every question that early stopping saved, each answer weighted with its tokens."""
    judge: str = ""
    """The judge model's name; "" for none."""


class Answers(Artifact):
    """`answers.json` (AnswersSummary), `answers.jsonl` (rows: Answered, by question and then arm), `questions.jsonl` (Question)."""

    required = ("answers.json", "answers.jsonl", "questions.jsonl")

    def summary(self) -> AnswersSummary:
        """The arms and how the race went."""
        return AnswersSummary.model_validate(self.json("answers.json"))

    def answers(self) -> Iterator[Answered]:
        """Every answer."""
        for row in read_jsonl(self.path / "answers.jsonl"):
            yield Answered.model_validate(row)

    def questions(self) -> list[Question]:
        """The questions that were asked, in the order in which they were asked."""
        return [Question.model_validate(row) for row in read_jsonl(self.path / "questions.jsonl")]
