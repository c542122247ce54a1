"""Word hashing: equal words have equal hashes, scripts without spaces split by character, n-grams and likeness add up."""

from __future__ import annotations

import unicodedata

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from luosi.text.words import jaccard, ngrams, shingles, word_hashes

WORDS = st.lists(st.text("abcXYZ019éßж", min_size=1, max_size=8), max_size=30)


@given(WORDS, st.sampled_from([" ", ", ", "\n\n", " -- ", "!? "]))
def test_punctuation_and_place_do_not_matter(words: list[str], gap: str) -> None:
    alone = [word_hashes(word.lower())[0] for word in words]
    assert word_hashes(gap.join(words)).tolist() == [int(value) for value in alone]


@given(st.lists(st.text("abcdef", min_size=1, max_size=6), min_size=2, max_size=40, unique=True))
def test_different_words_differ(words: list[str]) -> None:
    assert len(set(word_hashes(" ".join(words)).tolist())) == len(words)


@given(st.text(max_size=80))
def test_words_are_counted_as_python_does(text: str) -> None:
    lowered = text.lower()
    expected, inside = 0, False
    for char in lowered:
        letter = unicodedata.category(char)[0] in "LNM"
        unspaced = 0x0E00 <= ord(char) < 0x0F00 or 0x3040 <= ord(char) < 0x3100 or 0x4E00 <= ord(char) < 0xA000
        if ord(char) > 0x1FFFF or any(a <= ord(char) <= b for a, b in [(0x1000, 0x109F), (0x1780, 0x17FF)]):
            return
        if 0x3400 <= ord(char) < 0x4E00 or 0xF900 <= ord(char) < 0xFB00:
            return
        expected += letter and (unspaced or not inside)
        inside = letter and not unspaced
    assert len(word_hashes(text)) == expected


def test_chinese_is_split_by_character() -> None:
    assert len(word_hashes("螺丝, ok螺")) == 4
    assert word_hashes("螺丝")[0] == word_hashes("丝螺")[1]
    assert jaccard(shingles("保护民事主体的合法权益", 3), shingles("保护民事主体的合法权利", 3)) == 8 / 10


def test_hashes_are_the_same_everywhere() -> None:
    """Against the definition, in integers."""

    def reference(word: str) -> int:
        value = sum((ord(char) + 1) * pow(0x9E3779B97F4A7C15, place, 2**64) for place, char in enumerate(word)) % 2**64
        value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        value = (value ^ value >> 27) * 0x94D049BB133111EB % 2**64
        return value ^ value >> 31

    assert word_hashes("A Luosi 螺").tolist() == [reference(word) for word in ("a", "luosi", "螺")]


@given(WORDS, st.integers(1, 6))
def test_ngrams_are_runs_of_words(words: list[str], n: int) -> None:
    hashes = word_hashes(" ".join(words))
    runs = [tuple(hashes[i : i + n].tolist()) for i in range(len(hashes) - n + 1)] or [tuple(hashes.tolist())] * bool(
        words
    )
    found = ngrams(hashes, n).tolist()
    assert len(found) == len(runs)
    assert len(set(zip(runs, found, strict=True))) == len(set(runs)) == len(set(found))


@given(WORDS, WORDS)
def test_jaccard_is_that_of_sets(first: list[str], second: list[str]) -> None:
    a, b = shingles(" ".join(first), 2), shingles(" ".join(second), 2)
    union = len(np.union1d(a, b))
    assert jaccard(a, b) == (len(set(a.tolist()) & set(b.tolist())) / union if union else 0.0)
