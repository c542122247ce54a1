"""The retrieve stage: prices itself from the text's bytes and the encoder; the work is done by luosi.retrieval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from luosi.artifacts import Corpus, Facts, Index
from luosi.cost import Cost, Estimate, Machine
from luosi.pipeline.stage import Context, Inputs, Role, Stage, StageRuntime
from luosi.retrieval.packages import PACKAGES, learning
from luosi.stages.retrieve.config import Config as RetrieveConfig

START_S = 1.0
WORDS_BYTES_PER_S = 2.0e6
"""Text cut into passages and indexed by its words per core and second; one core is used."""
LEARNING_S = 0.13e-3
"""A passage looked at in learning word vectors."""
VECTORS_BYTES_PER_S = 0.27e6
"""Text parted into words to learn from, and then given vectors, per core and second."""
BYTES_PER_TOKEN = 4.0
BUSY = 0.3
"""Share of the machine's sustained FLOP/s that short passages reach."""
FILLED = 0.75
"""Mean size of a passage, as a share of the size aimed at: sections end where they end."""


class RetrieveStage(Stage[RetrieveConfig, StageRuntime]):
    """See the module."""

    name: ClassVar[str] = "retrieve"
    version: ClassVar[int] = 2
    Config = RetrieveConfig
    inputs: ClassVar[Mapping[str, Role]] = {"corpus": Role((Corpus,))}
    output = Index

    def predict(self, config: RetrieveConfig, inputs: Mapping[str, Sequence[Facts]]) -> Facts:
        """As many passages as the text has room for, and one for each document at least."""
        (corpus,) = inputs["corpus"]
        documents = (corpus.documents or 0) + (corpus.heldout_documents or 0)
        return Facts(passages=max(documents, round(_bytes(corpus) / (FILLED * config.passage_chars))))

    def estimate(self, config: RetrieveConfig, inputs: Mapping[str, Sequence[Facts]], machine: Machine) -> Estimate:
        """Proportional to the text but for learning word vectors, which is bounded; an encoder that computes adds its FLOP."""
        text = _bytes(inputs["corpus"][0])
        seconds = START_S + text / WORDS_BYTES_PER_S
        flop = 0.0
        if package := PACKAGES.get(config.encoder):
            flop = package.flop_per_token * text / BYTES_PER_TOKEN
            steps, batch = learning(self.predict(config, inputs).passages or 0)
            seconds += LEARNING_S * steps * batch
            seconds += text / VECTORS_BYTES_PER_S + flop / (BUSY * machine.training_flops)
        memory = {"none": 250_000_000, "static": 900_000_000, "minilm": 900_000_000, "multilingual": 1_600_000_000}
        return machine.estimate(self.name, seconds=seconds, flop=flop, memory_bytes=memory[config.encoder])

    def run(self, config: RetrieveConfig, runtime: StageRuntime, inputs: Inputs, context: Context) -> Facts:
        """Cut, index, and make the vectors."""
        from itertools import chain

        from luosi.retrieval.build import build

        corpus = inputs.one("corpus")
        source = inputs.artifact("corpus", Corpus)
        package = PACKAGES.get(config.encoder)
        per_token = package.flop_per_token if package else 0.0
        passages = build(
            chain(source.documents("train"), source.documents("heldout")),
            context.out,
            context.scratch,
            passage_chars=config.passage_chars,
            encoder=config.encoder,
            expected_bytes=_bytes(corpus.facts),
            progress=context.progress,
            spend=lambda tokens: context.spend(Cost(tokens=tokens, flop=tokens * per_token)),
        )
        index_bytes = sum(file.stat().st_size for file in context.out.iterdir())
        return Facts(passages=passages, figures={"encoder": config.encoder, "index_bytes": index_bytes})


def _bytes(corpus: Facts) -> int:
    return (corpus.text_bytes or 0) + (corpus.heldout_bytes or 0)
