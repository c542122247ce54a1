"""Chain: the steps of a recipe that adapts an open model to a text and proves what that was worth, as plain dicts with the
reason for every number that was chosen. Knows stages only by name; whoever calls fills in their other settings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from luosi.artifacts.shape import ModelShape
from luosi.cost import Machine
from luosi.plan.budget import Budget
from luosi.plan.finished import History
from luosi.plan.scratch import Scratch
from luosi.retrieval.packages import EncoderName, pin_of

Table = dict[str, Any]

Complete = Callable[[str, Table], Table]
"""(stage, the fields that were chosen) -> all fields of its Config as plain values without None, and `runtime` likewise."""


@dataclass(frozen=True)
class Text:
    """One source of text: what it is called, where its files are, their digest, their size in UTF-8 bytes, and which are left out."""

    name: str
    paths: tuple[str, ...]
    sha256: str
    text_bytes: int
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True)
class OpenModel:
    """The open model to start from: in a folder or file (`path`), or in an installed package (`distribution`, `file`)."""

    name: str
    sha256: str
    shape: ModelShape
    path: str = ""
    distribution: str = ""
    file: str = ""

    def fields(self) -> Table:
        """Fields of the import_model stage."""
        where = {"path": self.path, "distribution": self.distribution, "file": self.file}
        shape = self.shape.model_dump(mode="json", exclude_none=True)
        return {"name": self.name, **{k: v for k, v in where.items() if v}, "sha256": self.sha256, "shape": shape}


@dataclass(frozen=True)
class Given:
    """A file of the user's, its digest, and what it holds: questions, or corrections of answers."""

    path: str
    sha256: str
    count: int = 0


@dataclass(frozen=True)
class Address:
    """A model that somebody else serves: a row of the price table, and where and how it is reached."""

    name: str
    url: str
    shape: str
    """"openai" or "anthropic"."""
    key_variable: str
    price: Table
    """Fields prompt_nano, completion_nano, currency, source and date of the race stage's rented models."""

    def fields(self) -> Table:
        """Fields of a rented model of the race stage."""
        reached = {"url": self.url, "shape": self.shape, "key_variable": self.key_variable}
        return {"model": self.name, **reached, **self.price}


@dataclass(frozen=True)
class Evidence:
    """How much is held out and asked: more costs more and leaves smaller errors."""

    heldout_bytes: int
    questions: int
    pairs: int
    """To tune on, where there are questions of the user's own."""


HELDOUT_DOCUMENTS = 10
"""At least so many documents should share the bytes held out: they are what the standard errors are counted from."""

FULL = Evidence(heldout_bytes=50_000, questions=60, pairs=200)
LEAN = Evidence(heldout_bytes=20_000, questions=30, pairs=60)


@dataclass(frozen=True)
class Choice:
    """What the budget decides."""

    tokens: int
    evidence: Evidence
    compile: bool = False
    encoder: EncoderName = "none"
    """What finds passages by their meaning, where the user's own questions are asked."""
    scratch: Scratch | None = None


