"""What a GGUF of our three families holds: each tensor's name there and in a Hugging Face folder, its sizes, and the type it is
stored in at each precision. From a ModelShape alone, so that a plan knows a file's size before there is one; imports neither
numpy nor torch, and reads no files.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal, NamedTuple

from luosi.artifacts.shape import ModelShape

Precision = Literal["F32", "F16", "Q8_0", "Q4_0"]

BLOCKS: dict[str, tuple[int, int]] = {"F32": (1, 4), "F16": (1, 2), "Q8_0": (32, 34), "Q4_0": (32, 18)}
"""Type -> (weights, bytes) of one block; Q8_0 and Q4_0 keep one F16 scale for 32 weights (ggml's block_q8_0, block_q4_0)."""

FILE_TYPES: dict[str, int] = {"F32": 0, "F16": 1, "Q4_0": 2, "Q8_0": 7}
"""`general.file_type`, llama.cpp's enum llama_ftype."""

ROPE_FREQS = "rope_freqs.weight"
"""GGUF tensor [head_dim / 2]: what each rotary frequency is divided by (Llama 3's scaling)."""


class Tensor(NamedTuple):
    """One tensor of a model."""

    hf: str
    gguf: str
    sizes: tuple[int, ...]
    """As in torch: outputs first; GGUF counts from the other end."""
    rotated_heads: int
    """Heads whose rows the Llama family interleaves in GGUF (there, rotary pairs are neighbours); 0 for none."""


def tensors(shape: ModelShape) -> Iterator[Tensor]:
    """Every tensor of a model, in the order they are written; a tied head is not one."""
    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    turned = (shape.heads, shape.kv_heads) if shape.family == "llama" else (0, 0)
    yield Tensor("model.embed_tokens.weight", "token_embd.weight", (shape.vocab_size, shape.width), 0)
    for number in range(shape.layers):

        def layer(hf: str, gguf: str, *sizes: int, heads: int = 0, number: int = number) -> Tensor:
            return Tensor(f"model.layers.{number}.{hf}", f"blk.{number}.{gguf}", sizes, heads)

        yield layer("input_layernorm.weight", "attn_norm.weight", shape.width)
        yield layer("self_attn.q_proj.weight", "attn_q.weight", queries, shape.width, heads=turned[0])
        yield layer("self_attn.k_proj.weight", "attn_k.weight", keys, shape.width, heads=turned[1])
        yield layer("self_attn.v_proj.weight", "attn_v.weight", keys, shape.width)
        if shape.family == "qwen2":
            yield layer("self_attn.q_proj.bias", "attn_q.bias", queries)
            yield layer("self_attn.k_proj.bias", "attn_k.bias", keys)
            yield layer("self_attn.v_proj.bias", "attn_v.bias", keys)
        if shape.family == "qwen3":
            yield layer("self_attn.q_norm.weight", "attn_q_norm.weight", shape.head_dim)
            yield layer("self_attn.k_norm.weight", "attn_k_norm.weight", shape.head_dim)
        yield layer("self_attn.o_proj.weight", "attn_output.weight", shape.width, queries)
        yield layer("post_attention_layernorm.weight", "ffn_norm.weight", shape.width)
        yield layer("mlp.gate_proj.weight", "ffn_gate.weight", shape.ff, shape.width)
        yield layer("mlp.up_proj.weight", "ffn_up.weight", shape.ff, shape.width)
        yield layer("mlp.down_proj.weight", "ffn_down.weight", shape.width, shape.ff)
    yield Tensor("model.norm.weight", "output_norm.weight", (shape.width,), 0)
    if not shape.tied:
        yield Tensor("lm_head.weight", "output.weight", (shape.vocab_size, shape.width), 0)


def stored_type(tensor: Tensor, precision: Precision) -> Precision:
    """The type `tensor` is stored in: vectors F32; rows that are not a multiple of 32 F16; Q4_0 keeps embedding and head in Q8_0.

    The last was measured on SmolLM2-135M and 9 kB of a licence: F32 0.952 bits per byte, Q4_0 1.008 in this way (92 MB), 1.029
    with everything in Q4_0 (78 MB); the embedding is a fifth of the weights there.
    """
    if len(tensor.sizes) == 1:
        return "F32"
    if tensor.sizes[-1] % BLOCKS[precision][0]:
        return "F16"
    if precision == "Q4_0" and tensor.gguf in ("token_embd.weight", "output.weight"):
        return "Q8_0"
    return precision


def weight_bytes(shape: ModelShape, precision: Precision) -> int:
    """Bytes of all tensors at `precision`."""
    total = 0
    for tensor in tensors(shape):
        weights, size = BLOCKS[stored_type(tensor, precision)]
        total += math.prod(tensor.sizes) // weights * size
    return total


def file_bytes(shape: ModelShape, precision: Precision) -> int:
    """About the size of the whole file: the tensors, and 36 bytes for each token's name, type and merge (SmolLM2's are that long)."""
    return weight_bytes(shape, precision) + 36 * shape.vocab_size
