"""The choice that a free answer takes: its letter, or the choice's own words.

In this order: the answer is nothing but a letter or a choice's text; a letter after "the answer is", 答案是, 选 and the like; a
letter with a stop in front ("B. Because .."); the only choice named in the first sentence that names any. What takes two takes
none, and so does a sentence that runs on: naming the right words somewhere is no answer.
"""

from __future__ import annotations

import re
import string
from collections.abc import Sequence

from luosi.grading.words import plain, sentences, without_lead, words

SENTENCE_WORDS = 30
"""Words that a sentence may have beside the choice it names."""
BEFORE_WORDS = 3
"""A negation so many words before a choice denies it."""

_SAID = re.compile(
    r"(?:(?:answer|option|choice)\s*(?:is|[:=])?|答案(?:应该|应)?(?:是|为|选)?\s*[:=]?|应?该?选择?(?:项)?|故选)\s*[:=]?\s*"
    r"(?:option|choice|选项)?\s*[(\[\"'“]?(?P<letter>[A-Z])(?![A-Za-z'’])",
    re.IGNORECASE,
)
_ARTICLE = re.compile(r"\s+[a-z]")
_FIRST = re.compile(r"\(?(?P<letter>[A-Z])\s*(?:[.):、,,]|$|\n)", re.IGNORECASE)
_ALONE = re.compile(r"[\W_]{0,9}(?:option|choice|选项?|答)?[\W_]{0,9}(?P<letter>[A-Z])[\W_]*", re.IGNORECASE)
_NEGATIONS = frozenset(
    re.findall(r"\S+", "not never neither nor isnt arent wasnt wrong incorrect except 不 非 没 错 除 无")
)


def choice(text: str, choices: Sequence[str]) -> int | None:
    """Index of the choice that the answer takes; None where it takes none, or more than one.

    >>> choice("The answer is (b).", ("red", "green")), choice("It is green, I think.", ("red", "green")), choice("?", ("a", "b"))
    (1, 1, None)
    """
    letters = string.ascii_uppercase[: len(choices)]
    bare = without_lead(text)
    spoken = words(bare)
    same = [n for n, one in enumerate(choices) if words(one) == spoken and spoken]
    if len(same) == 1:
        return same[0]
    if (alone := _ALONE.fullmatch(bare)) and alone["letter"].upper() in letters:
        return letters.index(alone["letter"].upper())
    taken = _lettered(plain(text), bare, letters)
    if taken:
        return taken.pop() if len(taken) == 1 else None
    return _named(bare, choices)


def _lettered(text: str, bare: str, letters: str) -> set[int]:
    """The choices taken by letter: after a cue, else in front."""
    said = [match for match in _SAID.finditer(text) if not _is_article(match["letter"], text[match.end() :])]
    found = {match["letter"].upper() for match in said}
    if not found and (first := _FIRST.match(bare)):
        following = _FIRST.match(bare[first.end() :].strip())
        found = {match["letter"].upper() for match in (first, following) if match}
    return {letters.index(letter) for letter in found if letter in letters}


def _is_article(letter: str, rest: str) -> bool:
    """Whether "a" in "the answer is a dog" is an article and no choice."""
    return letter == "a" and bool(_ARTICLE.match(rest))


def _named(text: str, choices: Sequence[str]) -> int | None:
    """The only choice named in the first sentence that names any, unless it is denied or buried there."""
    spoken = [words(one) for one in choices]
    for sentence in sentences(text):
        said = words(sentence)
        spans = {n: span for n, own in enumerate(spoken) if own and (span := _span(said, own))}
        outer = [n for n, span in spans.items() if not any(_inside(span, other) for other in spans.values())]
        if outer:
            start, end = spans[outer[0]]
            denied = _NEGATIONS.intersection(said[max(0, start - BEFORE_WORDS) : start])
            buried = len(said) - (end - start) > SENTENCE_WORDS
            return outer[0] if len(outer) == 1 and not denied and not buried else None
    return None


def _span(said: Sequence[str], own: Sequence[str]) -> tuple[int, int] | None:
    starts = (n for n in range(len(said) - len(own) + 1) if said[n : n + len(own)] == own)
    start = next(starts, None)
    return None if start is None else (start, start + len(own))


def _inside(span: tuple[int, int], other: tuple[int, int]) -> bool:
    return span != other and other[0] <= span[0] and span[1] <= other[1]
