"""The bits that a shipped model needs for documents and for the choices of an exam, resumable piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from luosi.artifacts import Document, Question
from luosi.models.likelihood import LanguageModel, choice_bits, span_bits
from luosi.pipeline.journal import Journal
from luosi.stages.evaluate.windows import Window, make_batches, plan_windows

BATCH_TOKENS = 4096

Advance = Callable[[float], None]
"""Told after each piece how many texts (documents or questions) it was, in parts of one."""


def document_bits(
    lm: LanguageModel, documents: Sequence[Document], journal: Journal[list[float]], advance: Advance
) -> list[float]:
    """Bits of each document: the sum over all its tokens, every one after the start token and the context of its window."""
    encoded = [lm.encode(document.text) for document in documents]
    windows = [w for n, (_, first_bytes) in enumerate(encoded) for w in plan_windows(n, first_bytes, lm.context)]
    totals = [0.0] * len(documents)
    documents_per_token = len(documents) / max(1, sum(window.length for window in windows))
    for number, batch in enumerate(make_batches(windows, BATCH_TOKENS)):
        name = f"batch {number}"
        if name not in journal.done:
            journal.add(name, _window_bits(lm, [encoded[w.document][0] for w in batch], batch))
        for window, bits in zip(batch, journal.done[name], strict=True):
            totals[window.document] += bits
        advance(sum(window.length for window in batch) * documents_per_token)
    return totals


def _window_bits(lm: LanguageModel, ids: Sequence[list[int]], batch: Sequence[Window]) -> list[float]:
    """Bits of the scored tokens of each window; `ids` are the tokens of each window's document."""
    hidden_BTC = lm.hidden([[lm.start, *row[w.start : w.end - 1]] for row, w in zip(ids, batch, strict=True)])
    spans = [hidden_BTC[n, w.scored - w.start : w.length] for n, w in enumerate(batch)]
    return span_bits(lm, spans, [row[w.scored : w.end] for row, w in zip(ids, batch, strict=True)])


def exam_bits(
    lm: LanguageModel, questions: Sequence[Question], journal: Journal[list[float]], advance: Advance
) -> list[list[float]]:
    """`choice_bits` of each question; all of them have choices."""
    for question in questions:
        name = f"question {question.id}"
        if name not in journal.done:
            journal.add(name, choice_bits(lm, question.prompt, question.choices))
        advance(1)
    return [journal.done[f"question {question.id}"] for question in questions]
