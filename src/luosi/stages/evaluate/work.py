"""Scores a bundle or a baseline on the held-out documents and the exam, and writes the scorecard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from luosi.artifacts import Bundle, Corpus, Document, Exam, Facts, Question
from luosi.artifacts.base import write_json, write_jsonl
from luosi.artifacts.evidence import DocumentScore, QuestionScore, Score, ScoreSummary
from luosi.cost import Cost
from luosi.errors import StageError
from luosi.models.flops import forward_flop
from luosi.pipeline.journal import Journal
from luosi.pipeline.stage import Context, Inputs
from luosi.stages.evaluate.answers import OTHER_RULES, mark
from luosi.stages.evaluate.config import Config
from luosi.statistics import accuracy, bits_per_byte

SEQUENCE = 700  # about the tokens of a window, for the FLOPs of attention


@dataclass(frozen=True)
class Measured:
    """Bits of all documents and choices, and what they were measured with."""

    documents: list[float]
    choices: list[list[float]]
    model: str
    facts: Facts


def evaluate(config: Config, inputs: Inputs, context: Context) -> Facts:
    """Fill `context.out` with a scorecard; returns its facts."""
    corpus = inputs.artifact("corpus", Corpus)
    heldout = list(corpus.documents("heldout"))
    documents = [d for source in corpus.sources() for d in heldout if d.source == source]
    asked = inputs.artifact("exam", Exam).questions() if inputs.all("exam") else []
    questions = [question for question in asked if question.choices]
    if len(questions) < len(asked):
        context.say(f"{len(asked) - len(questions)} of {len(asked)} questions have no choices and are not asked here")
    if not documents and not questions:
        raise StageError(
            "there is nothing to score: the corpus holds no held-out text, and no question with choices is given"
        )
    score = _baseline if config.baseline else _bundle
    measured = score(config, inputs, context, documents, questions)
    marks = [mark(question, bits) for question, bits in zip(questions, measured.choices, strict=True)]
    scores = [
        DocumentScore(id=d.id, source=d.source, bits=bits, bytes=len(d.text.encode()))
        for d, bits in zip(documents, measured.documents, strict=True)
    ]
    summary = ScoreSummary(
        model=measured.model,
        what=config.baseline or "bundle",
        precision="exact" if config.baseline else config.precision,
        bits_per_byte={
            s: bits_per_byte([d for d in scores if d.source == s]) for s in dict.fromkeys(d.source for d in scores)
        },
        accuracy=_accuracies(marks),
        chance=sum(1 / len(q.choices) for q in questions) / len(questions) if questions else None,
    )
    _write(context.out, summary, scores, marks)
    return measured.facts.model_copy(
        update={
            "text_bytes": inputs.one("corpus").facts.text_bytes,
            "heldout_documents": len(documents),
            "heldout_bytes": sum(document.bytes for document in scores),
            "questions": len(questions),
            "figures": measured.facts.figures
            | _figures(summary, questions, measured.choices)
            | ({"questions_not_asked": len(asked) - len(questions)} if len(questions) < len(asked) else {}),
        }
    )


def _bundle(
    config: Config, inputs: Inputs, context: Context, documents: Sequence[Document], questions: Sequence[Question]
) -> Measured:
    import torch

    from luosi.models.likelihood import open_language_model
    from luosi.models.precision import autocast
    from luosi.stages.evaluate.likelihood import document_bits, exam_bits

    bundle = inputs.artifact("bundle", Bundle)
    lm = open_language_model(bundle.gguf, config.precision)
    shape = lm.model.shape
    counter, spent = Counter(context, "texts", len(documents) + len(questions)), 0

    def advance(texts: float) -> None:
        nonlocal spent
        fresh, spent = lm.tokens_read - spent, lm.tokens_read
        context.spend(Cost(flop=forward_flop(shape, fresh, SEQUENCE), tokens=fresh))
        counter.advance(texts)

    with (
        Journal[list[float]](context.scratch / "scores.jsonl") as journal,
        torch.inference_mode(),
        autocast(config.precision, lm.device.type),
    ):
        document_scores = document_bits(lm, documents, journal, advance)
        choice_scores = exam_bits(lm, questions, journal, advance)
    name = config.name or f"{bundle.json('bundle.json')['name']}, {bundle.precision} as shipped"
    facts = Facts(shape=shape, precision=bundle.precision, figures={"bundle": inputs.one("bundle").key})
    return Measured(document_scores, choice_scores, name, facts)


def _baseline(
    config: Config, inputs: Inputs, context: Context, documents: Sequence[Document], questions: Sequence[Question]
) -> Measured:
    from luosi.stages.evaluate.xz import question_texts, training_text, xz_bits

    corpus = inputs.artifact("corpus", Corpus)
    prefixes = {source: training_text(corpus, source, config.prefix_bytes) for source in corpus.sources()}
    texts = sum(len(d.text.encode()) for d in documents) + sum(
        sum(map(len, question_texts(q).values())) for q in questions
    )
    counter = Counter(context, "bytes", texts + sum(map(len, prefixes.values())))
    with Journal[list[float]](context.scratch / "scores.jsonl") as journal:
        document_scores, choice_scores = xz_bits(prefixes, documents, questions, journal, counter.advance)
    name = config.name or "xz -9e after the training text"
    return Measured(
        document_scores, choice_scores, name, Facts(figures={"prefix_bytes": sum(map(len, prefixes.values()))})
    )


class Counter:
    """Progress towards a total.

    Args:
        context: Of the step.
        unit: What is counted.
        total: How much there is to do.
    """

    def __init__(self, context: Context, unit: str, total: float) -> None:
        self._context = context
        self._unit = unit
        self._total = total
        self._done = 0.0

    def advance(self, amount: float) -> None:
        """So much more is done."""
        self._done += amount
        self._context.progress(min(self._done, self._total), self._total, self._unit)


def _accuracies(marks: Sequence[QuestionScore]) -> dict[str, Score]:
    """By source, and of all questions together."""
    if not marks:
        return {}
    sources = dict.fromkeys(mark.source for mark in marks)
    return {"all": accuracy(marks)} | {source: accuracy([m for m in marks if m.source == source]) for source in sources}


def _figures(summary: ScoreSummary, questions: Sequence[Question], choices: Sequence[list[float]]) -> dict[str, float]:
    """For people: the scores in short, and the accuracy by other rules."""
    figures = {f"bits_per_byte {source}": score.mean for source, score in summary.bits_per_byte.items()}
    if questions:
        figures["accuracy"] = summary.accuracy["all"].mean
        for name, rule in OTHER_RULES.items():
            marks = [mark(question, bits, rule) for question, bits in zip(questions, choices, strict=True)]
            figures[name] = accuracy(marks).mean
    return figures


def _write(
    out: Path, summary: ScoreSummary, documents: Sequence[DocumentScore], questions: Sequence[QuestionScore]
) -> None:
    write_jsonl(out / "documents.jsonl", [document.model_dump() for document in documents])
    write_jsonl(out / "questions.jsonl", [question.model_dump() for question in questions])
    write_json(out / "scorecard.json", summary.model_dump())
