"""Scorecard: what one model scored, down to the single document and question. Verdict: the routes side by side."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from luosi.artifacts.base import Artifact, read_jsonl


class Score(BaseModel):
    """A mean with its standard error over `clusters` documents (or questions); `se` is None where one cluster gives none."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    mean: float
    se: float | None
    clusters: int
    low: float | None = None
    high: float | None = None
    """95 % interval, where one was computed (accuracies)."""


class DocumentScore(BaseModel):
    """Bits a model spent on one held-out document of `bytes` UTF-8 bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    id: str
    source: str
    bits: float
    bytes: int


class QuestionScore(BaseModel):
    """One exam question: 1.0 if answered rightly (1/k where k choices tie for the best), the cluster it belongs to."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    id: str
    source: str
    cluster: str
    correct: float
    chosen: int


class ScoreSummary(BaseModel):
    """`scorecard.json`. A score that was not taken is absent, never 0."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    model: str
    """What was scored, for people: "SmolLM2-135M-Instruct, Q4_1 as shipped"."""
    what: str
    """"bundle" or "xz"."""
    precision: str
    """Arithmetic of the scoring: bf16 or fp32."""
    bits_per_byte: dict[str, Score]
    """By source."""
    accuracy: dict[str, Score]
    """By source of the exam's questions, and "all"."""
    chance: float | None = None
    """Accuracy of guessing on the same questions."""


class Scorecard(Artifact):
    """`scorecard.json` (ScoreSummary), `documents.jsonl` (DocumentScore), `questions.jsonl` (QuestionScore)."""

    required = ("scorecard.json", "documents.jsonl", "questions.jsonl")

    def summary(self) -> ScoreSummary:
        """The scores with their errors."""
        return ScoreSummary.model_validate(self.json("scorecard.json"))

    def documents(self) -> list[DocumentScore]:
        """Every held-out document's bits."""
        return [DocumentScore.model_validate(row) for row in read_jsonl(self.path / "documents.jsonl")]

    def questions(self) -> list[QuestionScore]:
        """Every question's mark."""
        return [QuestionScore.model_validate(row) for row in read_jsonl(self.path / "questions.jsonl")]


class Difference(BaseModel):
    """A paired difference to the reference route on the same documents: negative bits per byte are better."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    mean: float
    se: float | None
    low: float
    high: float
    """95 % interval."""
    clusters: int


class Sentence(BaseModel):
    """One sentence for people, in both languages of the product."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    en: str
    zh: str


class Route(BaseModel):
    """One way to answer the questions, with its quality; money is added when the verdict is shown, from the ledger and today's prices."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    route: str
    """rent | open | adapt | scratch | baseline"""
    model: str
    step: str
    """The evaluate step it comes from; "" for a route that was not measured."""
    score_key: str
    bundle_key: str
    """Key of what ships; "" for baselines."""
    bpb: Score | None
    other_bpb: dict[str, Score] = {}
    """Bits per byte on the other sources: what was forgotten."""
    accuracy: Score | None
    bpb_difference: Difference | None
    accuracy_difference: Difference | None
    arm: str = ""
    """The race's arm it was asked as; "" where it was not asked the user's questions."""
    files: bool = False
    """Whether it answers with passages of the files before it."""
    index_key: str = ""
    leaves_house: bool = False
    """Whether questions and passages go to somebody else's machine."""
    asked: int = 0
    """Of the user's questions."""
    answers_key: str = ""
    """Key of the race; "" as `arm`."""
    stopped: str = ""
    """Why it was not asked all of them; "" if it was."""
    own: Score | None = None
    """Accuracy on the user's questions."""
    own_difference: Difference | None = None
    """To the reference, on the questions both were asked."""
    by_grader: dict[str, Score] = {}
    cited: Score | None = None
    """Share of the questions whose file is known where the answer cites it."""
    found: Score | None = None
    """Share of the questions whose file (and page) is known where a passage of it was shown."""
    own_found: Score | None = None
    """Accuracy on those where it was shown: what the model makes of the right passage."""
    troubles: dict[str, int] = {}
    """Answers that did not come, by reason: they count as wrong."""
    note: str = ""
    """For routes that were not measured: what to do to have them measured."""

    @property
    def made_of(self) -> tuple[str, ...]:
        """Keys of what has to be made for it: the bundle, the index; () for none."""
        return tuple(key for key in (self.bundle_key, self.index_key) if key)


class Between(BaseModel):
    """The paired difference in accuracy of two arms on the user's questions that both were asked."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    arm: str
    other: str
    difference: Difference
    """Of `arm` less `other`: positive is better for `arm`."""
    asked: int


class VerdictSummary(BaseModel):
    """`verdict.json`: quality of every route on the first source and on the user's questions, against the unmodified open model."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    source: str
    reference: str
    """Scoring step of the reference route; "" where there are only answers."""
    routes: tuple[Route, ...]
    prompt_tokens: int
    answer_tokens: int
    """The shape of one answer, for the cost per 1,000 of them."""
    rented_model: str
    """Row of the price table the break-even is counted against."""
    advice: tuple[Sentence, ...]
    """Sentences that follow from quality alone; those that need money are added when it is shown."""
    reference_arm: str = ""
    """Arm that differences on the user's questions are counted from; "" where there was no race."""
    questions: int = 0
    """Of the user, that the race asked."""
    graders: dict[str, int] = {}
    """How many of them are marked by which grader."""
    pairs: tuple[Between, ...] = ()
    """Every two arms once, in the order of the routes."""
    sequential: bool = False
    """Whether arms that could no longer win were stopped."""
    saved_share: float = 0.0
    """Share of the evaluation's cost that stopping saved."""
    judge: str = ""
    """The judge model's name; "" for none."""

    def between(self, arm: str, other: str) -> Difference | None:
        """Accuracy of `arm` less that of `other`; None where they share fewer than two questions."""
        for pair in self.pairs:
            if (pair.arm, pair.other) == (arm, other):
                return pair.difference
            if (pair.arm, pair.other) == (other, arm):
                there = pair.difference
                return there.model_copy(update={"mean": -there.mean, "low": -there.high, "high": -there.low})
        return None


class Verdict(Artifact):
    """`verdict.json` (VerdictSummary)."""

    required = ("verdict.json",)

    def summary(self) -> VerdictSummary:
        """The routes and their quality."""
        return VerdictSummary.model_validate(self.json("verdict.json"))
