"""The exam stage: prices itself from the number of questions; the work is in work.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from luosi.artifacts import Corpus, Exam, Facts
from luosi.cost import Estimate, Machine
from luosi.pipeline.stage import Context, Inputs, Role, Stage, StageRuntime
from luosi.stages.exam.config import Config as ExamConfig

START_S = 0.02
QUESTION_S = 0.0005
OWN = 50
"""Questions that a user's file is taken to hold, before it is read."""


class ExamStage(Stage[ExamConfig, StageRuntime]):
    """See the module."""

    name: ClassVar[str] = "exam"
    version: ClassVar[int] = 3
    Config = ExamConfig
    inputs: ClassVar[Mapping[str, Role]] = {"corpus": Role((Corpus,))}
    output = Exam

    def predict(self, config: ExamConfig, inputs: Mapping[str, Sequence[Facts]]) -> Facts:
        """As many questions as asked for, or as the held-out text has room for."""
        (corpus,) = inputs["corpus"]
        sources = len(config.sources) or len(corpus.source_bytes or {"": 0})
        made = config.questions * sources
        if corpus.heldout_bytes is not None:
            made = min(made, corpus.heldout_bytes // config.choice_chars)
        own = (config.own_count or OWN) if config.own else 0
        return Facts(questions=made + own, figures={"own": own})

    def estimate(self, config: ExamConfig, inputs: Mapping[str, Sequence[Facts]], machine: Machine) -> Estimate:
        """A constant and a little for each question."""
        seconds = START_S + QUESTION_S * (self.predict(config, inputs).questions or 0)
        return machine.estimate(self.name, seconds=seconds, memory_bytes=100_000_000)

    def run(self, config: ExamConfig, runtime: StageRuntime, inputs: Inputs, context: Context) -> Facts:
        """Make and write the questions."""
        from luosi.stages.exam.work import make_exam

        return make_exam(
            config, inputs.artifact("corpus", Corpus), context.out, progress=context.progress, say=context.say
        )
