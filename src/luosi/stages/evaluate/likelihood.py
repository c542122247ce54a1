"""A shipped model as a measure of text: the bits it needs for tokens, and from them the bits of documents and of choices.

Weights and tokenizer both come from the GGUF. The weights are its de-quantised values, computed with here by PyTorch: the file as
shipped, not the engine's integer arithmetic. Nothing is read from the folder the model was trained in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, islice

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor

from luosi.artifacts import Document, Question
from luosi.errors import StageError
from luosi.models.gguf import GGUFModel
from luosi.models.tokenizer import END_OF_TEXT
from luosi.models.transformer import KVCache, Transformer
from luosi.stages.evaluate.answers import parts
from luosi.stages.evaluate.journal import Journal
from luosi.stages.evaluate.windows import Window, make_batches, plan_windows

BATCH_TOKENS = 4096
LOGITS = 1 << 25  # at most so many at once, 128 MiB in fp32

Advance = Callable[[float], None]
"""Told after each piece how many texts (documents or questions) it was, in parts of one."""


class LanguageModel:
    """A model, its tokenizer, and the token that stands before a document.

    Args:
        model: On its device, not to be trained.
        tokenizer: Its own; text that looks like a special token is spelt out like any other text.
        start: Id of the token before the first token of a document.
    """

    def __init__(self, model: Transformer, tokenizer: Tokenizer, start: int) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.tokenizer.encode_special_tokens = True
        self.start = start
        self.context = model.shape.context
        self.device = model.head_weight.device
        self.tokens_read = 0

    def encode(self, text: str) -> tuple[list[int], list[int]]:
        """Token ids of `text`, and for each the UTF-8 byte of `text` at which it begins."""
        encoding = self.tokenizer.encode(text, add_special_tokens=False)
        byte_of = list(accumulate((len(character.encode()) for character in text), initial=0))
        return encoding.ids, [byte_of[first] for first, _ in encoding.offsets]

    def hidden(self, tokens: list[list[int]], cache: KVCache | None = None) -> Tensor:
        """States [B, T, C] after each token; shorter rows are padded on the right, where causal attention never looks."""
        longest = max(map(len, tokens))
        self.tokens_read += sum(map(len, tokens))
        padded_BT = torch.tensor([row + [self.start] * (longest - len(row)) for row in tokens], device=self.device)
        return self.model.hidden(padded_BT, cache=cache)

    def bits(self, hidden_NC: Tensor, targets: Sequence[int]) -> list[float]:
        """-log2 of the probability of each target after the state in the same row."""
        targets_N = torch.tensor(targets, device=self.device)
        head_VC = self.model.head_weight
        rows = max(1, LOGITS // head_VC.shape[0])
        nats: list[Tensor] = []
        for some_NC, some_N in zip(torch.split(hidden_NC, rows), torch.split(targets_N, rows), strict=True):
            logits_NV = F.linear(some_NC, head_VC).float()
            nats.append(F.cross_entropy(logits_NV, some_N, reduction="none"))
        return [value / math.log(2) for value in torch.cat(nats).tolist()]


def start_token(ships: GGUFModel) -> int:
    """Id of the token before a document, as in training: <|endoftext|> if the vocabulary has it, else bos, else eos.

    Raises:
        StageError: The tokenizer has none of them.
    """
    for number in (ships.tokenizer.token_to_id(END_OF_TEXT), ships.specials.bos, ships.specials.eos):
        if number is not None:
            return int(number)
    raise StageError(f"the tokenizer of {ships.name} has no {END_OF_TEXT}, bos or eos token to start a document with")


def document_bits(lm: LanguageModel, documents: Sequence[Document], journal: Journal, advance: Advance) -> list[float]:
    """Bits of each document: the sum over all its tokens, every one after the start token and the context of its window."""
    encoded = [lm.encode(document.text) for document in documents]
    windows = [w for n, (_, first_bytes) in enumerate(encoded) for w in plan_windows(n, first_bytes, lm.context)]
    totals = [0.0] * len(documents)
    documents_per_token = len(documents) / max(1, sum(window.length for window in windows))
    for number, batch in enumerate(make_batches(windows, BATCH_TOKENS)):
        name = f"batch {number}"
        if name not in journal.done:
            journal.add(name, _window_bits(lm, [encoded[w.document][0] for w in batch], batch))
        for window, bits in zip(batch, journal.done[name], strict=True):
            totals[window.document] += bits
        advance(sum(window.length for window in batch) * documents_per_token)
    return totals


def _window_bits(lm: LanguageModel, ids: Sequence[list[int]], batch: Sequence[Window]) -> list[float]:
    """Bits of the scored tokens of each window; `ids` are the tokens of each window's document."""
    hidden_BTC = lm.hidden([[lm.start, *row[w.start : w.end - 1]] for row, w in zip(ids, batch, strict=True)])
    spans = [hidden_BTC[n, w.scored - w.start : w.length] for n, w in enumerate(batch)]
    targets = [row[w.scored : w.end] for row, w in zip(ids, batch, strict=True)]
    return _sums(lm.bits(torch.cat(spans), [token for span in targets for token in span]), map(len, targets))


def choice_bits(
    lm: LanguageModel, questions: Sequence[Question], journal: Journal, advance: Advance
) -> list[list[float]]:
    """For each question the bits of each choice after the prompt, and then of each choice alone: 2 k numbers.

    Prompt and choice are encoded apart, so that no token spans the boundary and the bytes scored are the same for every
    model. The prompt is computed once and its keys and values are shared by the choices; what does not fit the context is
    cut from its left.
    """
    for question in questions:
        name = f"question {question.id}"
        if name not in journal.done:
            prompt, continuations = parts(question)
            choices = [lm.encode(text)[0][: lm.context - 1] for text in continuations]
            room = lm.context - 1 - max(map(len, choices))
            before = lm.encode(prompt)[0]
            before = [lm.start, *before[max(0, len(before) - room) :]]
            alone = _window_bits(lm, choices, [Window(0, 0, 0, len(ids)) for ids in choices])
            journal.add(name, _continuation_bits(lm, before, choices) + alone)
        advance(1)
    return [journal.done[f"question {question.id}"] for question in questions]


def _continuation_bits(lm: LanguageModel, before: list[int], choices: Sequence[list[int]]) -> list[float]:
    """Bits of each choice after the tokens `before`."""
    cache = KVCache()
    last_C = lm.hidden([before], cache)[0, -1]
    hidden_BTC = lm.hidden([list(choice) for choice in choices], cache.expand(len(choices)))
    states = [torch.cat((last_C[None], row_TC))[: len(ids)] for row_TC, ids in zip(hidden_BTC, choices, strict=True)]
    return _sums(lm.bits(torch.cat(states), [token for choice in choices for token in choice]), map(len, choices))


def _sums(values: Sequence[float], lengths: Iterable[int]) -> list[float]:
    """Sums of successive runs of `values` of the given lengths."""
    stream = iter(values)
    return [math.fsum(islice(stream, length)) for length in lengths]
