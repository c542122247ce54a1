"""How a question is put to a model, with choices and passages or without, and which passages an answer rests on.

One wording for every model, training pair and served chat, short and plain, so that a model of 135M parameters can follow it;
English or Chinese by the question's own script. Passages come before the task, the best one last, without numbers or file names: asked
to name a passage, or shown one far from the question, so small a model copies titles instead of answering (docs/log.md). So nobody is
asked to cite: the passages that an answer rests on are found by comparing them with it. Knows nothing of how passages are found or answers marked.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

from luosi.artifacts.answers import Cited
from luosi.artifacts.retrieval import Passage
from luosi.retrieval.words import content_words

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_SPACED = re.compile(r"[^\W\d_\u3040-\u30ff\u3400-\u9fff]+")
_NAMED = re.compile(r"[\[【［]\s*(\d{1,3}(?:\s*[,，、;；]\s*\d{1,3})*)\s*[\]】］]")
_TASK = {
    (False, False): "Answer the question briefly.",
    (False, True): "Answer the question briefly from the text above.",
    (True, False): "请简短地回答问题。",
    (True, True): "请依据以上材料简短地回答问题。",
}
_CHOOSE = {
    (False, False): "Answer with the letter of the right choice.",
    (False, True): "Answer with the letter of the right choice. The text above may help.",
    (True, False): "请回答正确选项的字母。",
    (True, True): "请参考以上材料，回答正确选项的字母。",
}
_LABEL = {False: "Question: ", True: "问题："}


def messages(
    question: str, *, choices: Sequence[str] = (), passages: Sequence[Passage] = (), system: str = ""
) -> list[dict[str, str]]:
    """The chat that asks `question`: `system` (if any) and one user turn: passages, task, question.

    Args:
        question: As the user wrote it.
        choices: Listed as A., B., ..; at most 26.
        passages: Best first; shown best last, each under its heading.
        system: The system prompt that travels with the model.
    """
    assert len(choices) <= len(string.ascii_uppercase), f"{len(choices)} choices, expected at most 26"
    chinese = is_chinese(question)
    task = (_CHOOSE if choices else _TASK)[chinese, bool(passages)]
    shown = [f"{passage.heading}\n{passage.text}".strip() for passage in reversed(passages)]
    asked = [_LABEL[chinese] + question.strip()]
    asked += [f"{letter}. {choice}" for letter, choice in zip(string.ascii_uppercase, choices, strict=False)]
    user = "\n\n".join([*shown, task, "\n".join(asked)])
    return [*([{"role": "system", "content": system}] if system else []), {"role": "user", "content": user}]


def cited(answer: str, passages: Sequence[Passage]) -> tuple[Cited, ...]:
    """All shown passages, numbered from 1, the best first; those the answer rests on are marked.

    These are the ones it names as [n], should it do so; if it names none that was shown, the one whose content words it shares most, each word
    counting less the more of the passages have it; none if it shares no word with any.
    """
    named = {int(n) for found in _NAMED.finditer(answer) for n in re.findall(r"\d+", found[1])}
    named &= set(range(1, len(passages) + 1))
    if not named:
        named = {_likest(_NAMED.sub(" ", answer), passages)}
    return tuple(
        Cited(
            number=number,
            file=passage.file,
            page=passage.page,
            heading=passage.heading,
            text=passage.text,
            cited=number in named,
        )
        for number, passage in enumerate(passages, 1)
    )


def is_chinese(text: str) -> bool:
    """Whether a text has at least as many Chinese characters as words of other scripts, and any at all.

    >>> is_chinese("HTTP 协议是什么？"), is_chinese("What does 螺丝 mean?")
    (True, False)
    """
    characters = len(_HAN.findall(text))
    return characters > 0 and characters >= len(_SPACED.findall(text))


def _likest(answer: str, passages: Sequence[Passage]) -> int:
    """Number (from 1) of the passage most like the answer, 0 if it is like none."""
    words = [content_words(f"{passage.heading}\n{passage.text}") for passage in passages]
    spread = Counter(word for own in words for word in own)
    said = content_words(answer)
    shared = [sum(1 / spread[word] for word in said & own) for own in words]
    best = max(shared, default=0.0)
    return shared.index(best) + 1 if best else 0
