"""Words of a text as searches count them: English ones by their stem and their beginning, Chinese by characters and their pairs.

Every script works: a word is a run of letters and digits, lower-cased; where a script writes no spaces, every character is one
and every two neighbours are another. Knows nothing of indexes.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise

UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Scripts that write no spaces between words (Thai to Burmese, Japanese, Chinese), as in a regular expression's brackets."""

_WORDS = re.compile(rf"[{UNSPACED}]+|[^\W_{UNSPACED}]+")
_UNSPACED_RUN = re.compile(f"[{UNSPACED}]+")
_IS_UNSPACED = re.compile(f"[{UNSPACED}]")
_BEGINNING = 4
_STOP_WORDS = (
    "a about after all also an and any are as at be been before being both but by can could did do does during each for from had "
    "has have having he her his how i if in into is it its may more most must no nor not of on or other our over shall she should "
    "so some such than that the their them then there these they this those through to under until up use used was we were what "
    "when where which while who whom why will with would you your"
)
_STOP = frozenset(_STOP_WORDS.split())
_STOP_CHARACTERS = frozenset("的了是在和与及或也都就而把被让对从到为以之其这那哪什么吗呢吧啊怎样何谁几多少")


def terms(text: str) -> list[str]:
    """What a text is found by, in order, repeated as often as it stands there.

    An English word gives its stem and "#" with its first four letters, so that hepatic finds hepatitis; a Chinese run gives its
    characters and its pairs of neighbours.

    >>> terms("Sick leaves"), terms("病假条")
    (['sick', '#sick', 'leave', '#leav'], ['病', '假', '条', '病假', '假条'])
    """
    return [term for run in _WORDS.findall(text.lower()) for term in _terms_of(run)]


def neighbours(text: str) -> set[tuple[str, str]]:
    """The distinct pairs of words that stand side by side; where a script writes no spaces, of characters.

    >>> sorted(neighbours("Sick leave, 病假"))
    [('leave', '病'), ('sick', 'leave'), ('病', '假')]
    """
    found: list[str] = []
    for run in _WORDS.findall(text.lower()):
        found.extend(run if _IS_UNSPACED.match(run) else (stem(run),))
    return set(pairwise(found))


def spaced(text: str) -> str:
    """A text without its runs of scripts that write no spaces."""
    return _UNSPACED_RUN.sub(" ", text)


@lru_cache(maxsize=1 << 17)
def _terms_of(run: str) -> tuple[str, ...]:
    if _IS_UNSPACED.match(run):
        return (*run, *(run[place : place + 2] for place in range(len(run) - 1)))
    return stem(run), "#" + run[:_BEGINNING]


def content_words(text: str) -> set[str]:
    """The distinct words of a text that say what it is about: no articles, prepositions, particles.

    >>> sorted(content_words("The leaves of the tree")), sorted(content_words("病假的天数"))
    (['leave', 'tree'], ['天数', '病假'])
    """
    found: set[str] = set()
    for run in _WORDS.findall(text.lower()):
        if _IS_UNSPACED.match(run):
            pairs = (run[place : place + 2] for place in range(max(1, len(run) - 1)))
            found.update(pair for pair in pairs if not _STOP_CHARACTERS.intersection(pair))
        elif run not in _STOP:
            found.add(stem(run))
    return found


def stem(word: str) -> str:
    """An English word without its plural ending: the S-stemmer of Harman (1991).

    >>> [stem(word) for word in ("policies", "diseases", "dogs", "virus", "glass")]
    ['policy', 'disease', 'dog', 'virus', 'glass']
    """
    if len(word) < 4 or not word.isascii():
        return word
    if word.endswith("ies") and word[-4] not in "ea":
        return word[:-3] + "y"
    if word.endswith("es") and word[-3] not in "aeo":
        return word[:-1]
    return word[:-1] if word.endswith("s") and word[-2] not in "us" else word
