"""Bits per byte on the held-out documents, by the rule of Luosi's evaluate stage: every token once, after the document start and the
context of its window. The same tokens, windows and batches for every arm."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import accumulate

import torch
import torch.nn.functional as F
from torch import Tensor

from arms.runs import SEQUENCE, Data
from luosi.models.precision import autocast
from luosi.models.tokenizer import load_tokenizer
from luosi.stages.evaluate.windows import make_batches, plan_windows

BATCH_TOKENS = 1024

Logits = Callable[[Tensor], Tensor]
"""[B, T] token ids to [B, T, V] logits."""


class Heldout:
    """The held-out documents as batches of windows."""

    def __init__(self, data: Data) -> None:
        documents = list(data.made.corpus.documents("heldout"))
        self.bytes = sum(len(document.text.encode()) for document in documents)
        self.documents = len(documents)
        encoded = [_encode(data, document.text) for document in documents]
        windows = [w for n, (_, firsts) in enumerate(encoded) for w in plan_windows(n, firsts, SEQUENCE)]
        self._batches: list[tuple[Tensor, Tensor]] = []
        for batch in make_batches(windows, BATCH_TOKENS):
            tokens_BT = torch.full((len(batch), batch[0].length), data.marks.start)
            targets_BT = torch.full_like(tokens_BT, -100)
            for row, window in enumerate(batch):
                ids = torch.tensor(encoded[window.document][0][window.start : window.end])
                tokens_BT[row, 1 : len(ids)] = ids[:-1]
                scored = window.scored - window.start
                targets_BT[row, scored : len(ids)] = ids[scored:]
            self._batches.append((tokens_BT, targets_BT))

    def bits_per_byte(self, logits: Logits, *, exact: bool) -> float:
        """In fp32 if `exact`, else under bf16 autocast."""
        nats = 0.0
        with torch.no_grad(), autocast("fp32" if exact else "bf16", "cpu"):
            for tokens_BT, targets_BT in self._batches:
                scores = logits(tokens_BT).float().flatten(0, 1)
                nats += float(F.cross_entropy(scores, targets_BT.flatten(), reduction="sum"))
        return nats / math.log(2) / self.bytes


def _encode(data: Data, text: str) -> tuple[list[int], list[int]]:
    """Token ids, and for each the UTF-8 byte at which it begins."""
    tokenizer = load_tokenizer(data.made.tokenizer.path)
    tokenizer.encode_special_tokens = True
    encoding = tokenizer.encode(text, add_special_tokens=False)
    byte_of = list(accumulate((len(character.encode()) for character in text), initial=0))
    return encoding.ids, [byte_of[first] for first, _ in encoding.offsets]
