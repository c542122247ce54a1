"""A decoder-only transformer of the Qwen3, Qwen2 or Llama family, made from a ModelShape; parameter names are exactly
Hugging Face's, so a state dict moves between the two without renaming.

Pre-RMSNorm in fp32, SwiGLU, rotary positions in Hugging Face's half-split convention, grouped-query attention, QK-norm
before the rotation (Qwen3), biases on q, k and v (Qwen2), a head tied to the embedding or not. Knows nothing of files,
tokenizers, losses or optimizers.

Shape suffixes: B sequences, T positions, S positions attended to (cached ones first), H heads, K key-value heads, D head
dimension, C width, V vocabulary.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from luosi.artifacts.shape import ModelShape
from luosi.errors import InputError
from luosi.models.attention import attend
from luosi.models.precision import computed_in


class KVCache:
    """Keys and values of the positions seen so far, so that later tokens need not compute them again.

    Pass it to `Transformer.hidden` or `.forward`, which append to it. Give segments in every call or in none.
    """

    def __init__(self) -> None:
        self.layers: list[tuple[Tensor, Tensor]] = []
        self.segments_BS: Tensor | None = None

    @property
    def length(self) -> int:
        """Positions held."""
        return self.layers[0][0].shape[2] if self.layers else 0

    def append(self, layer: int, keys_BKTD: Tensor, values_BKTD: Tensor) -> tuple[Tensor, Tensor]:
        """Add new positions of one layer; returns all keys and values of it, [B, K, S, D]."""
        if layer == len(self.layers):
            self.layers.append((keys_BKTD, values_BKTD))
        else:
            keys, values = self.layers[layer]
            self.layers[layer] = (torch.cat((keys, keys_BKTD), 2), torch.cat((values, values_BKTD), 2))
        return self.layers[layer]

    def append_segments(self, segments_BT: Tensor) -> Tensor:
        """Add the new positions' segments; returns those of all positions, [B, S]. Call it before the layers' `append`."""
        assert (self.segments_BS is None) == (self.length == 0), "segments are given in every call or in none"
        self.segments_BS = segments_BT if self.segments_BS is None else torch.cat((self.segments_BS, segments_BT), 1)
        return self.segments_BS

    def expand(self, batch: int) -> KVCache:
        """A new cache for `batch` continuations of the one sequence held here; this one stays as it is, no copy is made."""
        wider = KVCache()
        wider.layers = [(k.expand(batch, -1, -1, -1), v.expand(batch, -1, -1, -1)) for k, v in self.layers]
        wider.segments_BS = None if self.segments_BS is None else self.segments_BS.expand(batch, -1)
        return wider

    def crop(self, length: int) -> None:
        """Forget all positions from `length` on."""
        self.layers = [(keys[:, :, :length], values[:, :, :length]) for keys, values in self.layers]
        if self.segments_BS is not None:
            self.segments_BS = self.segments_BS[:, :length]


class RMSNorm(nn.Module):
    """x / rms(x) * weight (Zhang & Sennrich 2019, arXiv 1910.07467), the division in fp32 whatever the input."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """[..., width] -> the same shape; rounded to the input's precision before the weight, as in transformers."""
        x32 = x.float()
        x32 = x32 * torch.rsqrt(x32.pow(2).mean(-1, keepdim=True) + self.eps)
        return self.weight * x32.to(x.dtype)