@dataclass(frozen=True)
class Job:
    """What is given: texts (the first is the one the model is for), the open model, questions, the machine, and its prices."""

    name: str
    texts: tuple[Text, ...]
    model: OpenModel
    machine: Machine
    rented_model: str
    complete: Complete = field(repr=False)
    questions: Given | None = None
    corrections: Given | None = None
    rented: tuple[Address, ...] = ()
    cap_nano: int = 0
    """The most that may be paid for the rented models' answers, in billionths of their currency."""
    encoders: tuple[EncoderName, ...] = ()
    """That are installed and know the questions' language, the best first."""
    chinese: bool = False
    """Whether most of the questions are."""
    system_prompt: str = ""
    """Put before every conversation with the models that are made; "" for none."""
    history: History = field(default_factory=History)
    """What finished runs measured: the forecasts of bits per byte are corrected by it."""
    answers: float = 0.0
    """That the model chosen in the end will be asked for in all; 0 where nobody said."""

    @property
    def precision(self) -> str:
        """bf16 where it is the faster arithmetic on this machine."""
        return "bf16" if self.machine.bf16_flops > self.machine.fp32_flops else "fp32"

    @property
    def spelled(self) -> bool:
        """Whether the model's vocabulary spells the questions' language byte by byte, so that a text has three times the tokens."""
        return self.chinese and self.model.shape.vocab_size < CHINESE_VOCABULARY

    @property
    def passages(self) -> int:
        """Shown with each question."""
        return FEWER_PASSAGES if self.spelled else PASSAGES

    @property
    def replay(self) -> float:
        """Share of the training tokens that is not from the first text."""
        return 0.05 if len(self.texts) > 1 else 0.0

    @property
    def row(self) -> int:
        """Tokens of text that the model adapts to at a time, and in a step."""
        return min(TEXT_ROW, self.model.shape.context)

    def document_chars(self, evidence: Evidence) -> int:
        """Longest document: short enough that several make up what is held out, which has to come in whole documents."""
        heldout = min(evidence.heldout_bytes, self.heldout_fraction(evidence) * self.texts[0].text_bytes)
        character = 3 if self.chinese else 1  # bytes
        return int(min(20_000, max(1_000, heldout / HELDOUT_DOCUMENTS / character)))

    def heldout_fraction(self, evidence: Evidence) -> float:
        """Share of the first text that reaches the bytes held out, from 2 to 20 %."""
        wanted = evidence.heldout_bytes / max(1, self.texts[0].text_bytes)
        return round(min(0.2, max(0.02, wanted)), 3)


def recipe(job: Job, choice: Choice, budget: Budget) -> Table:
    """The complete recipe for `choice`."""
    steps = {**_data(job, choice), **_models(job, choice)}
    if choice.scratch is not None:
        steps |= choice.scratch.steps(job.name, job.precision, job.complete)
    steps |= _scores(job, scratch=choice.scratch is not None)
    tables: Table = {}
    for name, (stage, inputs, fields) in steps.items():
        wired = {"inputs": inputs} if inputs else {}
        tables[name] = {"stage": stage, **wired, **job.complete(stage, fields)}
    return {"name": job.name, "budget": {budget.kind: budget.amount}, "steps": tables}


Step = tuple[str, Table, Table]
"""(stage, role -> step, fields)."""


