"""GGUF files in: shape, fp32 weights under Hugging Face's names, tokenizer. Every type that the gguf package can take apart is
de-quantised; what it yields is the weights as shipped, not the engine's integer arithmetic on them.

A damaged, truncated or foreign file is an InputError before anything is made of it. Knows Qwen3, Qwen2 and Llama files with byte-level BPE
tokenizers; writes nothing but the tokenizer's folder, when asked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from numpy.typing import NDArray

from luosi.artifacts.shape import ModelShape
from luosi.errors import InputError
from luosi.models.gguf_layout import ROPE_FREQS, tensors
from luosi.models.gguf_tokenizer import GGUFTokenizer, build_tokenizer
from luosi.models.tokenizer import SpecialIds, write_tokenizer
from luosi.models.transformer import Transformer, rotary_frequencies
from luosi.models.weights import model_from_state

_REFUSED = (
    "expert_count",
    "attention.sliding_window",
    "attention.scale",
    "logit_scale",
    "residual_scale",
    "embedding_scale",
)
"""Fields of an architecture that change what is computed in ways we do not compute."""

_AGAIN = "get the file again, or convert the model to a Hugging Face folder and import that"


@dataclass(frozen=True)
class GGUFModel:
    """A GGUF file in memory."""

    shape: ModelShape
    state: dict[str, torch.Tensor]
    """fp32, named as in Hugging Face folders."""
    tokenizer: Any
    """tokenizers.Tokenizer"""
    specials: SpecialIds
    chat_template: str | None
    name: str
    precision: str
    """The type most weights are stored in: F32, F16, Q8_0, Q4_1, ..."""


class _Reader(gguf.GGUFReader):  # type: ignore[misc]
    """gguf's reader, made to stop where a damaged file ends: its own slices come back short there, and loops go on."""

    data: NDArray[Any]

    def _get(self, offset: int, dtype: Any, count: int = 1, *order: Any, **kw: Any) -> NDArray[Any]:
        if offset + np.dtype(dtype).itemsize * int(count) > len(self.data):
            raise ValueError("it ends too early")
        if type(self.data) is np.memmap:  # a plain view: memmap's own slices cost ten times as much
            self.data = self.data.view(np.ndarray)
        part: NDArray[Any] = super()._get(offset, dtype, count, *order, **kw)
        return part


def read_gguf(path: Path) -> GGUFModel:
    """Read a whole model.

    Raises:
        InputError: No such file, damaged, truncated, not GGUF; an architecture, a feature or a tokenizer we do not know. Names what.
    """
    reader = _open(Path(path))
    try:
        said = _tokenizer(reader)
        shape = _shape(reader)
        specials = SpecialIds(said.bos, said.eos, said.pad)
        name = str(_field(reader, "general.name", "model"))
        tokenizer = build_tokenizer(said)
        return GGUFModel(
            shape, _state(reader, shape), tokenizer, specials, said.chat_template, name, _precision(reader)
        )
    except InputError as error:
        raise InputError(f"{path}: {error.message}", hint=error.hint or _AGAIN) from error


def read_gguf_shape(path: Path) -> ModelShape:
    """Only the shape of a GGUF, without its weights.

    Raises:
        InputError: As `read_gguf`.
    """
    return _shape(_open(Path(path)))


def load_gguf_model(path: Path) -> Transformer:
    """The model of a GGUF as it ships: de-quantised to fp32, on the CPU.

    Raises:
        InputError: As `read_gguf`.
    """
    model = read_gguf(path)
    return model_from_state(model.shape, model.state)


def write_gguf_tokenizer(model: GGUFModel, folder: Path) -> None:
    """Write the tokenizer's files of a GGUF into the existing `folder`."""
    bos, eos, pad = (None if number is None else model.tokenizer.id_to_token(number) for number in model.specials)
    write_tokenizer(
        folder,
        model.tokenizer,
        bos=bos,
        eos=eos,
        pad=pad,
        chat_template=model.chat_template,
        context=model.shape.context,
    )


