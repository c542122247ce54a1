"""A sentence encoder: texts to unit vectors, the mean of the last states of a small BERT (Devlin et al. 2018).

Made from given weights, or from a Hugging Face folder. Computes in bf16 where that is faster. Where the weights come from and what
the vectors are for is not known here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.numpy import load_file
from tokenizers import Tokenizer
from torch import Tensor, nn

from luosi.models.precision import autocast, best_precision, round_linear_weights

Array = npt.NDArray[np.floating]
Vectors = npt.NDArray[np.float32]
BATCH_TOKENS = 8192
"""Tokens worked on at once, padding included: what bounds the memory."""

STEP_TOKENS = 16
"""Lengths are rounded up to whole steps of so many, and numbers of rows to a few: for each new shape oneDNN keeps buffers of its own."""


class Encoder:
    """Texts to unit vectors. Thread-safe, but for `tokens`: how many it went through so far.

    Args:
        weights: By the names Hugging Face gives the tensors of a BertModel.
        heads: Attention heads.
        eps: Of the layer norms.
        tokenizer: With its special tokens and its truncation set.
    """

    def __init__(self, weights: Mapping[str, Array], *, heads: int, eps: float, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._precision = best_precision("cpu")
        words, places, kinds = (
            torch.from_numpy(weights[f"embeddings.{name}_embeddings.weight"])
            for name in ("word", "position", "token_type")
        )
        self._words, self._places = words, places + kinds[0]
        self.width = self._words.shape[1]
        self.tokens = 0
        self._norm = nn.LayerNorm(self.width, eps=eps)
        _fill(self._norm, weights, "embeddings.LayerNorm")
        depth = 1 + max(int(name.split(".")[2]) for name in weights if name.startswith("encoder.layer."))
        self._layers = nn.ModuleList(_layer(weights, f"encoder.layer.{n}.", heads, eps) for n in range(depth)).eval()
        if self._precision == "bf16":
            round_linear_weights(self._layers)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """(len(texts), width), each of length 1; texts over the tokenizer's limit are cut there."""
        found = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        self.tokens += sum(map(len, found))
        order = sorted(range(len(found)), key=lambda place: len(found[place]))
        result = np.zeros((len(found), self.width), np.float32)
        for batch in _batches(order, [len(ids) for ids in found]):
            result[batch] = self._encode([found[place] for place in batch])
        return result

    @torch.inference_mode()
    def _encode(self, rows: Sequence[Sequence[int]]) -> Vectors:
        count, longest = len(rows), min(_rounded(max(map(len, rows))), len(self._places))
        rows = [*rows, *([[0]] * (_rows(count, longest) - count))]
        ids_NT = torch.tensor([[*row, *([0] * (longest - len(row)))] for row in rows])
        real_NT = torch.arange(longest) < torch.tensor([[len(row)] for row in rows])
        state_NTC = self._norm(self._words[ids_NT].float() + self._places[:longest])
        mask = None if bool(real_NT.all()) else real_NT[:, None, None, :]
        with autocast(self._precision, "cpu"):
            for layer in self._layers:
                state_NTC = layer(state_NTC, mask)
        summed = (state_NTC.float() * real_NT[:, :, None]).sum(1)
        return nn.functional.normalize(summed[:count], dim=1).numpy()


class _Layer(nn.Module):
    """One block of BERT: attention, then a feed-forward net, a layer norm after each."""

    def __init__(self, width: int, ff: int, heads: int, eps: float) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.attended = nn.Linear(width, width)
        self.attended_norm = nn.LayerNorm(width, eps=eps)
        self.up = nn.Linear(width, ff)
        self.down = nn.Linear(ff, width)
        self.norm = nn.LayerNorm(width, eps=eps)

    def forward(self, state_NTC: Tensor, mask: Tensor | None) -> Tensor:
        n, t, c = state_NTC.shape
        q, k, v = self.qkv(state_NTC).view(n, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).reshape(n, t, c)
        state_NTC = self.attended_norm(state_NTC + self.attended(mixed))
        return self.norm(state_NTC + self.down(nn.functional.gelu(self.up(state_NTC))))  # type: ignore[no-any-return]


def _layer(weights: Mapping[str, Array], prefix: str, heads: int, eps: float) -> _Layer:
    ff, width = weights[prefix + "intermediate.dense.weight"].shape
    layer = _Layer(width, ff, heads, eps)
    for part in ("weight", "bias"):
        three = [weights[f"{prefix}attention.self.{name}.{part}"] for name in ("query", "key", "value")]
        getattr(layer.qkv, part).data = torch.from_numpy(np.concatenate(three))
    _fill(layer.attended, weights, prefix + "attention.output.dense")
    _fill(layer.attended_norm, weights, prefix + "attention.output.LayerNorm")
    _fill(layer.up, weights, prefix + "intermediate.dense")
    _fill(layer.down, weights, prefix + "output.dense")
    _fill(layer.norm, weights, prefix + "output.LayerNorm")
    return layer


def _fill(module: nn.Linear | nn.LayerNorm, weights: Mapping[str, Array], name: str) -> None:
    module.weight.data = torch.from_numpy(weights[f"{name}.weight"])
    module.bias.data = torch.from_numpy(weights[f"{name}.bias"])


def _rounded(length: int) -> int:
    return -(-length // STEP_TOKENS) * STEP_TOKENS


def _rows(count: int, length: int) -> int:
    """Rows of that length to work on at once for `count` real ones: a full batch, or a power of two."""
    return min(max(1, BATCH_TOKENS // length), 1 << (count - 1).bit_length())


def _batches(order: Sequence[int], lengths: Sequence[int]) -> list[list[int]]:
    """Places in `order` (shortest first) grouped so that no group has more than BATCH_TOKENS, padding included."""
    batches: list[list[int]] = [[]]
    for place in order:
        if batches[-1] and _rounded(lengths[place]) * (len(batches[-1]) + 1) > BATCH_TOKENS:
            batches.append([])
        batches[-1].append(place)
    return batches if order else []


def load_folder(folder: Path, *, most_tokens: int) -> Encoder:
    """The encoder in a Hugging Face folder (config.json, model.safetensors, tokenizer.json)."""
    config = json.loads((folder / "config.json").read_bytes())
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(most_tokens)
    weights = load_file(folder / "model.safetensors")
    return Encoder(weights, heads=config["num_attention_heads"], eps=config["layer_norm_eps"], tokenizer=tokenizer)
