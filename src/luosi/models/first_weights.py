"""The weights that training from scratch begins with: random ones, or such that the model can copy, and knows its words, before it learns.

What a small model learns late, and by chance, is to go on as the same words went on before: an induction head (Olsson et al. 2022,
arXiv 2209.11895) needs one layer that tells each position which word came before it, and a later one that looks for that word; either
is useless without the other. `wire` writes both into one head of the first two layers, as plain weights of the same shapes,
and training goes on from there. (Trockman & Kolter 2023, arXiv 2305.09828, "mimetic initialization", give queries and keys such a
structure for other reasons.) Where a table of word vectors is at hand the embedding begins as that. Knows no texts.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from luosi.models.transformer import Attention, Layer, Transformer

EMBEDDING = 0.5
"""Deviation of a wired model's embedding: words stay apart for as long as the learning rate of vectors (0.03) leaves them."""
COMMON = 1.0
"""Length of the part that all words have in common, as a share of what is their own."""
OWN_LOGIT = 4.0
"""What a word's own logit starts with where the head is the embedding, or begins as it: near-uniform guesses."""
NOISE = 0.5
"""Of the deviation of an embedding that begins as word vectors: words of like company must be told apart."""
NEAR = 0.3
"""Radians a position: pairs of dimensions that turn as fast tell neighbours apart."""
SHARPNESS = 1.5
"""Norm weights of the first layer's queries and keys."""
TURN = 2.0
"""Radians over the context: pairs that turn less are alike near and far."""
WRITTEN = 1.5
"""What the first layer writes of the word before, in lengths of a word."""
COPIED = 1.0
"""What the second writes of the word that followed."""
MATCHED = 1.5
"""Norm weights of the second layer's queries and keys, where they match."""


@torch.no_grad()
def initialise(model: Transformer, seed: int) -> None:
    """Fill the parameters for training from scratch; the same seed gives the same bits on every device.

    Matrices are normal with deviation 1/sqrt(inputs), which keeps activations at unit size; those that write into the
    residual stream (o_proj, down_proj) are zero, so that every block starts as the identity; norms one, biases zero.
    The first guess must be near uniform. With a tied head and blocks that do nothing yet, a token's own logit is
    width * deviation of the embedding (16 at width 256 with the usual 1/sqrt(width): a loss of 16 instead of 8), so that
    deviation is 4/width. A head of its own has 1/width, and then the embedding has 1.
    """
    generator = torch.Generator(device="cpu").manual_seed(seed)
    width, tied = model.shape.width, model.shape.tied
    deviations = {"model.embed_tokens.weight": OWN_LOGIT / width if tied else 1.0, "lm_head.weight": 1 / width}
    for name, parameter in model.named_parameters():
        if name.endswith("bias") or "o_proj" in name or "down_proj" in name:
            parameter.zero_()
        elif "norm" in name:
            parameter.fill_(1.0)
        else:
            deviation = deviations.get(name, 1 / math.sqrt(parameter.shape[-1]))
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * deviation)


