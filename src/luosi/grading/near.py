"""Questions that ask nearly the same: those that share most of their content words, in whatever order.

Words, not spellings: "How many days of annual leave?" is near "How many annual leave days are there?" and not near the same
question about sick leave. Words that a tenth of a file's questions have ("What does article .. say?") tell nothing apart there.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from luosi.artifacts import Question
from luosi.grading.rows import same_text
from luosi.grading.words import content

NEAR = 0.75
"""Jaccard index of content words from which two questions are nearly the same."""
COMMON = 0.1
FEWEST = 10
"""A word is common if this share, and at least so many, of the questions have it."""


def nearness(first: str, second: str) -> float:
    """Jaccard index of the content words of two questions; 0 where either has none."""
    one, other = set(content(first)), set(content(second))
    return len(one & other) / len(one | other) if one and other else 0.0


def asked_among(text: str, questions: Iterable[Question]) -> bool:
    """Whether one of `questions` asks the same as `text`, or nearly: what must not be trained on because it is tested."""
    return any(
        same_text(known.prompt) == same_text(text) or nearness(known.prompt, text) >= NEAR for known in questions
    )


def near_pairs(questions: Sequence[str]) -> list[tuple[int, int, float]]:
    """(i, j, index) of the pairs at or above NEAR, i < j, in order; time grows with the pairs that share a rare word."""
    sets = [set(content(question)) for question in questions]
    counts = Counter(word for own in sets for word in own)
    common = {word for word, count in counts.items() if count >= max(FEWEST, COMMON * len(questions))}
    sets = [own - common or own for own in sets]
    holders: dict[str, list[int]] = defaultdict(list)
    pairs = []
    for number, own in enumerate(sets):
        shared = Counter(earlier for word in own for earlier in holders[word])
        for earlier, count in sorted(shared.items()):
            index = count / (len(own) + len(sets[earlier]) - count)
            if index >= NEAR:
                pairs.append((earlier, number, index))
        for word in own:
            holders[word].append(number)
    return sorted(pairs)
