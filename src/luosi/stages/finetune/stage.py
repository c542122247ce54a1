"""Adapts a model to a corpus by continued pretraining with replay, or teaches it to answer by pairs. Knows nothing of where the model
came from, nor of who made the pairs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

from luosi.artifacts import BaseModel, Corpus, Facts, ModelShape, Pairs, TunedModel
from luosi.cost import Estimate, Machine
from luosi.models.flops import SAME_INPUT, attention_flop, linear_sizes, lora_parameters, training_flop
from luosi.pipeline.stage import Context, Inputs, Role, Stage
from luosi.stages.finetune.config import Config as FinetuneConfig
from luosi.stages.finetune.config import Runtime as FinetuneRuntime
from luosi.training.estimates import bytes_per_token, training_memory, training_seconds

EFFICIENCY = 0.42
"""Share of the peak of large matrix products that is reached; measured on a LoRA of
a 135 M parameter model in bf16 on AVX512-BF16 cores."""

WEIGHT_BYTES_PER_S = 150e6
"""Weights read twice, merged and written."""

LEARNED_SHARE = 0.1
"""Share of the tokens of pairs that is answer: measured on pairs of which half are shown with three passages."""

FRAME_TOKENS = 50
"""Of a pair beside its text: the chat template, the task, what row ends leave empty."""

PAIR_BYTES = 1200
"""Of a pair's text where nothing is known of it."""


class FinetuneStage(Stage[FinetuneConfig, FinetuneRuntime]):
    """See the module."""

    name: ClassVar[str] = "finetune"
    version: ClassVar[int] = 5
    Config = FinetuneConfig
    Runtime = FinetuneRuntime
    inputs: ClassVar[Mapping[str, Role]] = {
        "model": Role((BaseModel, TunedModel)),
        "corpus": Role((Corpus,), optional=True),
        "pairs": Role((Pairs,), optional=True),
    }
    output = TunedModel

    def predict(self, config: FinetuneConfig, inputs: Mapping[str, Sequence[Facts]]) -> Facts:
        """The model's shape stays."""
        shape = inputs["model"][0].shape
        config = _settled(config, shape, inputs)
        return Facts(shape=shape, tokens=_steps(config, shape, inputs) * config.batch_tokens)

    def estimate(self, config: FinetuneConfig, inputs: Mapping[str, Sequence[Facts]], machine: Machine) -> Estimate:
        """From the FLOP of all steps; a few seconds where the model's shape is not known before it is imported."""
        shape = inputs["model"][0].shape
        if shape is None:
            return machine.estimate(self.name, seconds=60.0)
        config = _settled(config, shape, inputs)
        trained = shape.parameters if config.method == "full" else lora_parameters(shape, config.rank, config.targets)
        learned = LEARNED_SHARE if inputs.get("pairs") else 1.0
        flop = _steps(config, shape, inputs) * step_flop(config, shape, learned)
        seconds = training_seconds(
            machine, flop, precision=config.precision, efficiency=EFFICIENCY, compiled=config.compile
        )
        memory = training_memory(
            shape, batch_tokens=config.batch_tokens, trained=trained, frozen=_frozen_bytes(config, shape)
        )
        files = 4 * shape.parameters / WEIGHT_BYTES_PER_S
        return machine.estimate(self.name, seconds=0.5 + files + seconds, flop=flop, memory_bytes=memory)

    def run(self, config: FinetuneConfig, runtime: FinetuneRuntime, inputs: Inputs, context: Context) -> Facts:
        """Train, from the last checkpoint if there is one, and write the adapted model."""
        from luosi.stages.finetune.adapt import finetune

        return finetune(config, runtime, inputs, context)


def step_flop(config: FinetuneConfig, shape: ModelShape, learned_share: float = 1.0) -> float:
    """FLOP of one step of a settled config in which a `learned_share` of the positions is learned from: the others need no logits."""
    tokens, top = config.batch_tokens, min(config.top_layers or shape.layers, shape.layers)
    adapters = (
        lora_parameters(shape, config.rank, config.targets) * top // shape.layers if config.method == "lora" else 0
    )
    whole = training_flop(shape, tokens, config.sequence, trainable=config.method, adapter_parameters=adapters)
    if config.method == "lora" and config.adapter == "dora":  # A times each weight, for the lengths of its rows
        sizes = linear_sizes(shape)
        whole += 2 * config.rank * top * sum(math.prod(sizes[target]) for target in config.targets)
    # nothing goes back through the layers below the lowest adapter
    back = 2 * tokens * shape.matrix_parameters + 2 * attention_flop(shape, tokens, config.sequence)
    whole -= back * (shape.layers - top) / shape.layers
    products = 2 if config.method == "lora" else 3
    head = products * 2 * shape.vocab_size * shape.width
    return whole - (1 - learned_share) * tokens * head


def _frozen_bytes(config: FinetuneConfig, shape: ModelShape) -> int:
    """Of the weights beside adapters. In int8 are the matrices that are multiplied together with one that has an adapter."""
    if config.method == "full":
        return 0
    if config.precision == "fp32":
        return 4 * shape.parameters
    sizes = linear_sizes(shape)
    beside = [name for group in SAME_INPUT if set(group) & set(config.targets) for name in group]
    layers = min(config.top_layers or shape.layers, shape.layers)
    halved = layers * sum(math.prod(sizes[name]) for name in beside) if config.base_weights == "int8" else 0
    return 2 * shape.parameters - halved


def _settled(config: FinetuneConfig, shape: ModelShape | None, inputs: Mapping[str, Sequence[Facts]]) -> FinetuneConfig:
    return config.settled(pairs=bool(inputs.get("pairs")), context=shape.context if shape else None)


def _steps(config: FinetuneConfig, shape: ModelShape | None, inputs: Mapping[str, Sequence[Facts]]) -> int:
    """Updates, as far as the facts tell: `epochs` of the pairs, else `tokens`."""
    if not config.epochs or not inputs.get("pairs"):
        return config.steps
    facts = inputs["pairs"][0]
    pairs = facts.pairs or 0
    text = facts.text_bytes if facts.text_bytes is not None else pairs * PAIR_BYTES
    tokens = text / bytes_per_token(shape.vocab_size if shape else 32_000) + pairs * FRAME_TOKENS
    replay = config.replay if inputs.get("corpus") else 0.0
    return max(1, math.ceil(config.epochs * tokens / (1 - replay) / config.batch_tokens))
