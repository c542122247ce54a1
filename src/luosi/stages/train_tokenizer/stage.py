"""Learns a byte-level BPE vocabulary from a corpus's training text and writes it as Hugging Face files.

Text is split as Qwen2 splits it (a split llama.cpp knows by that name), every byte is in the vocabulary, and nothing is
normalised, so decoding gives back any text exactly. Knows nothing of models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from luosi.artifacts import Corpus, Facts, Tokenizer
from luosi.cost import Estimate, Machine
from luosi.pipeline.stage import Context, Inputs, Role, Stage, StageRuntime
from luosi.stages.train_tokenizer.config import Config as TrainTokenizerConfig

READ_BYTES_PER_S = 40e6
"""Corpus read, one core; it is read twice."""

CORE_BYTES_PER_S = 3e6
"""Text learnt from, per core."""


class TrainTokenizerStage(Stage[TrainTokenizerConfig, StageRuntime]):
    """See the module."""

    name: ClassVar[str] = "train_tokenizer"
    version: ClassVar[int] = 1
    Config = TrainTokenizerConfig
    inputs: ClassVar[Mapping[str, Role]] = {"corpus": Role((Corpus,))}
    output = Tokenizer

    def predict(self, config: TrainTokenizerConfig, inputs: Mapping[str, Sequence[Facts]]) -> Facts:
        """The vocabulary is known: it is asked for."""
        return Facts(figures={"vocab_size": config.vocab_size})

    def estimate(
        self, config: TrainTokenizerConfig, inputs: Mapping[str, Sequence[Facts]], machine: Machine
    ) -> Estimate:
        """Proportional to the text that is read."""
        whole = inputs["corpus"][0].text_bytes or 0
        used = min(config.max_bytes, whole)
        seconds = 0.1 + 2 * whole / READ_BYTES_PER_S + used / (CORE_BYTES_PER_S * machine.cores)
        return machine.estimate(self.name, seconds=seconds, memory_bytes=200_000_000 + 12 * used)

    def run(self, config: TrainTokenizerConfig, runtime: StageRuntime, inputs: Inputs, context: Context) -> Facts:
        """Learn the vocabulary and write it.

        Raises:
            InputError: The corpus has too little text for so many tokens.
        """
        from luosi.stages.train_tokenizer.bpe import train

        return train(config, inputs.artifact("corpus", Corpus), context)
