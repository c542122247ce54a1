"""Questions made by a model: it is shown two passages with a question and an answer each, then a third, and goes on.

A completion, not a chat, so that base models and small ones can do it; a grammar keeps it to one question and one answer. What it
gives is only a candidate: a small model invents answers, and the filter that wants the answer in the passage is what makes it honest.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from luosi.artifacts import Passage
from luosi.models.engine import Engine
from luosi.retrieval.prompt import is_chinese, messages
from luosi.stages.pairs.candidate import Candidate, said_in
from luosi.stages.pairs.pool import around

ANSWER_TOKENS = 160
CONTEXT = 2048
"""Tokens of prompt and answer together."""
ASK_CHARS = {False: 700, True: 300}
"""Of a passage at most: fits CONTEXT with any byte-level tokenizer that knows the language badly."""

_SHOTS = {
    False: (
        "Passage: The museum is open from 10 am to 6 pm. On Mondays it is closed. Children under 12 pay nothing.\n"
        "Question: On which day is the museum closed?\nAnswer: On Mondays\n\n"
        "Passage: Photosynthesis: The process by which green plants use sunlight to make food from carbon dioxide and water.\n"
        "Question: What is photosynthesis?\n"
        "Answer: The process by which green plants use sunlight to make food from carbon dioxide and water\n\nPassage: {}\n"
    ),
    True: (
        "材料：博物馆每天上午十点开门，下午六点关门，星期一闭馆。十二岁以下儿童免票。\n"
        "问题：博物馆星期几闭馆？\n答案：星期一\n\n"
        "材料：光合作用，是指绿色植物利用阳光，用二氧化碳和水制造养料的过程。\n"
        "问题：什么是光合作用？\n答案：绿色植物利用阳光，用二氧化碳和水制造养料的过程\n\n材料：{}\n"
    ),
}
_GRAMMAR = {
    False: r'root ::= "Question: " [A-Z] [^?\n]{6,180} "?\nAnswer: " [^\n]{1,400} "\n"',
    True: r'root ::= "问题：" [^?？\n]{4,60} "？\n答案：" [^\n]{1,200} "\n"',
}
_REPLY = re.compile(r"^(?:Question: |问题：)(?P<question>[^\n]+[?？])\n(?:Answer: |答案：)(?P<answer>[^\n]+)\n$")


class Asked(NamedTuple):
    """What the model gave for one passage; `question` is "" where it gave no whole question and answer."""

    question: str
    answer: str
    prompt_tokens: int
    answer_tokens: int


def ask(engine: Engine, passage: Passage) -> Asked:
    """One question about `passage` with its answer, greedily."""
    chinese = is_chinese(passage.text)
    text = " ".join(f"{passage.heading}: {passage.text}".removeprefix(": ").split())[: ASK_CHARS[chinese]]
    made = engine.complete(_SHOTS[chinese].format(text), tokens=ANSWER_TOKENS, grammar=_GRAMMAR[chinese])
    found = _REPLY.match(made.text)
    question, answer = (found["question"].strip(), found["answer"].strip()) if found else ("", "")
    return Asked(question, answer, made.prompt_tokens, len(made.tokens))


def candidate(asked: Asked, passage: Passage, model: str) -> Candidate:
    """What was asked, to be judged."""
    return Candidate(asked.question, asked.answer, "model", model, passage)


def confirms(engine: Engine, made: Candidate) -> tuple[bool, int, int]:
    """Whether the model gives a candidate's answer when shown its passage; prompt and answer tokens."""
    assert made.passage is not None
    passage = around(made.passage, made.answer, ASK_CHARS[is_chinese(made.passage.text)])
    body = {
        "messages": messages(made.question, passages=[passage]),
        "temperature": 0,
        "max_tokens": ANSWER_TOKENS,
        "cache_prompt": False,
    }
    reply = engine.request("POST", "/v1/chat/completions", body)
    said = str(reply["choices"][0]["message"]["content"] or "")
    right = said_in(made.answer, said) or (len(said) > 3 and said_in(said, made.answer))
    return right, int(reply["usage"]["prompt_tokens"]), int(reply["usage"]["completion_tokens"])
