"""The passages that pairs are made of and shown with: of training documents only, drawn by the seed, bounded in number."""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from luosi.artifacts import Corpus, Document, Index, Passage
from luosi.errors import InputError
from luosi.retrieval.chunks import cut
from luosi.stages.pairs.config import Config
from luosi.text.hashing import digest

PER_PAIR = 12
"""So many passages are drawn for each pair wanted: few of them give one in plain prose."""
FEWEST = 200


class Drawn(NamedTuple):
    """A passage, and whether a section begins with it."""

    passage: Passage
    opens: bool


def pool(config: Config, corpus: Corpus, index: Index | None) -> tuple[list[Drawn], set[str]]:
    """Passages of the training documents of the sources to use, in drawn order, and the ids of all training documents.

    Of the index, where one is given; else cut from the documents here.

    Raises:
        InputError: A source does not exist, or has no training text.
    """
    sources = _sources(config, corpus)
    training: set[str] = set()
    wanted: set[str] = set()
    for document in corpus.documents("train"):
        training.add(document.id)
        if document.source in sources:
            wanted.add(document.id)
    if not wanted:
        raise InputError(
            f"the corpus has no training text of {', '.join(sources)}", hint="its report says what was dropped and why"
        )
    if index is not None:
        passages = (passage for passage in index.passages() if passage.document in wanted)
    else:
        passages = (p for d in corpus.documents("train") if d.id in wanted for p in _cut(d, config.passage_chars))
    count = max(FEWEST, PER_PAIR * config.pairs)
    drawn = heapq.nsmallest(
        count, _drawn(passages), key=lambda d: digest(config.seed, d.passage.document, d.passage.number, d.passage.text)
    )
    return drawn, training


def _cut(document: Document, size: int) -> Iterator[Passage]:
    for number, piece in enumerate(cut(document.text, size)):
        yield Passage(
            number=number,
            document=document.id,
            file=document.file or document.id,
            page=document.page_at(piece.start),
            heading=piece.heading,
            text=piece.text,
        )


def _drawn(passages: Iterable[Passage]) -> Iterator[Drawn]:
    section = ("", "")
    for passage in passages:
        before, section = section, (passage.document, passage.heading)
        yield Drawn(passage, bool(passage.heading) and section != before)


def around(passage: Passage, answer: str, longest: int) -> Passage:
    """`passage`, cut to `longest` characters around the place where `answer` begins if it is longer."""
    if len(passage.text) <= longest:
        return passage
    begins = r"[\W_]+".join(map(re.escape, re.findall(r"[^\W_]+", answer)[:6]))
    found = re.search(begins, passage.text, re.IGNORECASE)
    middle = (found.start() if found else 0) + len(answer) // 2
    start = max(0, min(middle - longest // 2, len(passage.text) - longest))
    return passage.model_copy(update={"text": passage.text[start : start + longest].strip()})


def _sources(config: Config, corpus: Corpus) -> Sequence[str]:
    known = corpus.sources()
    unknown = [name for name in config.sources if name not in known]
    if unknown:
        raise InputError(f"the corpus has no source {unknown[0]!r}; it has {', '.join(known)}", hint="change sources")
    return config.sources or known[:1]
