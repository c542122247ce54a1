"""Demand: how many answers a model is made for, as read from text such as "1000 a day for 1 year", and the machine's time for one.

Knows no budgets and no recipes.
"""

from __future__ import annotations

import math
import re

from luosi.artifacts.shape import ModelShape
from luosi.cost import Estimate, Machine
from luosi.errors import UsageError
from luosi.models.flops import forward_flop

DAYS = {"hour": 1 / 24, "day": 1.0, "week": 7.0, "month": 365 / 12, "year": 365.0}

_FORM = re.compile(
    r"(?P<count>[0-9][0-9_,]*(?:\.[0-9]+)?)\s*(?:answers?\s*)?(?:an?|per|/)\s*(?P<each>{0})\s+for\s+"
    r"(?P<long>an?|[0-9]+(?:\.[0-9]+)?)\s*(?P<unit>{0})s?".format("|".join(DAYS)),
    re.IGNORECASE,
)

PROMPT_TOKENS, ANSWER_TOKENS = 1000, 300
"""Of an answer, as the verdict's comparison with rented models takes them."""
READING = 1.9
"""Of the machine's fp32 FLOP/s, while the engine reads a prompt: it multiplies in 8 bits."""
WRITING_BYTES_PER_S = 1.8e10
"""Of 8-bit weights, each read once for a token of an answer, one answer at a time. Both measured on two AVX512 cores of 1.0e11 fp32
FLOP/s: models of 4.2 and 135 M parameters read 18,107 and 717 tokens/s of prompt and write 3,583 and 136."""


def parse_demand(text: str) -> float:
    """How many answers in all `text` asks for; 0 for "".

    Raises:
        UsageError: It says no such thing; the hint shows what does.

    >>> parse_demand("1000 a day for 1 year")
    365000.0
    """
    if not text.strip():
        return 0.0
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{text!r} does not say how many answers for how long", hint='as in "1000 a day for 1 year"')
    count = float(re.sub("[_,]", "", match["count"]))
    long = 1.0 if match["long"].lower() in ("a", "an") else float(match["long"])
    answers = count / DAYS[match["each"].lower()] * long * DAYS[match["unit"].lower()]
    if not 0 < answers < math.inf:
        raise UsageError(f"{text!r} asks for no answers", hint='leave it out, or say as in "1000 a day for 1 year"')
    return answers


def answering(shape: ModelShape, machine: Machine, answers: float) -> Estimate:
    """What `answers` answers of a model of `shape`, shipped in 8 bits, take of this machine."""
    if not answers:
        return Estimate()
    reading = forward_flop(shape, PROMPT_TOKENS, PROMPT_TOKENS)
    writing = forward_flop(shape, ANSWER_TOKENS, PROMPT_TOKENS)
    seconds = reading / (machine.fp32_flops * READING) + ANSWER_TOKENS * shape.parameters / WRITING_BYTES_PER_S
    return machine.estimate("answering", seconds=answers * seconds, flop=answers * (reading + writing))
