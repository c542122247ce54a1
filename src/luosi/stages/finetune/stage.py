"""Adapts a model to a corpus by continued pretraining with replay. Knows nothing of where the model came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from luosi.artifacts import BaseModel, Corpus, Facts, ModelShape, TunedModel
from luosi.cost import Estimate, Machine
from luosi.models.flops import lora_parameters, training_flop
from luosi.pipeline.stage import Context, Inputs, Role, Stage
from luosi.stages.finetune.config import Config as FinetuneConfig
from luosi.stages.finetune.config import Runtime as FinetuneRuntime
from luosi.training.estimates import training_memory, training_seconds

EFFICIENCY = 0.38
"""Share of the peak of large matrix products that is reached; measured on a LoRA of
a 135 M parameter model in bf16 on AVX512-BF16 cores."""

WEIGHT_BYTES_PER_S = 150e6
"""Weights read twice, merged and written."""


class FinetuneStage(Stage[FinetuneConfig, FinetuneRuntime]):
    """See the module."""

    name: ClassVar[str] = "finetune"
    version: ClassVar[int] = 1
    Config = FinetuneConfig
    Runtime = FinetuneRuntime
    inputs: ClassVar[Mapping[str, Role]] = {"model": Role((BaseModel, TunedModel)), "corpus": Role((Corpus,))}
    output = TunedModel

    def predict(self, config: FinetuneConfig, inputs: Mapping[str, Sequence[Facts]]) -> Facts:
        """The model's shape stays."""
        return Facts(shape=inputs["model"][0].shape, tokens=config.steps * config.batch_tokens)

    def estimate(self, config: FinetuneConfig, inputs: Mapping[str, Sequence[Facts]], machine: Machine) -> Estimate:
        """From the FLOP of all steps; a few seconds where the model's shape is not known before it is imported."""
        shape = inputs["model"][0].shape
        if shape is None:
            return machine.estimate(self.name, seconds=60.0)
        trained = shape.parameters if config.method == "full" else lora_parameters(shape, config.rank, config.targets)
        flop = config.steps * step_flop(config, shape)
        seconds = training_seconds(
            machine, flop, precision=config.precision, efficiency=EFFICIENCY, compiled=config.compile
        )
        frozen = 0 if config.method == "full" else 2 if config.precision == "bf16" else 4
        memory = training_memory(shape, piece_tokens=config.batch_tokens, trained=trained, frozen_bytes=frozen)
        files = 4 * shape.parameters / WEIGHT_BYTES_PER_S
        return machine.estimate(self.name, seconds=2.0 + files + seconds, flop=flop, memory_bytes=memory)

    def run(self, config: FinetuneConfig, runtime: FinetuneRuntime, inputs: Inputs, context: Context) -> Facts:
        """Train, from the last checkpoint if there is one, and write the adapted model."""
        from luosi.stages.finetune.adapt import finetune

        return finetune(config, runtime, inputs, context)


def step_flop(config: FinetuneConfig, shape: ModelShape) -> float:
    """FLOP of one step."""
    adapters = lora_parameters(shape, config.rank, config.targets) if config.method == "lora" else 0
    return training_flop(
        shape, config.batch_tokens, config.sequence, trainable=config.method, adapter_parameters=adapters
    )
