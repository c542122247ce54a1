"""Next-passage questions: which of four passages of one source goes on from the prompt.

The wrong ones are taken from other held-out documents and from distant places of the same one, as long as the right one and
not like it, so that neither length nor subject alone gives the answer away. Knows no models.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from luosi.artifacts import Document, Question
from luosi.retrieval.chunks import WIDE, size_of
from luosi.stages.exam.config import Config
from luosi.stages.exam.passages import Text
from luosi.text.hashing import generator
from luosi.text.words import Hashes, jaccard, shingles

CHOICES = 4
DISTANT = 2
"""A wrong passage of the same document lies at least this many prompt lengths from the right one."""
LIKE = 0.3
"""Jaccard index of 3-word shingles from which two passages are too like to choose between."""
TRIES = 60
FEWEST_WORDS = 8

Span = tuple[int, int]


def next_passage_questions(
    documents: Sequence[Document], config: Config, progress: Callable[[int], None]
) -> tuple[list[Question], Counter[str]]:
    """At most `config.questions` questions from one source's held-out documents, and why places gave none.

    Right answers never overlap each other. Documents take turns, so that each gives about as many as the others. Where most
    characters are of scripts without spaces, lengths are a third: such a character says, and costs, as much as three.
    """
    config = _for_script(config, documents)
    texts = [Text(document.id, document.text) for document in documents]
    places = [_places(text, config, config.prompt_chars // 2) for text in texts]
    for text, own in zip(texts, places, strict=True):
        generator(config.seed, "places", text.id).shuffle(own)
    wrong = [own or _places(text, config, 0) for text, own in zip(texts, places, strict=True)]
    failures = Counter[str]()
    short = sum(not own for own in places)
    if short:
        failures["documents too short"] = short
    questions: list[Question] = []
    for number, span in _in_turns(places):
        if len(questions) == config.questions:
            break
        question = _question(texts, wrong, number, span, config)
        if isinstance(question, str):
            failures[question] += 1
        else:
            questions.append(question)
            progress(len(questions))
    return questions, failures


def _for_script(config: Config, documents: Sequence[Document]) -> Config:
    characters = sum(len(document.text) for document in documents)
    wide = sum(size_of(document.text) for document in documents) > (1 + WIDE) / 2 * characters
    lengths = {"prompt_chars": config.prompt_chars // WIDE, "choice_chars": config.choice_chars // WIDE}
    return config.model_copy(update=lengths) if wide else config


def _places(text: Text, config: Config, free: int) -> list[Span]:
    """Passages that begin where sentences begin, from `free` on, not overlapping."""
    result: list[Span] = []
    for start in text.starts:
        span = text.passage(start, config.choice_chars) if start >= free else None
        if span:
            result.append(span)
            free = span[1]
    return result


def _in_turns(places: Sequence[Sequence[Span]]) -> Iterator[tuple[int, Span]]:
    for turn in range(max(map(len, places), default=0)):
        for number, own in enumerate(places):
            if turn < len(own):
                yield number, own[turn]


def _question(
    texts: Sequence[Text], places: Sequence[Sequence[Span]], number: int, span: Span, config: Config
) -> Question | str:
    """The question whose right answer is `span` of text `number`, or why there is none."""
    text = texts[number]
    right = text.text[span[0] : span[1]].strip()
    chosen = [_words(right)]
    if len(chosen[0]) < FEWEST_WORDS:
        return "passages without enough words"
    draw = generator(config.seed, "question", text.id, span[0])
    choices = [right]
    for wrong in _wrong_passages(texts, places, number, span, config, draw):
        words = _words(wrong)
        if len(words) >= FEWEST_WORDS and all(jaccard(words, other) < LIKE for other in chosen):
            choices.append(wrong)
            chosen.append(words)
            if len(choices) == CHOICES:
                break
    else:
        return "too few other passages that differ"
    answer = draw.randrange(CHOICES)
    order = [*choices[1 : answer + 1], right, *choices[answer + 1 :]]
    return Question(
        id=f"{text.id}@{span[0]}",
        source="",
        prompt=text.before(span[0], config.prompt_chars),
        choices=tuple(order),
        answer=answer,
        document=text.id,
    )


def _words(passage: str) -> Hashes:
    return shingles(passage, 3)


def _wrong_passages(
    texts: Sequence[Text],
    places: Sequence[Sequence[Span]],
    number: int,
    right: Span,
    config: Config,
    draw: random.Random,
) -> Iterator[str]:
    """Passages of the right one's length: first one of the same document where it has a distant place, then of any."""
    distance = DISTANT * config.prompt_chars
    same = [(number, s) for s in places[number] if s[0] >= right[1] + distance or s[1] <= right[0] - distance]
    others = [(other, s) for other, own in enumerate(places) if other != number for s in own]
    first = draw.sample(same, len(same))[:1]
    rest = [place for place in same + others if place not in first]
    for other, (start, _) in first + draw.sample(rest, min(TRIES, len(rest))):
        span = texts[other].passage(start, right[1] - right[0])
        if span:
            yield texts[other].text[span[0] : span[1]].strip()