class Attention(nn.Module):
    """Grouped-query self-attention with rotary positions."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        bias = shape.family == "qwen2"
        self.head_dim = shape.head_dim
        self.q_proj = nn.Linear(shape.width, shape.heads * shape.head_dim, bias=bias)
        self.k_proj = nn.Linear(shape.width, shape.kv_heads * shape.head_dim, bias=bias)
        self.v_proj = nn.Linear(shape.width, shape.kv_heads * shape.head_dim, bias=bias)
        self.o_proj = nn.Linear(shape.heads * shape.head_dim, shape.width, bias=False)
        normed = shape.family == "qwen3"
        self.q_norm = RMSNorm(shape.head_dim, shape.norm_eps) if normed else None
        self.k_norm = RMSNorm(shape.head_dim, shape.norm_eps) if normed else None

    def forward(
        self, x_BTC: Tensor, rotary: tuple[Tensor, Tensor], mask: Tensor | None, cache: KVCache | None, layer: int
    ) -> Tensor:
        """[B, T, C] -> [B, T, C]; `mask` as `attend` takes it."""
        q_BTHD = self.q_proj(x_BTC).unflatten(-1, (-1, self.head_dim))
        k_BTKD = self.k_proj(x_BTC).unflatten(-1, (-1, self.head_dim))
        v_BKSD = self.v_proj(x_BTC).unflatten(-1, (-1, self.head_dim)).transpose(1, 2)
        if self.q_norm is not None and self.k_norm is not None:
            q_BTHD, k_BTKD = self.q_norm(q_BTHD), self.k_norm(k_BTKD)
        # the rotation is done in fp32 and rounded once, to what v (and so the kernel) has
        q_BHTD = rotate(q_BTHD, rotary).transpose(1, 2).to(v_BKSD.dtype)
        k_BKSD = rotate(k_BTKD, rotary).transpose(1, 2).to(v_BKSD.dtype)
        if cache is not None:
            k_BKSD, v_BKSD = cache.append(layer, k_BKSD, v_BKSD)
        y_BHTD = attend(q_BHTD, k_BKSD, v_BKSD, mask, rounded=torch.is_grad_enabled())
        y_BTC: Tensor = self.o_proj(y_BHTD.transpose(1, 2).flatten(2))
        return y_BTC


class MLP(nn.Module):
    """SwiGLU (Shazeer 2020, arXiv 2002.05202)."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.width, shape.ff, bias=False)
        self.up_proj = nn.Linear(shape.width, shape.ff, bias=False)
        self.down_proj = nn.Linear(shape.ff, shape.width, bias=False)

    def forward(self, x_BTC: Tensor) -> Tensor:
        """[B, T, C] -> [B, T, C]."""
        y_BTC: Tensor = self.down_proj(F.silu(self.gate_proj(x_BTC)) * self.up_proj(x_BTC))
        return y_BTC


class Layer(nn.Module):
    """One block: attention and MLP, each normed before and added to the residual stream."""

    def __init__(self, shape: ModelShape, number: int) -> None:
        super().__init__()
        self.number = number
        self.input_layernorm = RMSNorm(shape.width, shape.norm_eps)
        self.self_attn = Attention(shape)
        self.post_attention_layernorm = RMSNorm(shape.width, shape.norm_eps)
        self.mlp = MLP(shape)

    def forward(
        self, x_BTC: Tensor, rotary: tuple[Tensor, Tensor], mask: Tensor | None, cache: KVCache | None
    ) -> Tensor:
        """[B, T, C] -> [B, T, C]."""
        x_BTC = x_BTC + self.self_attn(self.input_layernorm(x_BTC), rotary, mask, cache, self.number)
        y_BTC: Tensor = x_BTC + self.mlp(self.post_attention_layernorm(x_BTC))
        return y_BTC


