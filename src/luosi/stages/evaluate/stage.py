"""The evaluate stage: price, prediction and the call to its work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from luosi.artifacts import Bundle, Corpus, Exam, Facts, Scorecard
from luosi.cost import Estimate, Machine
from luosi.errors import RecipeError
from luosi.models.flops import forward_flop
from luosi.pipeline.stage import Context, Inputs, Role, Stage, StageRuntime
from luosi.stages.evaluate.config import Config as EvaluateConfig

_BYTES_PER_TOKEN = 4
_REREAD = 1.2  # context that windows read again
_QUESTION_BYTES = 600 + 2 * 4 * 300  # a prompt, and four choices twice: after it and alone
_SEQUENCE = 700
_UTILISATION = 0.5  # of a large product's FLOP/s: attention and element-wise work take the rest
_XZ_BYTES_PER_S = 0.9e6  # with a dictionary of megabytes
_XZ_TEXT_S = 0.006


class EvaluateStage(Stage[EvaluateConfig, StageRuntime]):
    """Bundle (or a baseline) + Corpus [+ Exam] -> Scorecard."""

    name: ClassVar[str] = "evaluate"
    version: ClassVar[int] = 1
    Config = EvaluateConfig
    inputs: ClassVar[Mapping[str, Role]] = {
        "bundle": Role((Bundle,), optional=True),
        "corpus": Role((Corpus,)),
        "exam": Role((Exam,), optional=True),
    }
    output = Scorecard

    def predict(self, config: EvaluateConfig, inputs: Mapping[str, Sequence[Facts]]) -> Facts:
        """What will be scored.

        Raises:
            RecipeError: Neither a bundle nor a baseline is given, or both are.
        """
        if bool(config.baseline) == bool(inputs.get("bundle")):
            raise RecipeError(
                f"baseline is {config.baseline!r} and {len(inputs.get('bundle', ()))} bundles are given, expected one of the two",
                field="baseline",
                hint='give inputs.bundle = "STEP" to score a model, or baseline = "xz"',
            )
        (corpus,) = inputs["corpus"]
        return Facts(
            heldout_documents=corpus.heldout_documents,
            heldout_bytes=corpus.heldout_bytes,
            text_bytes=corpus.text_bytes,
            questions=sum(exam.questions or 0 for exam in inputs.get("exam", ())),
            shape=inputs["bundle"][0].shape if inputs.get("bundle") else None,
        )

    def estimate(self, config: EvaluateConfig, inputs: Mapping[str, Sequence[Facts]], machine: Machine) -> Estimate:
        """A model: its FLOPs for text and exam, and reading it. xz: the training text once, and a fork for each text."""
        facts = self.predict(config, inputs)
        heldout, questions = facts.heldout_bytes or 0, facts.questions or 0
        if config.baseline:
            sources = inputs["corpus"][0].source_bytes or {"": facts.text_bytes or 0}
            prefix = sum(min(size, config.prefix_bytes) for size in sources.values())
            forks = (facts.heldout_documents or 0) + 9 * questions
            seconds = 0.1 * len(sources) + (prefix + heldout) / _XZ_BYTES_PER_S + forks * _XZ_TEXT_S
            return machine.estimate(self.name, seconds=seconds, memory_bytes=200_000_000 + 12 * prefix)
        if facts.shape is None:
            return machine.estimate(self.name, seconds=60)
        tokens = (heldout * _REREAD + questions * _QUESTION_BYTES) / _BYTES_PER_TOKEN
        flop = forward_flop(facts.shape, tokens, _SEQUENCE)
        speed = machine.bf16_flops if config.precision == "bf16" else machine.fp32_flops
        weights = 4 * facts.shape.parameters
        seconds = 0.3 + weights / 300e6 + flop / (speed * _UTILISATION)
        return machine.estimate(self.name, seconds=seconds, flop=flop, memory_bytes=int(2.5 * weights + 900e6))

    def run(self, config: EvaluateConfig, runtime: StageRuntime, inputs: Inputs, context: Context) -> Facts:
        """Score every held-out document and every question.

        Raises:
            StageError: There is nothing to score, or the baseline's process failed.
            InputError: The bundle's GGUF cannot be read.
        """
        from luosi.stages.evaluate.work import evaluate

        return evaluate(config, inputs, context)
