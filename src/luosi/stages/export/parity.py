"""The proof that what ships is what was trained: transformers computes the same logits from the Hugging Face folder, the engine continues
prompts the same from the GGUF, and both tokenize like us. Gives figures, or raises ParityError. Writes nothing.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tokenizers import Tokenizer

from luosi.errors import MissingDependency, ParityError
from luosi.models.engine import Engine
from luosi.models.generate import greedy
from luosi.models.tokenizer import chat_template, document_start, load_tokenizer
from luosi.models.transformer import Transformer
from luosi.stages.export.texts import CHATS, HARD_TEXTS, PROMPTS, random_texts

MAX_DIFFERENCE = 1e-4
"""Largest difference of a logit, in units of the logits' standard deviation."""
MAX_KL = 1e-9
"""Largest Kullback-Leibler divergence at a position, nats."""
MAX_NEAR_TIES = 0.1
"""Share of the prompts that may end in one (one prompt always may)."""
NEAR_TIE = 0.005
"""Gap of the two best logits, in units of their standard deviation, below which another order of summation may choose the other."""
SEQUENCE = 128
RANDOM_TEXTS = 200
PARALLEL = 20

_HINT = (
    "this is a fault of Luosi or of the packages' versions, not of the model: nothing was published; please report it"
)

Figures = dict[str, float | int | str | bool]


class Prompts(NamedTuple):
    """What is continued: ids, and the texts they came from for messages."""

    ids: list[list[int]]
    texts: list[str]


def prompts(folder: Path, count: int, longest: int) -> Prompts:
    """`count` prompts, each begun with the document start and cut to `longest` tokens; after `PROMPTS`, random texts."""
    tokenizer, start = load_tokenizer(folder), document_start(folder)
    texts = [*PROMPTS, *(text for text in random_texts(4 * count, seed=1) if text)][:count]
    return Prompts([[start, *tokenizer.encode(text, add_special_tokens=False).ids][:longest] for text in texts], texts)


def same_logits(model: Transformer, hf: Path, sequences: Sequence[Sequence[int]]) -> Figures:
    """Compare with transformers' `from_pretrained(hf)` in fp32, position by position.

    Raises:
        ParityError: Beyond `MAX_DIFFERENCE` or `MAX_KL`.
        MissingDependency: transformers is not installed.
    """
    transformers = _transformers()
    theirs = transformers.AutoModelForCausalLM.from_pretrained(hf, dtype=torch.float32, local_files_only=True).eval()
    difference, divergence = 0.0, 0.0
    with torch.inference_mode():
        for sequence in sequences:
            tokens = torch.tensor([sequence])
            a, b = model(tokens).double(), theirs(tokens).logits.double()
            if not (a.isfinite().all() and b.isfinite().all()):  # max() below would lose a NaN
                raise ParityError(
                    "the model computes numbers that are none (NaN or infinity): its weights are broken", hint=_HINT
                )
            difference = max(difference, float((a - b).abs().max() / a.std()))
            p, q = a.log_softmax(-1), b.log_softmax(-1)
            divergence = max(divergence, float((p.exp() * (p - q)).sum(-1).max()))
    if difference > MAX_DIFFERENCE or divergence > MAX_KL:
        raise ParityError(
            f"transformers computes other logits: largest difference {difference:.2e} of their standard deviation "
            f"(at most {MAX_DIFFERENCE:.0e}), divergence {divergence:.2e} nats (at most {MAX_KL:.0e})",
            hint=_HINT,
        )
    return {"logits_max_difference": difference, "logits_max_kl": max(divergence, 0.0)}


def same_ids_in_transformers(hf: Path) -> Figures:
    """Compare ids of `HARD_TEXTS` and random texts with those of transformers' `AutoTokenizer`.

    Raises:
        ParityError: A text gives other ids; shows it.
    """
    theirs = _transformers().AutoTokenizer.from_pretrained(hf, local_files_only=True)
    texts = all_texts()
    _compare_ids("transformers", load_tokenizer(hf), texts, [theirs(text)["input_ids"] for text in texts])
    return {"texts_tokenized": len(texts)}


