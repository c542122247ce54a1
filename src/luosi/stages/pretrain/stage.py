"""Trains a small Qwen3-shaped model from scratch on a token dataset. Knows nothing of how text became tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from luosi.artifacts import BaseModel, Facts, ModelShape, TokenDataset, Tokenizer
from luosi.cost import Estimate, Machine
from luosi.models.flops import training_flop
from luosi.pipeline.stage import Context, Inputs, Role, Stage
from luosi.stages.pretrain.config import Config as PretrainConfig
from luosi.stages.pretrain.config import Runtime as PretrainRuntime
from luosi.training.estimates import DRAWN_CHUNK_TOKENS, different_words, muon_flop, training_memory, training_seconds

EFFICIENCY = {False: 0.5, True: 0.54}
"""Share of the peak of large matrix products that a small model's training reaches, Muon's products included, by `compile`;
measured on a 4.2 M parameter model in bf16 on AVX512-BF16 cores."""


class PretrainStage(Stage[PretrainConfig, PretrainRuntime]):
    """See the module."""

    name: ClassVar[str] = "pretrain"
    version: ClassVar[int] = 5
    Config = PretrainConfig
    Runtime = PretrainRuntime
    inputs: ClassVar[Mapping[str, Role]] = {"tokens": Role((TokenDataset,)), "tokenizer": Role((Tokenizer,))}
    output = BaseModel

    def predict(self, config: PretrainConfig, inputs: Mapping[str, Sequence[Facts]]) -> Facts:
        """The shape is known: config plus the tokenizer's vocabulary."""
        return Facts(
            shape=config.shape(int(inputs["tokenizer"][0].figures["vocab_size"])),
            tokens=config.steps * config.batch_tokens,
        )

    def estimate(self, config: PretrainConfig, inputs: Mapping[str, Sequence[Facts]], machine: Machine) -> Estimate:
        """From the FLOP of all steps; the optimizer's take time too, and are not the model's."""
        facts = self.predict(config, inputs)
        assert facts.shape is not None and facts.tokens is not None
        flop = training_flop(facts.shape, facts.tokens, config.sequence)
        columns = config.drawn_words + different_words(facts.shape.vocab_size, DRAWN_CHUNK_TOKENS)
        if machine.device == "cpu" and config.draws(columns, facts.shape.vocab_size):
            drawn = (1 - config.whole_fraction) * facts.tokens
            flop -= spared_flop(facts.shape, drawn, columns)
        seconds = training_seconds(
            machine,
            flop + config.steps * muon_flop(facts.shape),
            precision=config.precision,
            efficiency=EFFICIENCY[config.compile],
            compiled=config.compile,
        )
        memory = training_memory(facts.shape, batch_tokens=config.batch_tokens, trained=facts.shape.parameters)
        return machine.estimate(self.name, seconds=2.0 + seconds, flop=flop, memory_bytes=memory)

    def run(self, config: PretrainConfig, runtime: PretrainRuntime, inputs: Inputs, context: Context) -> Facts:
        """Train, from the last checkpoint if there is one, and write the model."""
        from luosi.stages.pretrain.scratch import pretrain

        return pretrain(
            config, runtime, inputs.artifact("tokens", TokenDataset), inputs.artifact("tokenizer", Tokenizer), context
        )


def spared_flop(shape: ModelShape, tokens: float, columns: float) -> float:
    """What a loss over `columns` words spares of the head's three products."""
    return 6 * tokens * shape.width * (shape.vocab_size - columns)
