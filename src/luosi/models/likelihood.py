"""A shipped model as a measure of text: the bits it needs for tokens, and which of several choices a prompt makes likelier.

Weights and tokenizer both come from the GGUF. The weights are its de-quantised values, computed with here by PyTorch: the file as
shipped, not the engine's integer arithmetic. Nothing is read from the folder the model was trained in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate, islice
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor

from luosi.errors import StageError
from luosi.models.choices import continuations
from luosi.models.gguf import GGUFModel, read_gguf
from luosi.models.logits import row_blocks
from luosi.models.precision import Precision, round_linear_weights
from luosi.models.tokenizer import END_OF_TEXT
from luosi.models.transformer import KVCache, Transformer
from luosi.models.weights import model_from_state

LOGITS = 1 << 25  # at most so many at once


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
        most = max(1, LOGITS // head_VC.shape[0])
        nats: list[Tensor] = []
        for some_NC, some_N in zip(torch.split(hidden_NC, most), torch.split(targets_N, most), strict=True):
            logits_NV = F.linear(some_NC, head_VC)
            for rows in row_blocks(logits_NV):
                nats.append(F.cross_entropy(logits_NV[rows].float(), some_N[rows], reduction="none"))
        return [value / math.log(2) for value in torch.cat(nats).tolist()]


def open_language_model(gguf: Path, precision: Precision) -> LanguageModel:
    """The model of a GGUF file, on the fastest device here; compute with it under `torch.inference_mode` and `autocast`.

    Raises:
        InputError: The file cannot be read.
        StageError: Its tokenizer has no token to start a document with.
    """
    ships = read_gguf(gguf)
    model = model_from_state(ships.shape, ships.state).to("cuda" if torch.cuda.is_available() else "cpu")
    if precision == "bf16":
        round_linear_weights(model)
    return LanguageModel(model, ships.tokenizer, start_token(ships))


def start_token(ships: GGUFModel) -> int:
    """Id of the token before a document, as in training: <|endoftext|> if the vocabulary has it, else bos, else eos.

    Raises:
        StageError: The tokenizer has none of them.
    """
    for number in (ships.tokenizer.token_to_id(END_OF_TEXT), ships.specials.bos, ships.specials.eos):
        if number is not None:
            return int(number)
    raise StageError(f"the tokenizer of {ships.name} has no {END_OF_TEXT}, bos or eos token to start a document with")


def choice_bits(lm: LanguageModel, prompt: str, choices: Sequence[str]) -> list[float]:
    """The bits of each choice after the prompt, and then of each choice alone: 2 k numbers.

    Prompt and choice are encoded apart, so that no token spans the boundary and the bytes scored are the same for every
    model. The prompt is computed once and its keys and values are shared by the choices; what does not fit the context is
    cut from its left.
    """
    stem, texts = continuations(prompt, choices)
    encoded = [lm.encode(text)[0][: lm.context - 1] for text in texts]
    room = lm.context - 1 - max(map(len, encoded))
    before = lm.encode(stem)[0]
    before = [lm.start, *before[max(0, len(before) - room) :]]
    alone_BTC = lm.hidden([[lm.start, *ids[:-1]] for ids in encoded])
    alone = [row_TC[: len(ids)] for row_TC, ids in zip(alone_BTC, encoded, strict=True)]
    bits_alone = span_bits(lm, alone, encoded)
    cache = KVCache()
    last_C = lm.hidden([before], cache)[0, -1]
    after_BTC = lm.hidden([list(ids) for ids in encoded], cache.expand(len(encoded)))
    after = [torch.cat((last_C[None], row_TC))[: len(ids)] for row_TC, ids in zip(after_BTC, encoded, strict=True)]
    return span_bits(lm, after, encoded) + bits_alone


def span_bits(lm: LanguageModel, states: Sequence[Tensor], targets: Sequence[Sequence[int]]) -> list[float]:
    """Bits of each span of tokens: `states` [T, C] each, of which the t-th stands before the t-th of its `targets`."""
    bits = iter(lm.bits(torch.cat(list(states)), [token for span in targets for token in span]))
    return [math.fsum(islice(bits, len(span))) for span in targets]
