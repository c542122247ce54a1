"""Which candidates are fit to train on: each is kept, or refused for one reason that is counted. Knows neither models nor files."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from luosi.artifacts import Document, Passage, Question
from luosi.retrieval.prompt import is_chinese
from luosi.retrieval.words import content_words
from luosi.stages.pairs.candidate import Candidate, plain, said_in
from luosi.stages.pairs.config import Config
from luosi.text.words import Hashes, jaccard, ngrams, shingles, word_hashes

RUN_WORDS = 13
"""GPT-3's rule for text that was seen (Brown et al. 2020, appendix C), as for held-out documents."""
SEEN = 0.5
"""Share of an answer's runs found in held-out text from which the pair is refused."""
NEAR = 0.7
"""Jaccard index of word pairs from which two questions are near-duplicates, if their answers are alike too."""
NEAR_EXAM = 0.5
"""The same against questions of the exam."""
GROUNDED = 0.5
"""Share of a question's content words that the passage must have: fewer, and a model asked about something else."""

_SELF = re.compile(
    r"\b(?:the|this|that|above|following|given) (?:passage|text|paragraph|excerpt|author|quote|snippet|context)\b|\b(?:mentioned|described|"
    r"stated|listed) above\b|上文|下文|上述|本文|本段|该段|这段|以上内容|文中|材料中|原文|作者",
    re.I,
)
_YES_NO = {
    "yes",
    "no",
    "true",
    "false",
    "是",
    "否",
    "是的",
    "不是",
    "对",
    "错",
    "不对",
    "可以",
    "不可以",
    "有",
    "没有",
    "能",
    "不能",
}
_ASKS_YES_NO = re.compile(
    r"^(?:is|are|was|were|do|does|did|can|could|will|would|has|have|had|should|may|must)\b|是否|吗[？?]$|是不是|能不能|有没有",
    re.I,
)


class Filters:
    """Judges candidates one after another; what was kept counts as a duplicate of what comes later.

    Args:
        config: Lengths.
        heldout: Documents of the held-out split.
        exam: Questions that the model will be examined with.
        finds: Whether the index finds a passage by a question; None if it is not asked.
    """

    def __init__(
        self, config: Config, heldout: Iterable[Document], exam: Sequence[Question],
        finds: Callable[[str, Passage], bool] | None,
    ) -> None:  # fmt: skip
        self._config, self._finds = config, finds
        runs = [np.unique(ngrams(word_hashes(document.text), RUN_WORDS)) for document in heldout]
        self._heldout = np.unique(np.concatenate([np.zeros(0, np.uint64), *runs]))
        self._exam = [(shingles(q.prompt, 2), plain(q.prompt), _right(q)) for q in exam]
        self._answers: dict[str, str] = {}
        self._kept: list[tuple[Hashes, Hashes]] = []
        self._by_shingle: dict[int, list[int]] = defaultdict(list)

    def refusal(self, candidate: Candidate) -> str:
        """Why `candidate` is not kept; "" if it is, and then it is remembered."""
        person = candidate.origin == "correction"
        reason = (
            ("" if person else self._form(candidate))
            or self._seen_in_exam(candidate)
            or ("" if person else self._seen_in_heldout(candidate))
            or self._asked_already(candidate)
            or ("" if person else self._not_found(candidate))
        )
        if not reason:
            self._remember(candidate)
        return reason

    def _form(self, candidate: Candidate) -> str:
        question, answer, passage = candidate.question, candidate.answer, candidate.passage
        words = len(question) / 2 if is_chinese(question) else len(question.split())
        checks = {
            "answer empty": not plain(answer),
            "not a question": not question.endswith(("?", "？")) or len(re.findall(r"[?？]", question)) > 1,
            "question too short": words < 3,
            "question too long": len(question) > self._config.question_chars,
            "answer too long": len(answer) > self._config.answer_chars,
            "speaks of the text itself": candidate.origin == "model" and bool(_SELF.search(question)),
            "yes or no": plain(answer) in _YES_NO or bool(_ASKS_YES_NO.search(question)),
            "answer stands in the question": said_in(answer, question),
            "answer not in the passage": passage is None or not said_in(answer, passage.text),
        }
        reason = next((reason for reason, is_so in checks.items() if is_so), "")
        return reason or (_odd(candidate) if candidate.origin == "model" else "")

    def _seen_in_exam(self, candidate: Candidate) -> str:
        own, plainly = shingles(candidate.question, 2), plain(candidate.question)
        for words, prompt, right in self._exam:
            if plainly == prompt:
                return "asked in the exam"
            if jaccard(own, words) >= NEAR_EXAM and (_alike(candidate.answer, right) or jaccard(own, words) > 0.9):
                return "too near to a question of the exam"
        return ""

    def _seen_in_heldout(self, candidate: Candidate) -> str:
        found = np.unique(ngrams(word_hashes(candidate.answer), RUN_WORDS))
        return "held-out text" if len(found) and np.isin(found, self._heldout).mean() >= SEEN else ""

    def _asked_already(self, candidate: Candidate) -> str:
        earlier = self._answers.get(plain(candidate.question))
        if earlier is not None:
            return "duplicate" if earlier == plain(candidate.answer) else "another answer to the same question"
        own, answer = shingles(candidate.question, 2), shingles(candidate.answer, 2)
        for other, _ in Counter(n for h in own.tolist() for n in self._by_shingle.get(h, ())).most_common(20):
            question, said = self._kept[other]
            if jaccard(own, question) >= NEAR and jaccard(answer, said) >= NEAR:
                return "near-duplicate"
        return ""

    def _not_found(self, candidate: Candidate) -> str:
        assert candidate.passage is not None
        if self._finds is None or self._finds(candidate.question, candidate.passage):
            return ""
        return "the index does not find its passage"

    def _remember(self, candidate: Candidate) -> None:
        own = shingles(candidate.question, 2)
        self._answers[plain(candidate.question)] = plain(candidate.answer)
        for value in own.tolist():
            self._by_shingle[value].append(len(self._kept))
        self._kept.append((own, shingles(candidate.answer, 2)))


def _odd(candidate: Candidate) -> str:
    """What small models do wrong: ask about something else, or say the same over and over."""
    assert candidate.passage is not None
    runs = ngrams(word_hashes(candidate.question), 2 if not is_chinese(candidate.question) else 3)
    if len(runs) > 3 and len(np.unique(runs)) < 0.8 * len(runs):
        return "question repeats itself"
    asked = content_words(candidate.question)
    known = content_words(f"{candidate.passage.heading} {candidate.passage.file} {candidate.passage.text}")
    return "" if asked and len(asked & known) >= GROUNDED * len(asked) else "question about something else"


def _right(question: Question) -> str:
    if question.choices and question.answer is not None:
        return question.choices[question.answer]
    return " ".join(question.answers) or question.passage


def _alike(answer: str, right: str) -> bool:
    """Whether one answer says what the other says."""
    if said_in(answer, right) or said_in(right, answer):
        return True
    first, second = content_words(answer), content_words(right)
    return bool(first and second) and len(first & second) >= 0.5 * min(len(first), len(second))
