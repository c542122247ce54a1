"""Searches an index: BM25 and the likeness of vectors, added with a fixed weight. Thread-safe; files are mapped, little is loaded.

Light: numpy; torch only where the index was made with an encoder that needs it.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from luosi.artifacts.retrieval import Index, Passage
from luosi.errors import DamagedArtifact
from luosi.retrieval.encoders import load
from luosi.retrieval.lexical import Lexical
from luosi.retrieval.packages import PACKAGES
from luosi.retrieval.prompt import is_chinese
from luosi.retrieval.vectors import VectorTable
from luosi.retrieval.words import neighbours

LOOKED_AT = 30
"""Best passages by all scores, and half as many by words alone, whose words are compared side by side."""
SIDE_BY_SIDE = 1.5
"""What the square of the share of the question's neighbours that a passage has counts: near nothing but for a quotation."""

Scores = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage found; scores of one search can be compared, those of two cannot."""

    passage: Passage
    score: float


class Searcher:
    """Finds passages of the index in `folder` (an Index's folder).

    Raises:
        DamagedArtifact: A file of the index is missing or not what it should be.
        MissingDependency, InputError: The package of the encoder it was made with is not installed, or at another version.
    """

    def __init__(self, folder: Path) -> None:
        index = Index(folder)
        self._about = index.json("index.json")
        self.passages = int(str(self._about["passages"]))
        name = str(self._about["encoder"])
        try:
            self._lexical = Lexical(folder, self.passages)
            self._vectors = VectorTable(folder) if name != "none" else None
            self._rows = np.load(folder / "rows.npy", mmap_mode="r")
            with (folder / "passages.jsonl").open("rb") as file:
                self._text = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if self.passages else b""
        except (OSError, ValueError) as error:
            raise DamagedArtifact(f"the index in {folder} cannot be read: {error}") from error
        self._package = PACKAGES.get(name)
        self._encoder = load(name) if self._package else None

    def search(self, question: str, k: int = 5) -> list[Hit]:
        """The `k` best passages, best first; fewer where fewer are like the question in anything.

        Of the best by both scores and of the best by words alone, those that have the question's words side by side come first: a
        quotation is found however plain its meaning.
        """
        scores, pairs = self.scores(question), neighbours(question)
        looked_at = {*_best(scores, max(k, LOOKED_AT))}
        if pairs:
            looked_at |= {*_best(self.scores(question, vectors=False), LOOKED_AT // 2)}
        found = []
        for number in sorted(looked_at):
            passage = self.passage(number)
            share = len(pairs & neighbours(f"{passage.heading}\n{passage.text}")) / max(1, len(pairs))
            found.append(Hit(passage, float(scores[number]) + SIDE_BY_SIDE * share * share))
        found.sort(key=lambda hit: -hit.score)
        return [hit for hit in found[:k] if hit.score > 0]

    def scores(self, question: str, *, words: bool = True, vectors: bool = True) -> Scores:
        """(passages,): how well each fits; `words` and `vectors` say which of the two count."""
        scores = self._lexical.scores(question) if words else np.zeros(self.passages, np.float32)
        package, encoder, table = self._package, self._encoder, self._vectors
        if not vectors or package is None or encoder is None or table is None:
            return scores
        if is_chinese(question) and not package.chinese:
            return scores
        return scores + np.float32(package.weight) * table.products(encoder.encode([question], question=True)[0])

    def passage(self, number: int) -> Passage:
        """The passage of that number."""
        first, last = int(self._rows[number]), int(self._rows[number + 1])
        return Passage.model_validate_json(self._text[first:last])


def _best(scores: Scores, count: int) -> list[int]:
    """The places of the highest scores above 0, in no order."""
    some = np.argpartition(-scores, count - 1)[:count] if count < len(scores) else np.arange(len(scores))
    return [int(number) for number in some if scores[number] > 0]
