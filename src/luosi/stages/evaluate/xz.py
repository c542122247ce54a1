"""The baseline that costs nothing: how many bits xz needs for a text once it has compressed the training text of its source.

Its answers to an exam follow the same rule as a model's, from whole bytes: ties are many and share the mark.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import IO

from luosi.artifacts import Corpus, Document, Question
from luosi.errors import StageError
from luosi.models.choices import continuations
from luosi.pipeline.journal import Journal

DICTIONARY_BYTES = 64 << 20  # that of preset 9
BLOCK_BYTES = 1 << 18

Advance = Callable[[int], None]
"""Told after each piece how many bytes were compressed."""


def training_text(corpus: Corpus, source: str, most_bytes: int) -> bytes:
    """The last `most_bytes` of a source's training text."""
    return b"".join(document.text.encode() + b"\n\n" for document in corpus.documents("train", source))[-most_bytes:]


def xz_bits(
    prefixes: Mapping[str, bytes],
    documents: Sequence[Document],
    questions: Sequence[Question],
    journal: Journal[list[float]],
    advance: Advance,
) -> tuple[list[float], list[list[float]]]:
    """Bits of each document, and for each question those of each choice after the prompt, then of each choice alone.

    Args:
        prefixes: Training text by source; a text of none of them comes after the first.
        documents: Held-out documents.
        questions: The exam.
        journal: Of the texts done, with the bytes of each.
        advance: Told how many bytes were compressed.
    """
    wanted: dict[str, dict[str, bytes]] = {source: {} for source in prefixes}
    for document in documents:
        wanted[document.source][_name(document)] = document.text.encode()
    for question in questions:
        source = question.source if question.source in wanted else next(iter(wanted))
        wanted[source] |= question_texts(question)
    for source, texts in wanted.items():
        left = {name: text for name, text in texts.items() if name not in journal.done}
        sizes = added_bytes(prefixes[source], list(left.values()), advance) if left else iter(())
        for name, size in zip(left, sizes, strict=True):
            journal.add(name, [8.0 * size])
            advance(len(left[name]))
    done = journal.done
    return [done[_name(document)][0] for document in documents], [_answer(question, done) for question in questions]


def added_bytes(prefix: bytes, texts: Sequence[bytes], advance: Advance) -> Iterator[int]:
    """For each text the bytes that it adds to the compressed `prefix`, by LZMA at preset 9 extreme, streamed as they come.

    Raises:
        StageError: The compressor's process failed; on systems without fork (Windows) it always does.
    """
    command = [sys.executable, "-m", "luosi.stages.evaluate.compressor"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdin and process.stdout and process.stderr
    try:
        _send(process.stdin, prefix, texts, advance)
        for _ in texts:
            yield int(process.stdout.readline())
    except (OSError, ValueError) as error:
        process.kill()
        raise StageError(
            f"the xz baseline's process failed: {process.stderr.read().decode(errors='replace')[-500:].strip()}",
            hint="it needs a system with fork (Linux, macOS); leave its step and its route out of the recipe elsewhere",
        ) from error
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            with suppress(OSError):
                pipe.close()


def _send(stdin: IO[bytes], prefix: bytes, texts: Sequence[bytes], advance: Advance) -> None:
    """Hand the compressor its request; it takes the prefix as fast as it compresses it, which is the progress."""
    dictionary = min(DICTIONARY_BYTES, len(prefix) + max(map(len, texts)) + 4096)
    request = {"dictionary": dictionary, "prefix": len(prefix), "texts": [len(text) for text in texts]}
    stdin.write(json.dumps(request).encode() + b"\n")
    for start in range(0, len(prefix), BLOCK_BYTES):
        stdin.write(prefix[start : start + BLOCK_BYTES])
        stdin.flush()
        advance(len(prefix[start : start + BLOCK_BYTES]))
    stdin.write(b"".join(texts))
    stdin.close()


def _name(document: Document) -> str:
    return f"document {document.id}"


def question_texts(question: Question) -> dict[str, bytes]:
    """What is compressed for a question, by name: the prompt, the prompt with each choice, each choice."""
    prompt, choices = continuations(question.prompt, question.choices)
    texts = {f"prompt {question.id}": prompt.encode()}
    for number, choice in enumerate(choices):
        texts[f"after {number} {question.id}"] = (prompt + choice).encode()
        texts[f"alone {number} {question.id}"] = choice.encode()
    return texts


def _answer(question: Question, bits: Mapping[str, list[float]]) -> list[float]:
    numbers, prompt = range(len(question.choices)), bits[f"prompt {question.id}"][0]
    after = [bits[f"after {number} {question.id}"][0] - prompt for number in numbers]
    return after + [bits[f"alone {number} {question.id}"][0] for number in numbers]