class _Body(nn.Module):
    """What Hugging Face names `model`: embedding, layers, final norm."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        # given a weight, torch draws none: drawing on the meta device would import its compiler, two seconds
        self.embed_tokens = nn.Embedding(
            shape.vocab_size, shape.width, _weight=torch.zeros(shape.vocab_size, shape.width)
        )
        self.layers = nn.ModuleList(Layer(shape, number) for number in range(shape.layers))
        self.norm = RMSNorm(shape.width, shape.norm_eps)


class Transformer(nn.Module):
    """A causal language model. Parameters hold noise until `first_weights.initialise` or `weights.load_model` fills them."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.shape = shape
        self.model = _Body(shape)
        self.lm_head = None if shape.tied else nn.Linear(shape.width, shape.vocab_size, bias=False)
        self.register_buffer("frequencies", rotary_frequencies(shape), persistent=False)
        self.frequencies: Tensor

    @property
    def head_weight(self) -> Tensor:
        """[V, C]: the embedding itself if the head is tied to it."""
        weight = self.model.embed_tokens.weight if self.lm_head is None else self.lm_head.weight
        assert isinstance(weight, Tensor)
        return weight

    def hidden(
        self,
        tokens_BT: Tensor,
        *,
        segments_BT: Tensor | None = None,
        positions_BT: Tensor | None = None,
        cache: KVCache | None = None,
    ) -> Tensor:
        """States after the final norm, [B, T, C] fp32: what the head multiplies.

        Args:
            tokens_BT: int64 ids.
            segments_BT: int ids of documents packed into a sequence; a token attends only to its own document. None for
                one document per sequence, which is faster.
            positions_BT: Rotary positions; None counts on from the cache. Only differences within a document matter.
            cache: Earlier positions of the same sequences; extended in place.
        """
        past = cache.length if cache is not None else 0
        if positions_BT is None:
            positions_BT = torch.arange(past, past + tokens_BT.shape[1], device=tokens_BT.device)[None]
        angles = positions_BT[..., None].float() * self.frequencies
        rotary = (angles.cos()[:, :, None], angles.sin()[:, :, None])
        x_BTC = self.model.embed_tokens(tokens_BT)
        mask = _mask(tokens_BT, past, segments_BT, cache, computed_in(x_BTC))
        for layer in self.model.layers:
            x_BTC = layer(x_BTC, rotary, mask, cache)
        y_BTC: Tensor = self.model.norm(x_BTC)
        return y_BTC

    def forward(
        self,
        tokens_BT: Tensor,
        *,
        segments_BT: Tensor | None = None,
        positions_BT: Tensor | None = None,
        cache: KVCache | None = None,
    ) -> Tensor:
        """Logits [B, T, V], the head multiplied in fp32 also under autocast; arguments as in `hidden`."""
        x_BTC = self.hidden(tokens_BT, segments_BT=segments_BT, positions_BT=positions_BT, cache=cache)
        with torch.autocast(x_BTC.device.type, enabled=False):
            return F.linear(x_BTC.float(), self.head_weight.float())


def _mask(
    tokens_BT: Tensor, past: int, segments_BT: Tensor | None, cache: KVCache | None, dtype: torch.dtype
) -> Tensor | None:
    """[B or 1, 1, T, S], 0 where position t attends to position s and -inf elsewhere; None where a causal mask will do.

    Every row attends at least to itself, so the softmax is never over nothing.
    """
    new = tokens_BT.shape[1]
    if segments_BT is None and (past == 0 or new == 1):
        return None
    device = tokens_BT.device
    rows_T = torch.arange(past, past + new, device=device)
    columns_S = torch.arange(past + new, device=device)
    attended = (rows_T[:, None] >= columns_S)[None, None]
    if segments_BT is not None:
        all_BS = segments_BT if cache is None else cache.append_segments(segments_BT)
        attended = attended & (segments_BT[:, :, None] == all_BS[:, None])[:, None]
    return torch.zeros(attended.shape, dtype=dtype, device=device).masked_fill(~attended, -math.inf)


def rotate(x_BTHD: Tensor, rotary: tuple[Tensor, Tensor]) -> Tensor:
    """Turn the pairs (x[i], x[i + D/2]) by the positions' angles (Su et al. 2021, arXiv 2104.09864), in fp32."""
    cos, sin = rotary
    first, second = x_BTHD.float().chunk(2, -1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), -1)


def rotary_frequencies(shape: ModelShape) -> Tensor:
    """Radians per position of each of the D/2 pairs, fp32 on the CPU: theta^(-2i/D), with Llama 3's scaling if asked.

    That scaling (Meta, llama-models/models/llama3/model.py, `apply_scaling`) leaves wavelengths alone that fit
    `high_freq_factor` times into the original context, divides by `factor` those that do not fit `low_freq_factor` times,
    and goes linearly from one to the other in between.
    """
    exponents = torch.arange(0, shape.head_dim, 2, dtype=torch.float32, device="cpu") / shape.head_dim
    frequencies = 1.0 / shape.rope_theta**exponents
    if shape.rope_scaling is None:
        return frequencies
    if shape.rope_scaling.get("rope_type") != "llama3":
        raise InputError(f"rope_scaling is {shape.rope_scaling}, expected rope_type 'llama3' or none")
    scaling = {name: float(value) for name, value in shape.rope_scaling.items() if name != "rope_type"}
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    turns = scaling["original_max_position_embeddings"] * frequencies / (2 * math.pi)
    kept = ((turns - low) / (high - low)).clamp(0.0, 1.0)
    return frequencies * (kept + (1.0 - kept) / scaling["factor"])
