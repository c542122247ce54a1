"""GGUF files out, at F32, F16, Q8_0 or Q4_0, from fp32 weights and a tokenizer's folder: the same input gives the same bytes (no
clock, no names of machines). The quantisation is gguf's own numpy code: round to nearest within blocks of 32. Reads no GGUF.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import gguf
import numpy as np
import torch
from numpy.typing import NDArray

from luosi.artifacts.shape import ModelShape
from luosi.models.gguf_layout import BLOCKS, FILE_TYPES, ROPE_FREQS, Precision, Tensor, stored_type, tensors
from luosi.models.gguf_tokenizer import describe_tokenizer
from luosi.models.transformer import rotary_frequencies
from luosi.models.weights import check_state


def write_gguf(
    path: Path,
    *,
    shape: ModelShape,
    state: Mapping[str, torch.Tensor],
    tokenizer_folder: Path,
    precision: Precision,
    name: str,
) -> None:
    """Write one model; an existing file is replaced.

    Args:
        path: The file.
        shape: Of the model.
        state: fp32, Hugging Face names.
        tokenizer_folder: Where tokenizer.json, its configuration and the chat template are.
        precision: What matrices are stored in; see `gguf_layout.stored_type` for the exceptions.
        name: What the model calls itself.

    Raises:
        InputError: `state` does not fit `shape`, or GGUF cannot say what the tokenizer does.
    """
    state = check_state(state, shape)
    writer = gguf.GGUFWriter(path, shape.family)
    writer.add_type("model")
    writer.add_name(name)
    writer.add_file_type(FILE_TYPES[precision])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    _add_shape(writer, shape)
    _add_tokenizer(writer, tokenizer_folder, shape.vocab_size)
    _announce(writer, shape, precision)
    divisors = _rope_divisors(shape)
    if divisors is not None:
        writer.add_tensor_info(ROPE_FREQS, divisors.shape, divisors.dtype, divisors.nbytes)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for tensor in tensors(shape):  # one at a time: a quantised copy of the whole model is never in memory
        writer.write_tensor_data(_stored(tensor, state[tensor.hf], stored_type(tensor, precision)))
    if divisors is not None:
        writer.write_tensor_data(divisors)
    writer.close()


def _announce(writer: gguf.GGUFWriter, shape: ModelShape, precision: Precision) -> None:
    """Name, sizes and type of every tensor, which stand in the file before the first of them."""
    for tensor in tensors(shape):
        kind = stored_type(tensor, precision)
        weights, size = BLOCKS[kind]
        numbers = int(np.prod(tensor.sizes))
        writer.add_tensor_info(
            tensor.gguf, tensor.sizes, np.dtype(np.float32), numbers // weights * size, gguf.GGMLQuantizationType[kind]
        )


def _add_shape(writer: gguf.GGUFWriter, shape: ModelShape) -> None:
    writer.add_vocab_size(shape.vocab_size)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.ff)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.head_dim)
    writer.add_value_length(shape.head_dim)
    writer.add_rope_dimension_count(shape.head_dim)
    writer.add_rope_freq_base(shape.rope_theta)
    writer.add_layer_norm_rms_eps(shape.norm_eps)


def _add_tokenizer(writer: gguf.GGUFWriter, folder: Path, vocab_size: int) -> None:
    said = describe_tokenizer(folder, vocab_size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(said.pre)
    writer.add_token_list(said.tokens)
    writer.add_token_types(said.types)
    writer.add_token_merges(said.merges)
    for add, number in (
        (writer.add_bos_token_id, said.bos),
        (writer.add_eos_token_id, said.eos),
        (writer.add_pad_token_id, said.pad),
        (writer.add_eot_token_id, said.eot),
    ):
        if number is not None:
            add(number)
    writer.add_add_bos_token(said.add_bos)
    if said.chat_template is not None:
        writer.add_chat_template(said.chat_template)


def _rope_divisors(shape: ModelShape) -> NDArray[np.float32] | None:
    if shape.rope_scaling is None:
        return None
    plain = rotary_frequencies(shape.model_copy(update={"rope_scaling": None}))
    divisors: NDArray[np.float32] = (plain / rotary_frequencies(shape)).float().numpy()
    return divisors


def _stored(tensor: Tensor, values: torch.Tensor, kind: Precision) -> NDArray[np.generic]:
    rows: NDArray[np.float32] = values.numpy()
    if tensor.rotated_heads:
        rows = _join_pairs(rows, tensor.rotated_heads)
    stored: NDArray[np.generic] = gguf.quants.quantize(np.ascontiguousarray(rows), gguf.GGMLQuantizationType[kind])
    return stored


def _join_pairs(rows: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """q and k of Llama models as llama.cpp rotates them: the two of a rotary pair, half a head apart, become neighbours."""
    return rows.reshape(heads, 2, -1, rows.shape[1]).swapaxes(1, 2).reshape(rows.shape)
