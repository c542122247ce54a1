"""Model folders: exact round trips, equal bytes for equal weights, and every bad folder refused by name."""

from __future__ import annotations

import json
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from luosi.artifacts import BaseModel
from luosi.errors import InputError
from luosi.models.weights import check_state, load_model, read_shape, read_state, save_model, write_model
from tests.models_kit import noisy_model, random_tokens, small_shape, tokenizer_folder


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    return tokenizer_folder(tmp_path / "tokenizer")


@pytest.fixture
def folder(tmp_path: Path, tokenizer: Path) -> Path:
    """An untied Qwen3 model, saved."""
    shape = small_shape(tied=False)
    save_model(tmp_path / "model", noisy_model(shape).state_dict(), shape, tokenizer)
    return tmp_path / "model"


def shard(folder: Path, parts: int = 3) -> dict[str, object]:
    """Split the weights of `folder` as the hub does; returns the index."""
    state = read_state(folder)
    (folder / "model.safetensors").unlink()
    weight_map: dict[str, str] = {}
    for part in range(parts):
        name = f"model-{part + 1:05}-of-{parts:05}.safetensors"
        chosen = {key: state[key] for place, key in enumerate(sorted(state)) if place % parts == part}
        save_file(chosen, folder / name)
        weight_map |= dict.fromkeys(chosen, name)
    index: dict[str, object] = {"metadata": {}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return index


@pytest.mark.parametrize("family", ["qwen3", "qwen2", "llama"])
def test_a_saved_model_is_a_model_artifact_and_loads_exactly(family: str, tmp_path: Path, tokenizer: Path) -> None:
    shape = small_shape(family)
    model = noisy_model(shape)
    save_model(tmp_path / "model", model.state_dict(), shape, tokenizer)
    assert BaseModel(tmp_path / "model").shape() == read_shape(tmp_path / "model") == shape
    again = load_model(tmp_path / "model")
    tokens = random_tokens(1, 9)
    assert torch.equal(again(tokens), model(tokens))
    assert all(parameter.requires_grad for parameter in again.parameters())
    assert set(again.state_dict()) == set(read_state(tmp_path / "model"))
    generation = json.loads((tmp_path / "model" / "generation_config.json").read_text())
    assert generation == {"bos_token_id": None, "eos_token_id": [0, 2], "pad_token_id": 0}


def test_equal_weights_give_equal_bytes(folder: Path, tmp_path: Path, tokenizer: Path) -> None:
    state = dict(reversed(read_state(folder).items()))
    save_model(tmp_path / "again", state, read_shape(folder), tokenizer)
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted(path.name for path in (tmp_path / "again").iterdir())
    assert all((folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes() for name in names)


def test_the_file_is_the_librarys(folder: Path, tmp_path: Path) -> None:
    with safe_open(folder / "model.safetensors", framework="pt") as file:
        assert file.metadata() == {"format": "pt"}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    save_file(tensors, tmp_path / "theirs", {"format": "pt"})
    assert (tmp_path / "theirs").read_bytes() == (folder / "model.safetensors").read_bytes()


def test_tensors_are_written_as_they_come_and_are_not_held(folder: Path, tmp_path: Path, tokenizer: Path) -> None:
    held: list[weakref.ref[torch.Tensor]] = []

    def coming() -> Iterator[tuple[str, torch.Tensor]]:
        for name, tensor in reversed(read_state(folder).items()):
            fresh = tensor.clone()
            assert sum(one() is not None for one in held) <= 1, "earlier tensors are still there"
            held.append(weakref.ref(fresh))
            yield name, fresh
            del fresh

    write_model(tmp_path / "again", coming(), read_shape(folder), tokenizer)
    again = (tmp_path / "again" / "model.safetensors").read_bytes()
    assert again == (folder / "model.safetensors").read_bytes()
    assert not list((tmp_path / "again").glob("*.part"))


def test_saving_over_the_folder_it_was_loaded_from(folder: Path) -> None:
    state = load_model(folder).state_dict()
    save_model(folder, read_state(folder), read_shape(folder), folder)  # still mapped from the file
    assert all(torch.equal(tensor, state[name]) for name, tensor in read_state(folder).items())
    save_model(folder, {name: tensor + 1 for name, tensor in state.items()}, read_shape(folder), folder)
    assert all(torch.equal(tensor, state[name] + 1) for name, tensor in read_state(folder).items())


def test_shards_read_as_one_file(folder: Path) -> None:
    whole = read_state(folder)
    shard(folder)
    parts = read_state(folder)
    assert whole.keys() == parts.keys() and all(torch.equal(whole[name], parts[name]) for name in whole)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_becomes_fp32(folder: Path, dtype: torch.dtype) -> None:
    rounded = {name: tensor.to(dtype) for name, tensor in read_state(folder).items()}
    save_file(rounded, folder / "model.safetensors")
    for name, tensor in read_state(folder).items():
        assert tensor.dtype == torch.float32 and torch.equal(tensor, rounded[name].float())


def test_rotary_tables_and_a_copied_tied_head_are_left_out() -> None:
    shape = small_shape("llama")
    state = noisy_model(shape).state_dict()
    extra = {
        "lm_head.weight": state["model.embed_tokens.weight"].clone(),
        "model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(8),
    }
    assert check_state(state | extra, shape).keys() == state.keys()
    with pytest.raises(InputError, match=r"lm_head\.weight differs from model\.embed_tokens"):
        check_state(state | extra | {"lm_head.weight": torch.zeros(320, 64)}, shape)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model.norm.weight": torch.zeros(63)}, r"model.norm.weight has shape \(63,\), expected \(64,\)"),
        ({"model.layers.2.mlp.up_proj.weight": torch.zeros(1)}, "layers.2.mlp.up_proj.weight is not part of"),
        ({"model.norm.weight": None}, "tensor model.norm.weight is missing"),
    ],
)
def test_weights_that_do_not_fit_the_shape_are_named(change: dict[str, Tensor | None], message: str) -> None:
    shape = small_shape()
    state = {name: t for name, t in (noisy_model(shape).state_dict() | change).items() if t is not None}
    with pytest.raises(InputError, match=message):
        check_state(state, shape)


