"""From a model's folder and what it is to learn to the adapted model's folder: what is trained, the loop, the files."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import torch
from safetensors import safe_open

from luosi.artifacts import Facts, ModelArtifact
from luosi.artifacts.base import write_jsonl
from luosi.errors import InputError
from luosi.models.lora import Delta, add_lora, deltas, merged_state, save_adapter
from luosi.models.transformer import Transformer
from luosi.models.weights import model_from_state, read_shape, save_model, write_model
from luosi.pipeline.stage import Context, Inputs
from luosi.stages.finetune.config import Config, Runtime
from luosi.stages.finetune.data import supply
from luosi.stages.finetune.stage import step_flop
from luosi.training.frozen import freeze
from luosi.training.loop import best_device, train
from luosi.training.muon import Muon
from luosi.training.optimizers import Optimizers, adamw
from luosi.training.settings import Settings
from luosi.training.sharding import share_out
from luosi.training.workers import everywhere, require_even


def finetune(config: Config, runtime: Runtime, inputs: Inputs, context: Context) -> Facts:
    """Adapt the model of role "model" to the corpus or the pairs and write a TunedModel into `context.out`.

    Raises:
        InputError: The rows are longer than the model's context, or do not divide among the workers, int8 is asked for where it cannot
            be had, or there is nothing to train on.
        TrainingDiverged, BudgetExceeded, Interrupted: As `luosi.training.loop.train`.
    """
    shape = inputs.artifact("model", ModelArtifact).shape()
    config = config.settled(pairs=bool(inputs.all("pairs")), context=shape.context)
    if config.sequence > shape.context:
        raise InputError(
            f"sequence is {config.sequence}, but the model was made for {shape.context} tokens at most",
            hint=f"set sequence to {shape.context} or less",
        )
    if config.base_weights == "int8" and (best_device().type != "cpu" or runtime.shares_out):
        raise InputError('base_weights "int8" is for a CPU, and not shared out', hint='set base_weights to "bf16"')
    require_even(config.batch_tokens // config.sequence, runtime.workers, config.sequence)
    return everywhere(runtime.workers, partial(_finetune, config, runtime, inputs), context)


def _finetune(config: Config, runtime: Runtime, inputs: Inputs, context: Context) -> Facts:
    source = inputs.artifact("model", ModelArtifact)
    shape = source.shape()
    given = supply(config, source.path, inputs, context)
    model = _trainable(source.path, config, shard=runtime.shares_out)
    optimizers = _optimizers(model, config)
    settings = Settings.of(
        config,
        runtime,
        steps=given.steps,
        flop=lambda step: step_flop(config, shape, given.learned_share),
        positions_per_byte=given.positions_per_byte,
    )
    result = train(model, given.rows, optimizers, settings, context)
    if config.method == "lora":
        save_adapter(context.out / "adapter", model, inputs.one("model").key)
        learned = deltas(model)
        del model, optimizers  # before the weights come a second time
        _give_back()
        write_model(context.out, _merged(source.path, learned), shape, source.path)
    else:
        save_model(context.out, merged_state(model), shape, source.path)
    write_jsonl(context.out / "curve.jsonl", result.curve())
    figures = result.figures(given.epochs)
    return Facts(shape=shape, tokens=given.steps * config.batch_tokens, figures=figures)


def _optimizers(model: Transformer, config: Config) -> Optimizers:
    if config.optimizer == "adamw":
        return adamw(model, learning_rate=config.learning_rate, weight_decay=config.weight_decay)
    names: dict[torch.Tensor, str] = {p: name for name, p in model.named_parameters() if p.requires_grad}
    # over so few steps a shorter memory than from scratch; rows of so thin a matrix are even enough
    muon = Muon(names, lr=config.learning_rate, weight_decay=config.weight_decay, momentum=0.9, rows=0.0)
    return Optimizers([muon], names)


def _trainable(folder: Path, config: Config, *, shard: bool) -> Transformer:
    """The model on its device, or shared out among the workers; frozen but for adapters if it is a LoRA; frozen matrices are rounded to
    bf16 once, not each step."""
    device, lora = best_device(), config.method == "lora"
    rounded = lora and config.precision == "bf16"
    by_hand = rounded and device.type == "cpu" and not config.compile and not shard

    def kept(name: str, weight: torch.Tensor) -> torch.Tensor:
        # torch's own layers take their precision from what the embedding gives: the residual stream, which stays in fp32
        matrix = weight.ndim == 2 and (by_hand or "embed_tokens" not in name)
        return weight.to(torch.bfloat16) if rounded and matrix else weight

    model = model_from_state(read_shape(folder), {name: kept(name, weight) for name, weight in _weights(folder)})
    if lora:
        add_lora(
            model,
            rank=config.rank,
            alpha=config.alpha,
            targets=config.targets,
            seed=config.seed,
            top_layers=config.top_layers,
            kind=config.adapter,
        )
    if by_hand:
        freeze(model, int8=config.base_weights == "int8")
        _give_back()
    if shard:
        share_out(model)
    return model.to(device)


def _merged(folder: Path, learned: Mapping[str, Delta]) -> Iterator[tuple[str, torch.Tensor]]:
    """What ships: the weights as they were given, never rounded, and what was learned."""
    for name, weight in _weights(folder):
        yield name, learned[name].onto(weight) if name in learned else weight


def _weights(folder: Path) -> Iterator[tuple[str, torch.Tensor]]:
    """The weights of a ModelArtifact, which are F32 in one file. It is opened anew for each: a mapped file stays in memory while open."""
    path = folder / "model.safetensors"
    with safe_open(path, framework="pt") as file:
        names = list(file.keys())
    for name in names:
        with safe_open(path, framework="pt") as file:
            yield name, file.get_tensor(name).clone()


def _give_back() -> None:
    """Hand what was freed in pieces back to the system, where the C library (glibc) can."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
