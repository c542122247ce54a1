"""Weights in Hugging Face folders: safetensors in, a Transformer in fp32 out, and back again with byte-equal files for equal
weights. Never reads a pickle, never follows a name out of the folder. GGUF is read elsewhere; knows no tokenization.
"""

from __future__ import annotations

import errno
import json
import math
import shutil
import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from luosi.artifacts.base import write_json
from luosi.artifacts.shape import ModelShape
from luosi.errors import InputError
from luosi.models.config import hf_config, shape_from_hf
from luosi.models.tokenizer import END_OF_TEXT, IM_END, TOKENIZER_FILES, load_tokenizer, special_ids
from luosi.models.transformer import Transformer

_FLOATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


def read_state(folder: Path) -> dict[str, Tensor]:
    """All tensors of a folder's safetensors (one file, or shards named by an index), as fp32 on the CPU.

    Raises:
        InputError: No safetensors, a damaged or missing file, an index that points elsewhere, a tensor of another type.
    """
    state: dict[str, Tensor] = {}
    for path in _files(Path(folder)):
        try:
            with safe_open(path, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118 (not a dict)
                    state[name] = _fp32(name, file.get_tensor(name), path)
        except (SafetensorError, OSError) as error:
            raise InputError(f"{path} cannot be read as safetensors: {error}", hint="get the file again") from error
    return state


def load_model(folder: Path) -> Transformer:
    """The model of a Hugging Face folder (or a ModelArtifact's), fp32 on the CPU.

    Raises:
        InputError: As `read_shape`, `read_state` and `model_from_state`.
    """
    return model_from_state(read_shape(folder), read_state(folder))


def read_shape(folder: Path) -> ModelShape:
    """The shape that a folder's `config.json` describes.

    Raises:
        InputError: There is none, it is not JSON, or it describes a model that we do not compute.
    """
    path = Path(folder) / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}", hint="give a Hugging Face model folder") from error
    if not isinstance(config, dict):
        raise InputError(f"{path} holds a {type(config).__name__}, expected an object")
    return shape_from_hf(config)


def model_from_state(shape: ModelShape, state: Mapping[str, Tensor]) -> Transformer:
    """A Transformer that takes over the tensors of `state` (Hugging Face names, fp32).

    Raises:
        InputError: A tensor is missing, unknown, or of another shape; a tied head differs from the embedding.
    """
    with torch.device("meta"):  # no memory and no time for weights that are replaced at once
        model = Transformer(shape)
    model.load_state_dict(check_state(state, shape), strict=True, assign=True)
    return model


def check_state(state: Mapping[str, Tensor], shape: ModelShape) -> dict[str, Tensor]:
    """The tensors of `state` that a model of `shape` has: rotary tables and copies of a tied head are left out.

    Raises:
        InputError: As `model_from_state`.
    """
    given = {name: tensor for name, tensor in state.items() if not name.endswith("rotary_emb.inv_freq")}
    if shape.tied and "lm_head.weight" in given:
        head = given.pop("lm_head.weight")
        if "model.embed_tokens.weight" in given and not torch.equal(head, given["model.embed_tokens.weight"]):
            raise InputError(
                "lm_head.weight differs from model.embed_tokens.weight, but config.json ties them",
                hint='set "tie_word_embeddings": false in config.json',
            )
    expected = _sizes(shape)
    for name in sorted(expected.keys() ^ given.keys()):
        what = "is missing from the weights" if name in expected else "is not part of this model"
        raise InputError(f"tensor {name} {what}", hint="config.json and the weights must belong together")
    for name, sizes in expected.items():
        if tuple(given[name].shape) != sizes:
            raise InputError(f"tensor {name} has shape {tuple(given[name].shape)}, expected {sizes} by config.json")
    return {name: given[name] for name in expected}


def save_tensors(tensors: dict[str, torch.Tensor], path: Path) -> None:
    """Write contiguous tensors as safetensors.

    Raises:
        OSError: The disk is full, or the file cannot be written.
    """
    try:
        save_file(tensors, path, {"format": "pt"})
    except SafetensorError as error:
        number = errno.ENOSPC if "No space" in str(error) else errno.EIO
        raise OSError(number, str(error), str(path)) from error


def save_model(folder: Path, state: Mapping[str, Tensor], shape: ModelShape, tokenizer_folder: Path) -> None:
    """Write a ModelArtifact: weights, `config.json`, `generation_config.json`, `shape.json`, tokenizer files.

    Args:
        folder: Created if need be; files in it are replaced.
        state: Hugging Face names; any float type and device, written as F32.
        shape: Of the model.
        tokenizer_folder: Where the tokenizer's files are copied from.

    Raises:
        InputError: `state` does not fit `shape`, or the tokenizer has ids beyond the vocabulary.
    """
    write_model(folder, check_state(state, shape).items(), shape, tokenizer_folder)