def same_ids_in_engine(engine: Engine, folder: Path) -> None:
    """Compare the same ids with the engine's /tokenize, special tokens and what begins a text included.

    Raises:
        ParityError: A text gives other ids; shows it.
    """
    texts = all_texts()
    with ThreadPoolExecutor(PARALLEL) as pool:
        theirs = list(pool.map(lambda text: engine.tokenize(text, document_start=True), texts))
    _compare_ids("the engine", load_tokenizer(folder), texts, theirs)


def same_chats(engine: Engine, folder: Path) -> Figures:
    """Compare conversations as the engine and transformers put them to the model, if the folder has a chat template.

    Raises:
        ParityError: They differ; shows both.
    """
    if chat_template(folder) is None:
        return {}
    theirs = _transformers().AutoTokenizer.from_pretrained(folder, local_files_only=True)
    for chat in CHATS:
        messages = [
            {"role": "assistant" if number % 2 else "user", "content": text} for number, text in enumerate(chat)
        ]
        text = theirs.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        other = engine.request("POST", "/apply-template", {"messages": messages})["prompt"]
        if text != other:
            raise ParityError(f"the engine puts a conversation as {other!r}, transformers as {text!r}", hint=_HINT)
    return {"chats_equal": len(CHATS)}


def same_continuations(engine: Engine, model: Transformer, given: Prompts, tokens: int) -> Figures:
    """Continue every prompt greedily by `tokens` tokens, here and in the engine (started `exact`).

    A first difference is let pass only where our two best logits lie closer than `NEAR_TIE`; such prompts are counted.

    Raises:
        ParityError: Any other difference; shows where.
    """
    with ThreadPoolExecutor(PARALLEL) as pool:
        answers = pool.map(lambda prompt: continued(engine, prompt, tokens), given.ids)
        ours = greedy(model, given.ids, tokens)  # meanwhile
        theirs = list(answers)
    near_ties = 0
    for text, mine, gaps, other in zip(given.texts, ours.tokens, ours.gaps, theirs, strict=True):
        differing = next((place for place in range(tokens) if mine[place] != other[place]), None)
        if differing is None:
            continue
        if not gaps[differing] < NEAR_TIE:
            raise ParityError(
                f"the engine continues {text!r} with token {other[differing]} at place {differing}, we with {mine[differing]} "
                f"(ahead by {gaps[differing]:.3f} of the logits' standard deviation, a near-tie is below {NEAR_TIE})",
                hint=_HINT,
            )
        near_ties += 1
    count = len(given.ids)
    if near_ties > max(1, count * MAX_NEAR_TIES):
        raise ParityError(
            f"{near_ties} of {count} prompts are continued differently by the engine, at near-ties", hint=_HINT
        )
    return {"continuations": count, "continuations_equal": count - near_ties, "near_ties": near_ties}


def continued(engine: Engine, prompt: Sequence[int], tokens: int) -> list[int]:
    """Exactly `tokens` greedy tokens: where the engine stops at an end token, that one is counted and it is asked to go on."""
    result: list[int] = []
    while len(result) < tokens:
        answer = engine.complete([*prompt, *result], tokens=tokens - len(result))
        assert answer.tokens, "the engine answered without a token"
        result += answer.tokens
    return result


def all_texts() -> list[str]:
    """What tokenizers are compared on."""
    return [*HARD_TEXTS, *random_texts(RANDOM_TEXTS, seed=0)]


def _compare_ids(who: str, ours: Tokenizer, texts: Sequence[str], theirs: Sequence[Sequence[int]]) -> None:
    for text, other in zip(texts, theirs, strict=True):
        mine = ours.encode(text).ids
        if mine != list(other):
            raise ParityError(f"{who} tokenizes {text!r} as {list(other)}, we as {mine}", hint=_HINT)


def _transformers() -> Any:
    """The package, kept off the network and quiet."""
    os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"
    try:
        import transformers
    except ImportError as error:
        install = "pip install 'luosi[train]'"
        raise MissingDependency("transformers", needed_for="the proof of parity", install=install) from error
    transformers.utils.logging.set_verbosity(logging.ERROR)
    transformers.utils.logging.disable_progress_bar()
    return transformers