def test_pickles_are_refused_with_a_way_out(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"pytorch_model\.bin, a pickle") as caught:
        read_state(folder)
    assert "safetensors" in caught.value.hint


@pytest.mark.parametrize(
    "name", ["../model.safetensors", "/etc/passwd", "a/b.safetensors", "a\\b.safetensors", "..", 7]
)
def test_an_index_may_not_point_elsewhere(folder: Path, name: object) -> None:
    index = shard(folder)
    index["weight_map"] = {"model.norm.weight": name}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match=r"names the file .*, expected plain names that end in \.safetensors"):
        read_state(folder)


def test_a_missing_shard_is_named(folder: Path) -> None:
    shard(folder)
    (folder / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(InputError, match=r"names model-00002-of-00003\.safetensors, which is not there"):
        read_state(folder)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"weight_map": 3}', '{"weight_map": {"a": ["b"]}}', "\x00"])
def test_a_broken_index_is_refused(folder: Path, text: str) -> None:
    (folder / "model.safetensors.index.json").write_text(text)
    with pytest.raises(InputError, match="is not an index of safetensors"):
        read_state(folder)


def test_a_truncated_file_is_refused(folder: Path) -> None:
    content = (folder / "model.safetensors").read_bytes()
    for size in (0, 7, 100, len(content) - 1):
        (folder / "model.safetensors").write_bytes(content[:size])
        with pytest.raises(InputError, match=r"model\.safetensors cannot be read as safetensors"):
            read_state(folder)


def test_quantised_tensors_are_refused(folder: Path) -> None:
    save_file({"model.norm.weight": torch.zeros(64, dtype=torch.int8)}, folder / "model.safetensors")
    with pytest.raises(InputError, match=r"model\.norm\.weight in model\.safetensors is torch\.int8"):
        read_state(folder)


def test_no_config_or_a_broken_one_is_refused(folder: Path) -> None:
    for text in ("{", "[1]", '"llama"'):
        (folder / "config.json").write_text(text)
        with pytest.raises(InputError, match=r"config\.json"):
            load_model(folder)
    (folder / "config.json").unlink()
    with pytest.raises(InputError, match=r"config\.json cannot be read"):
        load_model(folder)


def test_a_tokenizer_larger_than_the_vocabulary_is_refused(tmp_path: Path, tokenizer: Path) -> None:
    shape = small_shape(vocab_size=100)
    with pytest.raises(InputError, match="the model's vocabulary ends at 99"):
        save_model(tmp_path / "model", noisy_model(shape).state_dict(), shape, tokenizer)
