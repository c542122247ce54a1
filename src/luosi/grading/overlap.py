"""Marks by shared words: exactly the same, token F1, and the overlap with a reference passage. From 0 to 1."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from luosi.grading.words import content, without_lead, words

SHORT_WORDS = 40
"""Content words an answer may have before its overlap with a passage is scaled down: copying all there is is no answer."""
FEWEST_WORDS = 3
"""Content words it must share with the passage for a full mark, where the passage has as many to give."""


def exact(text: str, answer: str) -> float:
    """1.0 where the answer has the accepted one's words and no others, a lead-in such as "The answer is" apart.

    Signs count where an accepted answer has no words at all ("->").
    """
    accepted = words(answer)
    if not accepted:
        return float(answer.strip() in (text.strip(), without_lead(text)))
    return float(accepted in (words(text), words(without_lead(text))))


def f1(text: str, answer: str) -> float:
    """Harmonic mean of precision and recall of the words shared (Rajpurkar et al. 2016, SQuAD).

    >>> f1("The answer is Paris, France.", "Paris")
    0.6666666666666666
    """
    accepted = words(answer)
    if not accepted:
        return exact(text, answer)
    return max(_harmonic(words(given), accepted) for given in (text, without_lead(text)))


def _harmonic(given: Sequence[str], accepted: Sequence[str]) -> float:
    shared = (Counter(given) & Counter(accepted)).total()
    return 2 * shared / (len(given) + len(accepted)) if shared else 0.0


def passage(text: str, reference: str, question: str) -> float:
    """How much of a short answer stands in the reference passage: precision, not recall, for an answer is no copy of it.

    The share of the answer's content words that are the passage's, once those that the question itself has are left out of
    both; scaled down below FEWEST_WORDS shared words and above SHORT_WORDS words in all. Chinese is compared by pairs of
    neighbouring characters, since single ones are shared by chance. It cannot tell a right answer from another one taken
    from the same passage: accepted answers, or a judge, can.
    """
    asked = set(_units(question))
    given = Counter(unit for unit in _units(without_lead(text)) if unit not in asked)
    known = Counter(unit for unit in _units(reference) if unit not in asked)
    if not given or not known:
        return 0.0
    shared = (given & known).total()
    enough = min(FEWEST_WORDS, known.total())
    return shared / given.total() * min(1.0, shared / enough) * min(1.0, SHORT_WORDS / given.total())


def _units(text: str) -> list[str]:
    """Content words; of a run of single characters (Chinese) the pairs of neighbours."""
    units: list[str] = []
    before = ""
    for word in content(text):
        single = len(word) == 1 and not word.isascii()
        if not single:
            units.append(word)
        elif before:
            units.append(before + word)
        before = word if single else ""
    return units