@torch.no_grad()
def wire(model: Transformer, seed: int, words_VC: Tensor | None = None) -> None:
    """Give an initialised Qwen3 model an induction head, and its embedding `words_VC`.

    All words share a part of their vectors, c. In the first layer a head's queries and keys see only c, and turn so that each position
    attends to the one before; its values are r directions of the word there, written to r others. In the second layer a head's
    queries are those r directions of the word at hand, its keys what the first wrote: it attends to what followed the same
    word before, and writes half of that word. Models of one layer only get the embedding.

    Args:
        model: Just filled by `initialise`.
        seed: Of the directions.
        words_VC: A vector for each word, of unit deviation; rows of zeros where nothing is known. None for random vectors.
    """
    shape = model.shape
    assert shape.family == "qwen3", "the scores' size rests on normed queries and keys"
    generator = torch.Generator(device="cpu").manual_seed(seed + 1)
    basis_CC = torch.linalg.qr(torch.randn(shape.width, shape.width, generator=generator))[0]
    common_C, rest_CC = basis_CC[:, 0], basis_CC[:, 1:]
    _embed(model, common_C, words_VC)
    if shape.layers > 1:
        r = min(shape.head_dim, (shape.width - 1) // 2)
        read_rC, written_Cr = rest_CC[:, :r].T, rest_CC[:, r : 2 * r]
        first, second = (_attention(model, number) for number in (0, 1))
        _look_back(first, common_C, model.frequencies.cpu())
        # of a normed word, what r directions of its own part hold
        own = math.sqrt(r / (shape.width - 1) / (1 + COMMON**2))
        _carry(first, read_rC, written_Cr, WRITTEN * EMBEDDING / own)
        frequencies = model.frequencies.cpu()
        slowest = float(frequencies[3 * len(frequencies) // 4])
        _match(second, read_rC, written_Cr, frequencies <= max(TURN / shape.context, slowest))
        copied_rC = torch.linalg.qr(rest_CC @ torch.randn(shape.width - 1, r, generator=generator))[0].T
        _carry(second, copied_rC, copied_rC.T, COPIED * EMBEDDING / own)


def _attention(model: Transformer, number: int) -> Attention:
    layer = model.model.layers[number]
    assert isinstance(layer, Layer)
    return layer.self_attn


def _embed(model: Transformer, common_C: Tensor, words_VC: Tensor | None) -> None:
    """Vectors of deviation EMBEDDING, `words_VC` under noise or noise alone, and the part in common; the head begins as these too, its guesses near uniform."""
    embedding = model.model.embed_tokens.weight
    noise = embedding / embedding.std()
    if words_VC is None:
        own = noise
    else:
        share = torch.where(words_VC.any(1, keepdim=True), NOISE, 1.0)
        own = share * noise + (1 - share**2).sqrt() * words_VC
    own = own - (own @ common_C)[:, None] * common_C
    embedding.copy_(EMBEDDING * (own + COMMON * math.sqrt(len(common_C)) * common_C))
    if model.lm_head is not None:
        model.lm_head.weight.copy_(embedding)
    model.model.norm.weight.fill_(OWN_LOGIT / (model.shape.width * EMBEDDING))


def _look_back(attention: Attention, common_C: Tensor, frequencies: Tensor) -> None:
    """Head 0 attends to the position before: its query is the key turned by one position, in the dimensions that turn fast."""
    assert attention.q_norm is not None and attention.k_norm is not None
    size, near = attention.head_dim, frequencies >= NEAR
    query_D = torch.cat((near, torch.zeros_like(near))).float() / near.sum().sqrt()
    key_D = torch.cat((near * frequencies.cos(), near * frequencies.sin())) / near.sum().sqrt()
    for projection, wanted_D in ((attention.q_proj, query_D), (attention.k_proj, key_D)):
        head = projection.weight[:size]
        head.mul_(0.5).add_(2.0 * wanted_D[:, None] * common_C)
    attention.q_norm.weight.fill_(SHARPNESS)
    attention.k_norm.weight.fill_(SHARPNESS)


def _match(attention: Attention, read_rC: Tensor, written_Cr: Tensor, slow: Tensor) -> None:
    """Head 0 attends to where `written` holds what `read` finds here, in dimensions that hardly turn over the context."""
    chosen = torch.cat((slow, slow)).nonzero().flatten()[: len(read_rC)]
    for projection, wanted_rC in ((attention.q_proj, read_rC), (attention.k_proj, written_Cr.T)):
        head = projection.weight[: attention.head_dim]
        head.mul_(0.3)
        head[chosen] += 2.0 * wanted_rC[: len(chosen)]
    assert attention.q_norm is not None and attention.k_norm is not None
    attention.q_norm.weight[chosen] = MATCHED
    attention.k_norm.weight[chosen] = MATCHED


def _carry(attention: Attention, read_rC: Tensor, write_Cr: Tensor, size: float) -> None:
    """Head 0 carries `read` of what it attends to into `write`, `size` times."""
    r = len(read_rC)
    attention.v_proj.weight[:r] = read_rC
    attention.o_proj.weight[:, :r] = size * write_Cr