def _open(path: Path) -> _Reader:
    if not path.is_file():
        raise InputError(f"no model file at {path}", hint="give the path of a .gguf file")
    try:
        return _Reader(path)
    except (ValueError, KeyError, IndexError, TypeError, OverflowError, RecursionError, MemoryError, OSError) as error:
        raise InputError(f"{path} is not a whole GGUF file: {error}", hint=_AGAIN) from error


def _field(reader: _Reader, key: str, default: Any = None) -> Any:
    field = reader.get_field(key)
    if field is None:
        return default
    try:
        return field.contents()
    except ValueError as error:
        raise InputError(f"its field {key} is damaged: {error}") from error


def _needed(reader: _Reader, key: str, kind: type[Any]) -> Any:
    value = _field(reader, key)
    if isinstance(value, bool) or not isinstance(value, kind):
        raise InputError(f"its field {key} is {value!r}, expected {kind.__name__}")
    return value


def _shape(reader: _Reader) -> ModelShape:
    family = _needed(reader, "general.architecture", str)
    if family not in ("qwen3", "qwen2", "llama"):
        raise InputError(f"its architecture is {family!r}, expected qwen3, qwen2 or llama")

    def whole(key: str) -> int:
        return int(_needed(reader, f"{family}.{key}", int))

    def real(key: str) -> float:
        # files keep 32 bits: the shortest decimal number that rounds to the same bits is what was meant (1e-05, not 9.9999997e-06)
        return float(str(np.float32(_needed(reader, f"{family}.{key}", float))))

    _refuse_features(reader, family)
    width, heads = whole("embedding_length"), whole("attention.head_count")
    head_dim = _field(reader, f"{family}.attention.key_length", width // max(heads, 1))
    for key in ("attention.value_length", "rope.dimension_count"):
        if _field(reader, f"{family}.{key}", head_dim) != head_dim:
            raise InputError(f"its field {family}.{key} is {_field(reader, f'{family}.{key}')}, expected {head_dim}")
    stored = {tensor.name: tensor for tensor in reader.tensors}
    if "token_embd.weight" not in stored:
        raise InputError("it has no tensor token_embd.weight")
    has_theta = _field(reader, f"{family}.rope.freq_base") is not None
    try:
        shape = ModelShape(
            family=family,
            vocab_size=int(stored["token_embd.weight"].shape[-1]),
            layers=whole("block_count"),
            width=width,
            heads=heads,
            kv_heads=whole("attention.head_count_kv"),
            head_dim=head_dim,
            ff=whole("feed_forward_length"),
            tied="output.weight" not in stored,
            rope_theta=real("rope.freq_base") if has_theta else 10_000.0,
            norm_eps=real("attention.layer_norm_rms_epsilon"),
            context=whole("context_length"),
        )
    except ValueError as error:
        raise InputError(f"its sizes describe no model: {error}") from error
    return _with_scaling(shape, _dequantise(stored[ROPE_FREQS])) if ROPE_FREQS in stored else shape


def _refuse_features(reader: _Reader, family: str) -> None:
    """Fields that change what is computed in ways we do not compute."""
    for key in _REFUSED:
        if _field(reader, f"{family}.{key}"):
            raise InputError(f"its field {family}.{key} is {_field(reader, f'{family}.{key}')!r}, expected none")
    if _field(reader, f"{family}.rope.scaling.type", "none") != "none":
        raise InputError(
            f"its rope scaling is {_field(reader, f'{family}.rope.scaling.type')!r}, expected Llama 3's or none"
        )


def _with_scaling(shape: ModelShape, divisors: NDArray[np.float32]) -> ModelShape:
    """`shape` with the Llama 3 scaling that gives these frequency divisors; the file has them instead of the rule's four numbers."""
    plain = rotary_frequencies(shape)
    for original in (2**power for power in range(4, 20)):
        scaling: dict[str, float | str | bool] = {
            "rope_type": "llama3",
            "factor": float(divisors.max()),
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": float(original),
        }
        scaled = shape.model_copy(update={"rope_scaling": scaling})
        if divisors.shape == plain.shape and np.allclose(
            (plain / rotary_frequencies(scaled)).numpy(), divisors, rtol=1e-5
        ):
            return scaled
    raise InputError(f"its {ROPE_FREQS} follows no Llama 3 scaling that we know")


def _state(reader: _Reader, shape: ModelShape) -> dict[str, torch.Tensor]:
    stored = {tensor.name: tensor for tensor in reader.tensors if tensor.name != ROPE_FREQS}
    state = {}
    for expected in tensors(shape):
        tensor = stored.pop(expected.gguf, None)
        if tensor is None:
            raise InputError(f"it has no tensor {expected.gguf}")
        sizes = tuple(int(size) for size in reversed(tensor.shape))
        if sizes != expected.sizes:
            raise InputError(f"its tensor {expected.gguf} has the sizes {sizes}, expected {expected.sizes}")
        values = _dequantise(tensor)
        if expected.rotated_heads:
            values = _split_pairs(values, expected.rotated_heads)
        state[expected.hf] = torch.from_numpy(values)
    if stored:
        raise InputError(f"its tensor {min(stored)} is not part of a plain {shape.family} model")
    return state


def _dequantise(tensor: Any) -> NDArray[np.float32]:
    try:
        return np.array(gguf.quants.dequantize(tensor.data, tensor.tensor_type), dtype=np.float32)
    except NotImplementedError as error:
        kind = tensor.tensor_type.name
        raise InputError(
            f"its tensor {tensor.name} is stored as {kind}, which cannot be taken apart here",
            hint="use the F32, F16, Q8_0 or Q4_K file of the same model",
        ) from error


def _split_pairs(rows: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Undo what llama.cpp's converter does to q and k of Llama models: rotary pairs from neighbours back to half a head apart."""
    return np.ascontiguousarray(rows.reshape(heads, -1, 2, rows.shape[1]).swapaxes(1, 2).reshape(rows.shape))


def _precision(reader: _Reader) -> str:
    sizes: dict[str, int] = {}
    for tensor in reader.tensors:
        sizes[tensor.tensor_type.name] = sizes.get(tensor.tensor_type.name, 0) + math.prod(map(int, tensor.shape))
    return max(sizes, key=lambda kind: sizes[kind])


def _tokenizer(reader: _Reader) -> GGUFTokenizer:
    kind = _field(reader, "tokenizer.ggml.model")
    if kind != "gpt2":
        raise InputError(
            f"its tokenizer is of the kind {kind!r}, expected 'gpt2' (byte-level BPE)",
            hint="SentencePiece tokenizers (Llama 2, Mistral) are not supported; take Qwen, Llama 3 or SmolLM models",
        )
    tokens = _needed(reader, "tokenizer.ggml.tokens", list)
    types = _field(reader, "tokenizer.ggml.token_type", [1] * len(tokens))
    if len(types) != len(tokens):
        raise InputError(f"it has {len(tokens)} tokens but {len(types)} token types")
    ids = {
        name: _special(reader, f"tokenizer.ggml.{name}_token_id", len(tokens))
        for name in ("bos", "eos", "padding", "eot")
    }
    pre = str(_field(reader, "tokenizer.ggml.pre", ""))
    return GGUFTokenizer(
        tokens=tokens,
        types=types,
        merges=_needed(reader, "tokenizer.ggml.merges", list),
        pre=pre,
        bos=ids["bos"],
        eos=ids["eos"],
        pad=ids["padding"],
        eot=ids["eot"],
        add_bos=bool(_field(reader, "tokenizer.ggml.add_bos_token", pre == "llama-bpe")),
        chat_template=_field(reader, "tokenizer.chat_template"),
    )


def _special(reader: _Reader, key: str, count: int) -> int | None:
    value = _field(reader, key)
    if value is not None and not (isinstance(value, int) and 0 <= value < count):
        raise InputError(f"its field {key} is {value!r}, expected an id below {count}")
    return value