def write_model(folder: Path, tensors: Iterable[tuple[str, Tensor]], shape: ModelShape, tokenizer_folder: Path) -> None:
    """As `save_model`, of exactly the tensors of a model of `shape`, in any order: each is written as it comes and not held.

    Raises:
        InputError: The tokenizer has ids beyond the vocabulary.
        OSError: The disk is full, or the file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = load_tokenizer(tokenizer_folder)
    top = max(tokenizer.get_vocab(with_added_tokens=True).values())
    if top >= shape.vocab_size:
        raise InputError(f"the tokenizer has the id {top}, but the model's vocabulary ends at {shape.vocab_size - 1}")
    _write_f32(folder / "model.safetensors", _sizes(shape), tensors)
    special = special_ids(tokenizer_folder)
    ids = {"bos_id": special.bos, "eos_id": special.eos, "pad_id": special.pad}
    write_json(folder / "config.json", hf_config(shape, **ids))
    write_json(folder / "shape.json", shape.model_dump())
    # a chat model ends a turn with <|im_end|>, a base model a document with <|endoftext|>: either stops
    stops = [special.eos, tokenizer.token_to_id(END_OF_TEXT), tokenizer.token_to_id(IM_END)]
    generation = {
        "bos_token_id": special.bos,
        "eos_token_id": sorted({stop for stop in stops if stop is not None}) or None,
        "pad_token_id": special.pad,
    }
    write_json(folder / "generation_config.json", generation)
    for name in TOKENIZER_FILES:
        source = tokenizer_folder / name
        if source.is_file() and source.resolve() != (folder / name).resolve():
            shutil.copyfile(source, folder / name)


def _sizes(shape: ModelShape) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        return {name: tuple(tensor.shape) for name, tensor in Transformer(shape).state_dict().items()}


def _write_f32(path: Path, sizes: Mapping[str, Sequence[int]], tensors: Iterable[tuple[str, Tensor]]) -> None:
    """Safetensors of F32, tensor by tensor: the library takes only all at once. What was there is replaced at the end, as the tensors may
    still be mapped from it."""
    end, begins = 0, {}
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    for name in sorted(sizes):
        begins[name], end = end, end + 4 * math.prod(sizes[name])
        header[name] = {"dtype": "F32", "shape": list(sizes[name]), "data_offsets": [begins[name], end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    part = path.with_suffix(".part")
    try:
        with part.open("wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            for name, tensor in tensors:
                fits = name in begins and tuple(tensor.shape) == tuple(sizes[name])
                assert fits, f"{name} of shape {tuple(tensor.shape)} is none of the model's, or came twice"
                file.seek(8 + len(text) + begins.pop(name))
                file.write(tensor.detach().to("cpu", torch.float32).contiguous().numpy().data)
        assert not begins, f"no tensors {sorted(begins)}"
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _files(folder: Path) -> list[Path]:
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        return _shards(folder, index)
    single = folder / "model.safetensors"
    if single.is_file():
        return [single]
    pickles = sorted(path.name for pattern in ("*.bin", "*.pt", "*.pth") for path in folder.glob(pattern))
    if pickles:
        raise InputError(
            f"{folder} has its weights in {pickles[0]}, a pickle, which can run any code when read",
            hint="convert it to safetensors where you trust it: load it with transformers and save_pretrained it",
        )
    raise InputError(f"{folder} has no model.safetensors", hint="give a Hugging Face model folder with safetensors")


def _shards(folder: Path, index: Path) -> list[Path]:
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{index} is not an index of safetensors: {error!r}", hint="get the file again") from error
    for name in names:
        if not isinstance(name, str) or Path(name).name != name or "\\" in name or not name.endswith(".safetensors"):
            raise InputError(f"{index} names the file {name!r}, expected plain names that end in .safetensors")
        if not (folder / name).is_file():
            raise InputError(f"{index} names {name}, which is not there", hint="get all the files of the model")
    return [folder / name for name in names]


def _fp32(name: str, tensor: Tensor, path: Path) -> Tensor:
    if tensor.dtype not in _FLOATS:
        raise InputError(
            f"tensor {name} in {path.name} is {tensor.dtype}, expected float32, bfloat16 or float16",
            hint="quantised weights cannot be trained or converted; use the original model",
        )
    # always a copy: a mapped file may change under us, and its alignment would differ from that of a restored checkpoint
    return tensor.to(torch.float32, copy=True)
