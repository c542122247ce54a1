"""Passages to show with a question: the one the answer stands in, and others like it, in an order that tells nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from luosi.artifacts import Passage
from luosi.artifacts.retrieval import Pair
from luosi.retrieval.search import Searcher
from luosi.stages.pairs.candidate import Candidate, said_in
from luosi.stages.pairs.config import Config
from luosi.stages.pairs.pool import around
from luosi.text.hashing import digest, generator

Find = Callable[[str, int], Sequence[Passage]]
"""(question, how many) -> passages of training documents that are like it, best first."""


def finder(searcher: Searcher | None, training: Collection[str], drawn: Sequence[Passage]) -> Find:
    """From the index, held-out documents left out; where there is none, passages drawn by the question."""

    def find(question: str, count: int) -> Sequence[Passage]:
        if searcher is None:
            draw = generator("others", question)
            return draw.sample(drawn, min(count, len(drawn)))
        return [hit.passage for hit in searcher.search(question, count) if hit.passage.document in training]

    return find


def found_again(searcher: Searcher, k: int) -> Callable[[str, Passage], bool]:
    """Whether the index finds a passage among its first `k` for a question: itself, or one of the same document that says the same."""

    def finds(question: str, passage: Passage) -> bool:
        for hit in searcher.search(question, k):
            other = hit.passage
            if other.document == passage.document and (other.number == passage.number or other.text == passage.text):
                return True
        return False

    return finds


def pair(config: Config, made: Candidate, find: Find) -> Pair:
    """The pair of a candidate; by its share shown with passages, the right one anywhere among them."""
    name = digest(config.seed, made.question, made.answer).hex()
    plain_pair = Pair(
        id=f"{made.origin}-{name[:16]}",
        question=made.question,
        answer=made.answer,
        document=made.passage.document if made.passage else "",
        origin=made.origin,
        note=made.note,
    )
    draw = generator("shown", config.seed, made.question)
    if not config.passages or draw.random() >= config.passages_share:
        return plain_pair
    right = made.passage or next((p for p in find(made.question, 10) if said_in(made.answer, p.text)), None)
    right = right and around(right, made.answer, config.passage_chars)
    if right is None or not said_in(made.answer, right.text):
        return plain_pair
    others = [p for p in find(made.question, 3 * config.passages) if not said_in(made.answer, p.text)]
    shown = [right, *(around(p, "", config.passage_chars) for p in others[: config.passages - 1])]
    draw.shuffle(shown)
    return plain_pair.model_copy(update={"passages": tuple(shown)})
