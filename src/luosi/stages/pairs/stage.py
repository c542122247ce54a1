"""The pairs stage: prices itself from the pairs wanted and who makes them; the work is in work.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from luosi.artifacts import Bundle, Corpus, Exam, Facts, Index, Pairs
from luosi.cost import Estimate, Machine
from luosi.models.flops import forward_flop
from luosi.pipeline.stage import Context, Inputs, Role, Stage, StageRuntime
from luosi.stages.pairs.config import Config as PairsConfig

START_S, ENGINE_S = 1.0, 1.5
READ_BYTES_PER_S = 25e6
RULES_S = 0.004
"""By rules, for each pair wanted: measured on definitions, licences and laws."""
SEARCH_S = 0.01
TRIES = 4
"""Passages that a model is asked about for one fit pair, if it is good enough to be asked."""
PROMPT_TOKENS, ANSWER_TOKENS = 350, 45
MEMORY_BYTES_PER_S = 10e9
PAIR_BYTES = 250
"""Of question and answer: measured on the same."""
SHOWN_FILL = 0.8
"""Of `passage_chars`, how much a passage has."""


class PairsStage(Stage[PairsConfig, StageRuntime]):
    """Corpus (and a model to ask, an index to check with, an exam to keep clear of) -> Pairs."""

    name: ClassVar[str] = "pairs"
    version: ClassVar[int] = 1
    Config = PairsConfig
    inputs: ClassVar[Mapping[str, Role]] = {
        "corpus": Role((Corpus,)),
        "bundle": Role((Bundle,), optional=True),
        "index": Role((Index,), optional=True),
        "exam": Role((Exam,), optional=True),
    }
    output = Pairs

    def predict(self, config: PairsConfig, inputs: Mapping[str, Sequence[Facts]]) -> Facts:
        """As many as asked for, with the text that they and what is shown with them have."""
        shown = config.passages_share * config.passages * config.passage_chars * SHOWN_FILL
        return Facts(pairs=config.pairs, text_bytes=round(config.pairs * (PAIR_BYTES + shown)))

    def estimate(self, config: PairsConfig, inputs: Mapping[str, Sequence[Facts]], machine: Machine) -> Estimate:
        """Reading the corpus, the rules, a search for each candidate; for the model's share its passages and answers at its speed."""
        text = inputs["corpus"][0].text_bytes or 0
        searches = 2 * config.pairs if inputs.get("index") else 0
        seconds = START_S + text / READ_BYTES_PER_S + RULES_S * config.pairs + SEARCH_S * searches
        if not inputs.get("bundle") or not config.model_share or config.pairs == 0:
            return machine.estimate(self.name, seconds=seconds, memory_bytes=400_000_000)
        bundle = inputs["bundle"][0]
        tries = TRIES * max(1, round(config.pairs * config.model_share))
        reads = tries * PROMPT_TOKENS * (2 if config.check_answers else 1)
        writes = tries * ANSWER_TOKENS * (2 if config.check_answers else 1)
        flop = forward_flop(bundle.shape, reads + writes, PROMPT_TOKENS) if bundle.shape else 0.0
        if bundle.prompt_tokens_per_s and bundle.decode_tokens_per_s:
            seconds += reads / bundle.prompt_tokens_per_s + writes / bundle.decode_tokens_per_s
        else:
            seconds += flop / machine.fp32_flops + writes * (bundle.file_bytes or 150_000_000) / MEMORY_BYTES_PER_S
        memory = 400_000_000 + 2 * (bundle.file_bytes or 0)
        return machine.estimate(self.name, seconds=seconds + ENGINE_S, flop=flop, memory_bytes=memory)

    def run(self, config: PairsConfig, runtime: StageRuntime, inputs: Inputs, context: Context) -> Facts:
        """Make, filter and write the pairs.

        Raises:
            InputError: A source does not exist, the corrections cannot be read, or not one pair could be made.
        """
        from luosi.stages.pairs.work import make_pairs

        return make_pairs(config, inputs, context)