def _data(job: Job, choice: Choice) -> dict[str, Step]:
    sources = [
        {"name": t.name, "kind": "files", "paths": list(t.paths), "sha256": t.sha256, "bytes": t.text_bytes}
        | ({"exclude": list(t.exclude)} if t.exclude else {})
        for t in job.texts
    ]
    evidence = choice.evidence
    held = {
        "heldout_fraction": job.heldout_fraction(evidence),
        "heldout_max_bytes": evidence.heldout_bytes,
        "document_chars": job.document_chars(evidence),
    }
    longest = held["document_chars"]  # a question must fit into a held-out document
    passages = {"prompt_chars": min(600, longest * 2 // 5), "choice_chars": min(300, longest // 5)}
    own: Table = {}
    if asked := job.questions:
        own = {"own": asked.path, "own_sha256": asked.sha256, "own_count": asked.count}
    steps: dict[str, Step] = {
        "curate": ("curate", {}, {"sources": sources, **held}),
        "exam": ("exam", {"corpus": "curate"}, {"questions": evidence.questions, **passages, **own}),
    }
    if job.questions:
        found_by = {"encoder": choice.encoder, "encoder_pin": pin_of(choice.encoder)}
        steps["passages"] = ("retrieve", {"corpus": "curate"}, found_by)
    return steps


def _models(job: Job, choice: Choice) -> dict[str, Step]:
    tuning = {"tokens": choice.tokens, "replay": job.replay, "precision": job.precision, "compile": choice.compile}
    tuning["sequence"] = tuning["batch_tokens"] = job.row
    prompt = {"system_prompt": job.system_prompt} if job.system_prompt else {}
    adapted = {"name": f"{job.model.name}-{job.name}", **prompt}
    return {
        "open": ("import_model", {}, job.model.fields()),
        "ship_open": ("export", {"model": "open"}, {"name": job.model.name, **prompt}),
        "open_q8": ("compress", {"bundle": "ship_open"}, {"precision": "Q8_0"}),
        "adapt": (
            "finetune",
            {"model": "open", "corpus": "curate"},
            {"method": "lora", **tuning},
        ),
        **(_tuned(job, choice) if job.questions else {}),
        "ship_adapt": ("export", {"model": "tuned" if job.questions else "adapt"}, adapted),
        "adapt_q8": ("compress", {"bundle": "ship_adapt"}, {"precision": "Q8_0"}),
    }


def _tuned(job: Job, choice: Choice) -> dict[str, Step]:
    """The steps that teach the adapted model to answer: pairs made from the training text, and tuning on them."""
    said = (
        {"corrections": job.corrections.path, "corrections_sha256": job.corrections.sha256} if job.corrections else {}
    )
    made_from = {"corpus": "curate", "index": "passages", "exam": "exam"}
    return {
        "pairs": (
            "pairs",
            made_from,
            {"pairs": choice.evidence.pairs // (2 if job.spelled else 1), "passages": job.passages, **said},
        ),
        "tuned": ("finetune", {"model": "adapt", "pairs": "pairs"}, _sft(job)),
    }


TEXT_ROW = 256
"""Many small steps teach most: docs/log.md."""
SFT_ROW = 768
"""Tokens: a question, three passages and the answer fit in it."""
SFT_EPOCHS = 2.0
SFT_RATE, SFT_DECAY = 5e-4, 0.5
"""Of the LoRA on pairs: the best of three on SmolLM2-135M (docs/log.md)."""
PASSAGES, FEWER_PASSAGES = 3, 2
"""Shown with a question: a small model makes no more of five, and takes nearly twice the time to read them. Fewer where a vocabulary
made for English spells Chinese byte by byte: two tokens for a character."""
CHINESE_VOCABULARY = 100_000
"""Vocabularies of fewer tokens were not made for Chinese."""


def _sft(job: Job) -> Table:
    row = min(SFT_ROW, job.model.shape.context)
    prompt = {"system_prompt": job.system_prompt} if job.system_prompt else {}
    return {
        "epochs": SFT_EPOCHS,
        "learning_rate": SFT_RATE,
        "decay_fraction": SFT_DECAY,
        "sequence": row,
        "batch_tokens": row,
        "precision": job.precision,
        **prompt,
    }


def _race(job: Job, *, scratch: bool) -> Step:
    """Every route as an arm that is asked the user's own questions: each with the files and without."""
    models = {"open": "open_q8", "adapt": "adapt_q8"} | ({"scratch": "scratch_q8"} if scratch else {})
    arms: Table = {}
    for route, bundle in models.items():
        arms[route] = {"route": route, "bundle": bundle, "files": False}
        if route != "scratch":
            arms[f"{route}_files"] = {"route": route, "bundle": bundle, "files": True}
    for number, one in enumerate(job.rented, 1):
        name = "rent" if len(job.rented) == 1 else f"rent{number}"
        arms[name] = {"route": "rent", "rented": one.name, "files": False}
        arms[f"{name}_files"] = {"route": "rent", "rented": one.name, "files": True}
    fields: Table = {"arms": arms, "reference": "open", "precision": job.precision, "passages": job.passages}
    if job.rented:
        fields |= {"rented": {one.name: one.fields() for one in job.rented}, "cap_nano": job.cap_nano}
    if job.system_prompt:
        fields["system_prompt"] = job.system_prompt
    return ("race", {"bundles": list(models.values()), "exam": "exam", "index": "passages"}, fields)


def _scores(job: Job, *, scratch: bool) -> dict[str, Step]:
    more = {"score_scratch": "scratch_q8"} if scratch else {}
    bundles = {"score_open": "open_q8", "score_adapt": "adapt_q8", **more}
    corpus = {"corpus": "curate", "exam": "exam"}
    steps: dict[str, Step] = {
        score: ("evaluate", {"bundle": bundle, **corpus}, {"precision": job.precision})
        for score, bundle in bundles.items()
    }
    steps["score_xz"] = ("evaluate", {"corpus": "curate"}, {"baseline": "xz", "precision": job.precision})
    routes = {name: name.removeprefix("score_") for name in bundles} | {"score_xz": "baseline"}
    verdict = {"reference": "score_open", "routes": routes, "rented_model": job.rented_model}
    evidence: Table = {"scores": list(routes)}
    if job.questions:
        steps["race"] = _race(job, scratch=scratch)
        evidence["answers"] = "race"
    steps["verdict"] = ("verdict", evidence, verdict)
    return steps
