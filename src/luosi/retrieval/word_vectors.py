"""Vectors of words, from a table that comes in a package (wordllama), trained further on the passages themselves.

A text's vector is the sum of those of its word pieces, which the package brings, and of its terms (words.py), which begin at random;
Chinese has terms only. The passages teach which words say the same: see luosi.models.word_vectors. Files: `words.npy`,
`words_scales.npy` (rows: pieces, then terms), `word_terms.npy` (sorted hashes of those terms), `word_vectors.npy`,
`word_vectors_scales.npy` (of the passages).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from luosi.errors import MissingDependency
from luosi.retrieval import vectors
from luosi.retrieval.lexical import term_hash
from luosi.retrieval.packages import PACKAGES, learning
from luosi.retrieval.vectors import Vectors, VectorTable
from luosi.retrieval.words import spaced, terms

if TYPE_CHECKING:
    from luosi.models.word_vectors import Passages

LEAST_PASSAGES = 3
"""A term of fewer passages than these gets no vector: there is nothing to learn it from."""
MOST_TERMS = 60_000
TERMS_BEGIN = 0.5
"""Standard deviation of the numbers a term begins with; those of the pieces have 0.9."""
MOST_LEARNED = 80_000
"""Passages learned from; of more, every second one, every third .."""
BLOCK = 512

Progress = Callable[[float, float, str], None]
Rows = npt.NDArray[np.int32]

_PARTS = re.compile(r"(?<=[.:;!?])\s+|(?<=[。：；！？])|\n+")
_SMALL_PARTS = re.compile(r"(?<=,)\s+|(?<=[，、])")


class Vocabulary:
    """Which rows of the table a text has.

    Args:
        known: Sorted hashes of the terms that have a row.
    """

    def __init__(self, known: npt.NDArray[np.uint64]) -> None:
        from tokenizers import Tokenizer

        file = PACKAGES["static"].locate()
        (tokenizer,) = (file.parent.parent / "tokenizers").glob("*.json")
        self._pieces: Tokenizer = Tokenizer.from_file(str(tokenizer))
        self._pieces.no_padding()
        self._pieces.no_truncation()
        self._first_term = self._pieces.get_vocab_size()
        self._known = known

    def rows(self, texts: Sequence[str]) -> list[Rows]:
        """For each text the rows of its pieces and its terms, repeated as often as they stand there."""
        pieces = self._pieces.encode_batch([spaced(text) for text in texts], add_special_tokens=False)
        return [
            np.concatenate((np.array(found.ids, np.int32), self._terms(text)))
            for found, text in zip(pieces, texts, strict=True)
        ]

    def _terms(self, text: str) -> Rows:
        hashes = np.array([term_hash(term) for term in terms(text)], np.uint64)
        if not len(self._known):
            return np.zeros(0, np.int32)
        places = np.minimum(np.searchsorted(self._known, hashes), len(self._known) - 1)
        found: Rows = (self._first_term + places[self._known[places] == hashes]).astype(np.int32)
        return found


class WordVectors:
    """The table of an index. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self._vocabulary = Vocabulary(np.load(folder / "word_terms.npy"))
        self._table = VectorTable(folder, "words")

    def encode(self, texts: Sequence[str]) -> Vectors:
        """(len(texts), width), each row of length 1; 0 for a text without words that are known."""
        summed = np.stack([self._table.sum(rows) for rows in self._vocabulary.rows(texts)])
        return summed / np.maximum(np.linalg.norm(summed, axis=1, keepdims=True), 1e-9)  # type: ignore[no-any-return]


def build(texts: Callable[[], Iterable[str]], count: int, out: Path, scratch: Path, progress: Progress) -> None:
    """Learn the table from `count` passages, and write it and their vectors into `out`, where BM25's arrays are.

    Raises:
        MissingDependency: torch is not installed.
    """
    known = _known_terms(out)
    np.save(out / "word_terms.npy", known)
    learned = scratch / "words.npy"
    if not learned.exists():
        vectors.save(learned, _learn(texts(), count, known, progress))
    table = np.load(learned)
    vectors.write(out, "words", [table], table.shape[1], len(table))
    encoder = WordVectors(out)
    parts = (encoder.encode(block) for block in _blocks(texts()))
    vectors.write(out, "word_vectors", parts, table.shape[1], count)


def _known_terms(out: Path) -> npt.NDArray[np.uint64]:
    """The terms of most passages, sorted by hash."""
    spread = np.diff(np.load(out / "starts.npy"))
    chosen = np.flatnonzero(spread >= LEAST_PASSAGES)
    chosen = np.sort(chosen[np.argsort(-spread[chosen], kind="stable")[:MOST_TERMS]])
    return np.load(out / "terms.npy")[chosen]  # type: ignore[no-any-return]


def _learn(texts: Iterable[str], count: int, known: npt.NDArray[np.uint64], progress: Progress) -> Vectors:
    from safetensors.numpy import load_file

    try:
        from luosi.models.word_vectors import learn
    except ModuleNotFoundError as error:
        raise MissingDependency(
            str(error.name), needed_for="learning word vectors from your files", install="pip install 'luosi[train]'"
        ) from error
    (pieces,) = load_file(PACKAGES["static"].locate()).values()
    begun = np.random.default_rng(0).normal(0.0, TERMS_BEGIN, (len(known), pieces.shape[1]))
    table = np.concatenate((pieces, begun), dtype=np.float32)
    every = -(-count // MOST_LEARNED)
    some = (text for number, text in enumerate(texts) if number % every == 0)
    passages = _in_parts(some, Vocabulary(known))
    steps, batch = learning(len(passages))
    return learn(table, passages, steps=steps, batch=batch, progress=lambda done, to_do: progress(done, to_do, "steps"))


def _in_parts(texts: Iterable[str], vocabulary: Vocabulary) -> Passages:
    """Passages in sentences, those of one sentence in clauses; those that cannot be parted are left out."""
    from luosi.models.word_vectors import Passages

    rows: list[Rows] = []
    passages = [0]
    for text in texts:
        found = [part for part in vocabulary.rows(_parts(text)) if len(part)]
        if len(found) > 1:
            rows += found
            passages.append(len(rows))
    starts = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    joined = np.concatenate(rows) if rows else np.zeros(0, np.int32)
    return Passages(joined, starts, np.array(passages, np.int64))


def _parts(text: str) -> list[str]:
    parts = [part for part in _PARTS.split(text) if part.strip()]
    return parts if len(parts) > 1 else [part for part in _SMALL_PARTS.split(text) if part.strip()]


def _blocks(texts: Iterable[str]) -> Iterator[list[str]]:
    held: list[str] = []
    for text in texts:
        held.append(text)
        if len(held) == BLOCK:
            yield held
            held = []
    if held:
        yield held
