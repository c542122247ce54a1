"""Words as 64-bit hashes, whole documents at once in numpy: what near-duplicates, leakage and likeness are computed from.

A word is a run of letters, digits and marks, lower-cased; where a script writes no spaces (Chinese, Japanese, Thai, Lao,
Khmer, Burmese) every character is one, so that n words are an n-gram of characters. Hashes are the same on every machine.
"""

from __future__ import annotations

import functools
import sys
import unicodedata

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]

_BASE = 0x9E3779B97F4A7C15
_INVERSE = pow(_BASE, -1, 1 << 64)
_UNSPACED = (
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x3040, 0x30FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)
_GAP, _PART, _WORD = 0, 1, 2


@functools.cache
def _kinds() -> npt.NDArray[np.uint8]:
    """By code point below 0x40000: part of a word, a word of its own, or neither."""
    kinds = np.zeros(0x40000, np.uint8)
    letters = [code for code in range(0x20000) if unicodedata.category(chr(code))[0] in "LNM"]
    kinds[letters] = _PART
    for first, last in _UNSPACED:
        kinds[first : last + 1] = np.where((kinds[first : last + 1] == _PART) | (first >= 0x20000), _WORD, _GAP)
    return kinds


@functools.lru_cache(maxsize=2)
def _powers(length: int) -> tuple[Hashes, Hashes]:
    """Powers 0 .. length of the base and of its inverse, modulo 2^64."""
    both = []
    for base in (_BASE, _INVERSE):
        powers = np.full(length + 1, base, np.uint64)
        powers[0] = 1
        both.append(np.multiply.accumulate(powers))
    return both[0], both[1]


def mix(values: Hashes) -> Hashes:
    """Every bit spread over all bits (the finaliser of splitmix64, Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def word_hashes(text: str) -> Hashes:
    """One hash per word, in order.

    A word c0 c1 .. has the polynomial hash sum of (c_i + 1) base^i modulo 2^64, mixed: a difference of two prefix sums.
    """
    codes = np.frombuffer(text.lower().encode(_UTF32, errors="replace"), np.uint32)
    kinds = _kinds()[np.minimum(codes, 0x3FFFF)]
    before = np.concatenate((np.zeros(1, np.uint8), kinds[:-1]))[: len(kinds)]
    after = np.concatenate((kinds[1:], np.zeros(1, np.uint8)))[: len(kinds)]
    starts = np.flatnonzero((kinds == _WORD) | ((kinds == _PART) & (before != _PART)))
    ends = np.flatnonzero((kinds == _WORD) | ((kinds == _PART) & (after != _PART))) + 1
    powers, inverses = _powers(1 << max(15, len(codes).bit_length()))
    prefix = np.zeros(len(codes) + 1, np.uint64)
    np.cumsum((codes.astype(np.uint64) + np.uint64(1)) * powers[: len(codes)], out=prefix[1:])
    return mix((prefix[ends] - prefix[starts]) * inverses[starts])


_UTF32 = "utf-32-le" if sys.byteorder == "little" else "utf-32-be"


def ngrams(words: Hashes, n: int) -> Hashes:
    """One hash per run of `n` words, in order; of fewer words than `n`, one for them all; none for no words."""
    if 0 < len(words) < n:
        n = len(words)
    count = max(0, len(words) - n + 1)
    if count == 0 or len(words) == 0:
        return np.zeros(0, np.uint64)
    total = words[:count].copy()
    for place in range(1, n):
        total = total * np.uint64(_BASE) + words[place : place + count]
    return mix(total)


def shingles(text: str, n: int) -> Hashes:
    """The distinct n-grams of a text, sorted."""
    return np.unique(ngrams(word_hashes(text), n))


def jaccard(first: Hashes, second: Hashes) -> float:
    """|intersection| / |union| of two sorted arrays of distinct hashes; 0 where both are empty."""
    common = len(np.intersect1d(first, second, assume_unique=True))
    union = len(first) + len(second) - common
    return common / union if union else 0.0
