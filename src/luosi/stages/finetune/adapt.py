"""From a model's folder and what it is to learn to the adapted model's folder: what is trained, the loop, the files."""

from __future__ import annotations

from pathlib import Path

import torch

from luosi.artifacts import Facts, ModelArtifact
from luosi.artifacts.base import write_jsonl
from luosi.errors import InputError
from luosi.models.lora import add_lora, merged_state, save_adapter
from luosi.models.transformer import Transformer
from luosi.models.weights import load_model, save_model
from luosi.pipeline.stage import Context, Inputs
from luosi.stages.finetune.config import Config, Runtime
from luosi.stages.finetune.data import supply
from luosi.stages.finetune.stage import step_flop
from luosi.training.loop import Settings, best_device, train, warn_of_epochs
from luosi.training.optimizers import adamw


def finetune(config: Config, runtime: Runtime, inputs: Inputs, context: Context) -> Facts:
    """Adapt the model of role "model" to the corpus or the pairs and write a TunedModel into `context.out`.

    Raises:
        InputError: The rows are longer than the model's context, or there is nothing to train on.
        TrainingDiverged, BudgetExceeded, Interrupted: As `luosi.training.loop.train`.
    """
    source = inputs.artifact("model", ModelArtifact)
    shape = source.shape()
    if config.sequence > shape.context:
        raise InputError(
            f"sequence is {config.sequence}, but the model was made for {shape.context} tokens at most",
            hint=f"set sequence to {shape.context} or less",
        )
    given = supply(config, source.path, inputs, context)
    if not inputs.all("pairs"):
        warn_of_epochs(given.epochs, context)
    model = _trainable(source.path, config)
    optimizers = adamw(model, learning_rate=config.learning_rate, weight_decay=config.weight_decay)
    settings = Settings(
        steps=given.steps,
        batch_rows=config.batch_tokens // config.sequence,
        row_tokens=config.sequence,
        warmup_fraction=config.warmup_fraction,
        decay_fraction=config.decay_fraction,
        precision=config.precision,
        compile=config.compile,
        seed=config.seed,
        step_flop=step_flop(config, shape, given.learned_share),
        threads=runtime.threads,
        checkpoint_every_s=runtime.checkpoint_every_s,
    )
    result = train(model, given.rows, optimizers, settings, context)
    if config.method == "lora":
        model = _with_adapters(source.path, config, {n: p.detach().cpu() for n, p in optimizers.parameters.items()})
        save_adapter(context.out / "adapter", model, inputs.one("model").key)
    save_model(context.out, merged_state(model), shape, source.path)
    write_jsonl(context.out / "curve.jsonl", result.curve())
    figures: dict[str, float | int | str | bool] = {
        "final_loss": result.final_loss,
        "epochs": given.epochs,
        "training_tokens_per_s": result.tokens_per_s,
    }
    return Facts(shape=shape, tokens=given.steps * config.batch_tokens, figures=figures)


def _trainable(folder: Path, config: Config) -> Transformer:
    """The model on its device, frozen but for adapters if it is a LoRA; frozen matrices are rounded to bf16 once, not each step."""
    model = load_model(folder)
    if config.method == "lora":
        add_lora(model, rank=config.rank, alpha=config.alpha, targets=config.targets, seed=config.seed)
        if config.precision == "bf16":
            for name, parameter in model.named_parameters():
                # not the embedding: what it gives is the residual stream, which stays in fp32
                if not parameter.requires_grad and parameter.ndim == 2 and "embed_tokens" not in name:
                    parameter.data = parameter.data.to(torch.bfloat16)
    return model.to(best_device())


def _with_adapters(folder: Path, config: Config, trained: dict[str, torch.Tensor]) -> Transformer:
    """The model in fp32 with the trained adapters: what is merged and shipped was never rounded."""
    model = load_model(folder)
    add_lora(model, rank=config.rank, alpha=config.alpha, targets=config.targets, seed=config.seed)
    unknown = model.load_state_dict(trained, strict=False).unexpected_keys
    assert not unknown, unknown
    return model
