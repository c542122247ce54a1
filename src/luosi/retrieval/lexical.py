"""BM25 over flat arrays: for each term the passages that have it and what it adds to their score, mapped from disk when searched.

Robertson and Zaragoza (2009): a term that stands `n` times in a passage of `l` terms adds idf * n (k1 + 1) / (n + k1 (1 - b + b l / mean l)),
with idf = log(1 + (N - df + 0.5) / (df + 0.5)) for a term in df of N passages. The second factor is stored; idf is computed when
asked. Terms are kept as 64-bit hashes. Memory is that of one block of postings and of the distinct terms.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from luosi.retrieval.words import terms

K1 = 1.2
B = 0.75
BLOCK_POSTINGS = 4_000_000
"""Postings (term, passage, count) held in memory before they go to a file in between: 48 MB."""

Scores = npt.NDArray[np.float32]
_POSTING = np.dtype([("term", "<u4"), ("passage", "<u4"), ("count", "<u4")])


class LexicalWriter:
    """Takes the passages one by one, in the order of their numbers, and writes the index at the end.

    Args:
        scratch: Folder for files in between.
    """

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._terms: dict[str, int] = {}
        self._lengths: list[int] = []
        self._held = array("I")
        self._blocks: list[Path] = []

    def add(self, text: str) -> None:
        """Index the text of the next passage."""
        found = terms(text)
        number = len(self._lengths)
        self._lengths.append(len(found))
        known = self._terms
        for term, times in Counter(found).items():
            self._held.extend((known.setdefault(term, len(known)), number, times))
        if len(self._held) >= 3 * BLOCK_POSTINGS:
            self._set_aside()

    def finish(self, out: Path) -> None:
        """Write `terms.npy` (hashes, sorted), `starts.npy`, `postings.npy` (passages by term) and `gains.npy` into `out`."""
        self._set_aside()
        hashes = np.array([term_hash(term) for term in self._terms], np.uint64)
        order = np.argsort(hashes, kind="stable")
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        spread = np.zeros(len(order), np.int64)
        for path in self._blocks:
            spread += np.bincount(rank[np.load(path)["term"]], minlength=len(order))
        starts = np.concatenate((np.zeros(1, np.int64), np.cumsum(spread)))
        np.save(out / "terms.npy", hashes[order])
        np.save(out / "starts.npy", starts)
        postings = np.lib.format.open_memmap(out / "postings.npy", "w+", np.uint32, (int(starts[-1]),))
        gains = np.lib.format.open_memmap(out / "gains.npy", "w+", np.float16, (int(starts[-1]),))
        lengths = np.array(self._lengths, np.float64)
        norms = K1 * (1 - B + B * lengths / max(1.0, float(lengths.mean()) if len(lengths) else 1.0))
        free = starts[:-1].copy()
        for path in self._blocks:
            block = np.load(path)
            ranks = rank[block["term"]]
            by_term = np.argsort(ranks, kind="stable")
            ranks, block = ranks[by_term], block[by_term]
            places = free[ranks] + np.arange(len(ranks)) - np.searchsorted(ranks, ranks)
            postings[places] = block["passage"]
            gains[places] = block["count"] * (K1 + 1) / (block["count"] + norms[block["passage"]])
            free += np.bincount(ranks, minlength=len(order))
            path.unlink()
        postings.flush()
        gains.flush()

    def _set_aside(self) -> None:
        path = self._scratch / f"postings-{len(self._blocks):05d}.npy"
        np.save(path, np.frombuffer(self._held, _POSTING))
        self._blocks.append(path)
        self._held = array("I")


class Lexical:
    """Scores passages by the words they share with a question. Thread-safe.

    Args:
        folder: Where LexicalWriter wrote.
        passages: How many there are.
    """

    def __init__(self, folder: Path, passages: int) -> None:
        self._passages = passages
        self._terms, self._starts, self._postings, self._gains = (
            np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("terms", "starts", "postings", "gains")
        )

    def scores(self, question: str) -> Scores:
        """(passages,): BM25 divided by the most a passage could reach, so from 0 (no word shared) to 1.

        A word of the question that stands nowhere counts in that most: what is found by few of the words asked for is not sure.
        """
        found = np.zeros(self._passages, np.float32)
        most = 0.0
        for term, times in Counter(terms(question)).items():
            first, last = self._range(term)
            idf = float(np.log1p((self._passages - (last - first) + 0.5) / (last - first + 0.5)))
            most += times * idf * (K1 + 1)
            found[self._postings[first:last]] += self._gains[first:last] * np.float32(times * idf)
        return found / np.float32(most) if most else found

    def _range(self, term: str) -> tuple[int, int]:
        hashed = np.uint64(term_hash(term))
        place = int(np.searchsorted(self._terms, hashed))
        if place == len(self._terms) or self._terms[place] != hashed:
            return 0, 0
        return int(self._starts[place]), int(self._starts[place + 1])


@lru_cache(maxsize=1 << 17)
def term_hash(term: str) -> int:
    """64 bits that stand for a term, the same on every machine."""
    return int.from_bytes(hashlib.blake2b(term.encode(errors="surrogatepass"), digest_size=8).digest(), "little")
