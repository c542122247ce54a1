"""The work of export: write the Hugging Face folder and the F32 GGUF, prove both against our own model, measure the engine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import torch

from luosi.artifacts import Facts, ModelArtifact
from luosi.artifacts.base import write_json
from luosi.cost import Cost
from luosi.models.chat import put_system
from luosi.models.engine import Engine, measure_speed, require_engine
from luosi.models.gguf import write_gguf
from luosi.models.tokenizer import TOKENIZER_FILES
from luosi.models.transformer import Transformer
from luosi.models.weights import load_model
from luosi.pipeline.stage import Context
from luosi.stages.export import parity
from luosi.stages.export.config import Config
from luosi.stages.export.stage import proof_flop

PLAIN_TOKENIZER = '''"""Reads tokenizer.json as it is; only needed where remote code is trusted."""

from transformers import PreTrainedTokenizerFast


class PlainTokenizer(PreTrainedTokenizerFast):
    """See the module."""
'''
HF_FILES = ("config.json", "generation_config.json", "model.safetensors", *TOKENIZER_FILES)


def export(config: Config, model: ModelArtifact, context: Context) -> Facts:
    """Fill `context.out` from `model`; see `ExportStage.run`."""
    require_engine()
    context.progress(0, 4, "steps")
    shape = model.shape()
    _write_folders(model, context.out)
    told = {"system_prompt": config.system_prompt} if config.system_prompt else {}
    for folder in (context.out, context.out / "hf") if told else ():
        put_system(folder, model.path, config.system_prompt)
    write_json(context.out / "bundle.json", {"precision": "F32", "name": config.name, **told})
    hf, gguf = context.out / "hf", context.out / "model.gguf"
    ours = load_model(hf)  # from what ships, not from what was given
    write_gguf(gguf, shape=shape, state=ours.state_dict(), tokenizer_folder=hf, precision="F32", name=config.name)
    context.progress(1, 4, "steps")
    with _torch_threads(_half(context.machine.cores)):
        figures = _prove(config, ours, hf, gguf, context)
    context.spend(Cost(flop=proof_flop(config, Facts(shape=shape))))
    del ours
    context.progress(3, 4, "steps")
    speed = measure_speed(gguf, vocab_size=shape.vocab_size, context=shape.context, cores=context.machine.cores)
    context.progress(4, 4, "steps")
    return Facts(
        shape=shape,
        precision="F32",
        file_bytes=gguf.stat().st_size,
        prompt_tokens_per_s=speed.prompt_tokens_per_s,
        decode_tokens_per_s=speed.decode_tokens_per_s,
        load_s=speed.load_s,
        rss_bytes=speed.rss_bytes,
        figures={**figures, "engine_threads": speed.threads},
    )


def _write_folders(model: ModelArtifact, out: Path) -> None:
    (out / "hf").mkdir(exist_ok=True)
    for name in HF_FILES:
        if (model.path / name).is_file():
            shutil.copyfile(model.path / name, out / "hf" / name)
    for name in (*TOKENIZER_FILES, "config.json", "shape.json"):
        if (model.path / name).is_file():
            shutil.copyfile(model.path / name, out / name)
    if model.shape().family == "qwen2":
        _keep_tokenizer_plain(out / "hf")
    if (model.path / "adapter").is_dir():
        shutil.copytree(model.path / "adapter", out / "adapter", dirs_exist_ok=True)


def _keep_tokenizer_plain(hf: Path) -> None:
    """Have `AutoTokenizer` obey tokenizer.json in a Qwen2 folder: transformers 5 else takes its own Qwen2Tokenizer, which composes
    characters (NFC) as no engine does. A folder that maps its tokenizer itself is left alone, whether its code is trusted or not.
    """
    config = orjson.loads((hf / "tokenizer_config.json").read_bytes())
    config["auto_map"] = {"AutoTokenizer": [None, "tokenization_plain.PlainTokenizer"]}
    write_json(hf / "tokenizer_config.json", config)
    (hf / "tokenization_plain.py").write_text(PLAIN_TOKENIZER, encoding="utf-8")


def _half(cores: int) -> int:
    """Threads of the engine and of torch while both work at once: more than there are cores would wait for each other at every
    layer, which on two cores was measured to take eight times as long."""
    return max(1, cores // 2)


@contextmanager
def _torch_threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _prove(config: Config, ours: Transformer, hf: Path, gguf: Path, context: Context) -> parity.Figures:
    room = max(2, ours.shape.context - config.parity_tokens)
    given = parity.prompts(hf, config.parity_prompts, longest=min(64, room))
    joined = [token for ids in given.ids for token in ids]
    length = min(parity.SEQUENCE, ours.shape.context)
    sequences = [joined[start : start + length] for start in range(0, min(len(joined), 4 * length), length)]
    figures = parity.same_logits(ours, hf, sequences) | parity.same_ids_in_transformers(hf)
    context.progress(2, 4, "steps")
    longest = max(map(len, given.ids)) + config.parity_tokens
    parallel = min(parity.PARALLEL, config.parity_prompts)
    threads = _half(context.machine.cores)
    with Engine(gguf, threads=threads, context=longest + 8, parallel=parallel, exact=True) as engine:
        parity.same_ids_in_engine(engine, hf)
        figures |= parity.same_chats(engine, hf)
        return figures | parity.same_continuations(engine, ours, given, config.parity_tokens)
