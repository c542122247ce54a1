"""Encodes a corpus's training text: whole documents end to end, in seeded order, ids kept. Knows nothing of rows or batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from luosi.artifacts import Corpus, Facts, TokenDataset, Tokenizer
from luosi.cost import Estimate, Machine
from luosi.pipeline.stage import Context, Inputs, Role, Stage, StageRuntime
from luosi.stages.tokenize.config import Config as TokenizeConfig
from luosi.training.estimates import bytes_per_token

CORE_BYTES_PER_S = 2.0e6
"""Text encoded per core and second, reading and writing included."""


class TokenizeStage(Stage[TokenizeConfig, StageRuntime]):
    """See the module."""

    name: ClassVar[str] = "tokenize"
    version: ClassVar[int] = 1
    Config = TokenizeConfig
    inputs: ClassVar[Mapping[str, Role]] = {"corpus": Role((Corpus,)), "tokenizer": Role((Tokenizer,))}
    output = TokenDataset

    def predict(self, config: TokenizeConfig, inputs: Mapping[str, Sequence[Facts]]) -> Facts:
        """Tokens from the text's bytes and the vocabulary's size."""
        corpus, vocab_size = inputs["corpus"][0], int(inputs["tokenizer"][0].figures.get("vocab_size", 4096))
        text = corpus.text_bytes
        return Facts(
            documents=corpus.documents, text_bytes=text, tokens=text and round(text / bytes_per_token(vocab_size))
        )

    def estimate(self, config: TokenizeConfig, inputs: Mapping[str, Sequence[Facts]], machine: Machine) -> Estimate:
        """Proportional to the text."""
        text = inputs["corpus"][0].text_bytes or 0
        return machine.estimate(
            self.name, seconds=0.1 + text / (CORE_BYTES_PER_S * machine.cores), memory_bytes=300_000_000
        )

    def run(self, config: TokenizeConfig, runtime: StageRuntime, inputs: Inputs, context: Context) -> Facts:
        """Encode and write."""
        from luosi.stages.tokenize.dataset import write

        return write(config, inputs.artifact("corpus", Corpus), inputs.artifact("tokenizer", Tokenizer), context)
