"""Finds questions and their answers in texts: runs of words as hashes, all of them looked up at once in numpy, text by text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

import numpy as np

from luosi.artifacts import Question
from luosi.grading.dates import as_date
from luosi.grading.quantities import as_quantity
from luosi.grading.words import content
from luosi.text.words import Hashes, ngrams, word_hashes

Where = Literal["train", "heldout", "files"]
Kind = Literal["question", "answer", "passage"]

RUN_WORDS = 13
FEWEST_WORDS = 4
"""A shorter question is not looked for: "What is it?" stands in many texts."""
PASSAGE_SHARE = 0.5
"""Share of a reference passage's runs that a text must have."""
AROUND_WORDS = 60
"""An answer is answered there if so near to it, on either side, stands .."""
ASKED_SHARE = 0.5
""".. this share of the question's content words."""
SHOWN = 3
LOOKS = 5
"""Places of one answer in one text that are looked at: "5" has many."""
_MONTHS = "January February March April May June July August September October November December"


@dataclass(slots=True)
class Places:
    """By kind of text, how many have something, and the files of the first few."""

    texts: dict[Where, int] = field(default_factory=dict)
    files: dict[Where, list[str]] = field(default_factory=dict)

    def add(self, where: Where, file: str) -> None:
        """One text more."""
        self.texts[where] = self.texts.get(where, 0) + 1
        known = self.files.setdefault(where, [])
        if file not in known and len(known) < SHOWN:
            known.append(file)


@dataclass(slots=True)
class Found:
    """What was found of one question so far."""

    leaked: Places = field(default_factory=Places)
    verbatim: Places = field(default_factory=Places)
    somewhere: bool = False


@dataclass(frozen=True, slots=True)
class _Needle:
    question: int
    kind: Kind
    length: int
    """Words of each run."""
    runs: Hashes

    def enough(self, seen: int) -> bool:
        """Whether so many of its distinct runs are enough."""
        if self.kind == "question":
            return seen >= 1
        return seen >= len(self.runs) * (PASSAGE_SHARE if self.kind == "passage" else 1)


class Needles:
    """The questions, and what was found of each so far, in their order."""

    def __init__(self, questions: Sequence[Question]) -> None:
        self.found = [Found() for _ in questions]
        self._asked = [np.unique(word_hashes(" ".join(content(question.prompt)))) for question in questions]
        self._needles = [needle for n, question in enumerate(questions) for needle in _needles(n, question)]
        self._pools: dict[int, tuple[Hashes, dict[int, list[int]]]] = {}
        holders: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
        for number, needle in enumerate(self._needles):
            for run in needle.runs.tolist():
                holders[needle.length][run].append(number)
        for length, own in holders.items():
            self._pools[length] = np.array(sorted(own), np.uint64), own

    def look(self, file: str, text: str, where: Where) -> None:
        """Look for everything in one text."""
        words = word_hashes(text)
        leaked: set[int] = set()
        verbatim: set[int] = set()
        for length, (pool, holders) in self._pools.items():
            if len(words) < length:
                continue
            runs = ngrams(words, length)
            nearest = np.minimum(np.searchsorted(pool, runs), len(pool) - 1)
            places = np.flatnonzero(pool[nearest] == runs)
            hits = [(int(place), int(runs[place])) for place in places]
            for needle, at in self._whole(hits, holders):
                if needle.kind == "question":
                    leaked.add(needle.question)
                    continue
                self.found[needle.question].somewhere = True
                if needle.kind == "passage" or self._asked_near(needle, words, at):
                    verbatim.add(needle.question)
        for question in sorted(leaked):
            self.found[question].leaked.add(where, file)
        for question in sorted(verbatim):
            self.found[question].verbatim.add(where, file)

    def _whole(
        self, hits: Sequence[tuple[int, int]], holders: dict[int, list[int]]
    ) -> Iterator[tuple[_Needle, list[int]]]:
        """The needles of which enough runs are among the hits (place, run), with the places of their runs."""
        runs: dict[int, set[int]] = defaultdict(set)
        places: dict[int, list[int]] = defaultdict(list)
        for place, run in hits:
            for number in holders[run]:
                runs[number].add(run)
                places[number].append(place)
        for number, seen in runs.items():
            if self._needles[number].enough(len(seen)):
                yield self._needles[number], places[number]

    def _asked_near(self, needle: _Needle, words: Hashes, places: Sequence[int]) -> bool:
        asked = self._asked[needle.question]
        around = (
            np.concatenate((words[max(0, place - AROUND_WORDS) : place], words[place + needle.length :][:AROUND_WORDS]))
            for place in places[:LOOKS]
        )
        return len(asked) > 0 and any(np.isin(asked, near).mean() >= ASKED_SHARE for near in around)


def _needles(number: int, question: Question) -> Iterator[_Needle]:
    prompt = word_hashes(question.prompt)
    if len(prompt) >= FEWEST_WORDS:
        yield _needle(number, "question", prompt)
    if question.choices:
        assert question.answer is not None, "the contract of Question"
        answers: tuple[str, ...] = (question.choices[question.answer],)
    else:
        answers = question.answers
    forms = dict.fromkeys(form for answer in answers for form in written_forms(answer))
    for words in (word_hashes(form) for form in forms):
        if len(words):
            yield _needle(number, "answer", words)
    if question.passage and not answers and len(words := word_hashes(question.passage)):
        yield _needle(number, "passage", words)


def _needle(number: int, kind: Kind, words: Hashes) -> _Needle:
    return _Needle(number, kind, min(RUN_WORDS, len(words)), np.unique(ngrams(words, RUN_WORDS)))


def written_forms(answer: str) -> list[str]:
    """An accepted answer as a text may write it: numbers with and without separators, dates in the usual orders.

    >>> written_forms("1200 days"), written_forms("2021-03-03")[2:]
    (['1200 days', '1200', '1,200'], ['3 March 2021', '2021年3月3日'])
    """
    forms = [answer]
    quantity, date = as_quantity(answer), as_date(answer)
    if quantity is not None:
        value = quantity.number.value
        plain = value.quantize(Decimal(1)) if value == value.to_integral_value() else value.normalize()
        forms += [f"{plain:f}", f"{plain:,f}"]
    if date is not None and date.readings[0].day and date.readings[0].year:
        day = date.readings[0]
        month = _MONTHS.split()[day.month - 1]
        forms += [f"{month} {day.day}, {day.year}", f"{day.day} {month} {day.year}"]
        forms += [f"{day.year}年{day.month}月{day.day}日"]
    return list(dict.fromkeys(forms))
