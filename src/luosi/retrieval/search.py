"""Searches an index: BM25, the likeness of vectors, and words that stand side by side in the question and the passage.

The three are added with fixed weights. Files are mapped, little is loaded. Light: numpy; torch only where the index was made with an
encoder that needs it.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import orjson

from luosi.artifacts.retrieval import Index, Passage
from luosi.errors import DamagedArtifact
from luosi.retrieval.encoders import load
from luosi.retrieval.lexical import Lexical
from luosi.retrieval.packages import PACKAGES, Package
from luosi.retrieval.prompt import is_chinese
from luosi.retrieval.vectors import VectorTable
from luosi.retrieval.word_vectors import WordVectors
from luosi.retrieval.words import neighbours

LOOKED_AT = 30
"""Best passages by all scores, and half as many by BM25 alone, whose words are compared side by side."""
SIDE_BY_SIDE = 0.5
"""What the square of the share of the question's neighbours that a passage has counts: near nothing but for a quotation."""

Scores = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage found; scores of one search can be compared, those of two cannot."""

    passage: Passage
    score: float


class Searcher:
    """Finds passages of the index in `folder` (an Index's folder). Thread-safe.

    Raises:
        DamagedArtifact: A file of the index is missing or not what it should be.
        MissingDependency, InputError: The package of the encoder it was made with is not installed, or at another version.
    """

    def __init__(self, folder: Path) -> None:
        about = Index(folder).json("index.json")
        self.passages = int(str(about["passages"]))
        name = str(about["encoder"])
        self._package = PACKAGES.get(name)
        self._encoder = load(name)
        try:
            self._lexical = Lexical(folder, self.passages)
            self._rows = np.load(folder / "rows.npy", mmap_mode="r")
            with (folder / "passages.jsonl").open("rb") as file:
                self._text = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            if self._package:
                self._words = WordVectors(folder)
                self._by_words = VectorTable(folder, "word_vectors")
            if self._encoder:
                self._vectors = VectorTable(folder, "vectors")
        except (OSError, ValueError) as error:
            raise DamagedArtifact(f"the index in {folder} cannot be read: {error}") from error

    def search(self, question: str, k: int = 5, *, words: bool = True, vectors: bool = True) -> list[Hit]:
        """The `k` best passages, best first; fewer where fewer are like the question in anything.

        Args:
            words: Whether words in common count (BM25, and side by side).
            vectors: Whether the likeness of vectors counts.
        """
        by_words = self._lexical.scores(question) if words else np.zeros(self.passages, np.float32)
        scores = by_words + self._likeness(question) if vectors else by_words
        looked_at = np.union1d(_best(scores, max(k, LOOKED_AT)), _best(by_words, LOOKED_AT // 2))
        pairs = neighbours(question) if words else set()
        found = [(float(scores[number]), int(number)) for number in looked_at if scores[number] > 0]
        if pairs:
            found = [(score + SIDE_BY_SIDE * self._share(number, pairs) ** 2, number) for score, number in found]
        found.sort(key=lambda one: (-one[0], one[1]))
        return [Hit(self.passage(number), score) for score, number in found[:k]]

    def passage(self, number: int) -> Passage:
        """The passage of that number."""
        return Passage.model_validate_json(self._line(number))

    def _likeness(self, question: str) -> Scores:
        """(passages,): by the vectors of words, and by the encoder's where it knows the language."""
        chinese = is_chinese(question)
        found = np.zeros(self.passages, np.float32)
        if self._package:
            vector = self._words.encode([question])[0]
            found += np.float32(_weight(PACKAGES["static"], chinese)) * self._by_words.products(vector)
        if self._encoder and self._package and (weight := _weight(self._package, chinese)):
            vector = self._encoder.encode([question], question=True)[0]
            found += np.float32(weight) * self._vectors.products(vector)
        return found

    def _share(self, number: int, pairs: set[tuple[str, str]]) -> float:
        row = orjson.loads(self._line(number))
        return len(pairs & neighbours(f"{row['heading']}\n{row['text']}")) / len(pairs)

    def _line(self, number: int) -> bytes:
        return self._text[int(self._rows[number]) : int(self._rows[number + 1])]


def _weight(package: Package, chinese: bool) -> float:
    return package.chinese_weight if chinese else package.weight


def _best(scores: Scores, count: int) -> npt.NDArray[np.intp]:
    """The places of the highest scores, in no order."""
    return np.argpartition(-scores, count - 1)[:count] if count < len(scores) else np.arange(len(scores))
