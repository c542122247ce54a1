"""The race stage: price, prediction and the call to its work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from luosi.artifacts import Answers, Bundle, Exam, Facts, Index
from luosi.cost import Estimate, Machine, Money
from luosi.errors import RecipeError
from luosi.models.flops import forward_flop
from luosi.pipeline.stage import Context, Inputs, Role, Stage, StageRuntime
from luosi.stages.race.config import ArmConfig
from luosi.stages.race.config import Config as RaceConfig

_QUESTION_TOKENS = 60
_PASSAGE_TOKENS = 250
_SEARCH_S = 0.05
_RENTED_S = 2.0
_QUESTIONS = 30
"""Where nobody knows how many there are."""
_UTILISATION = 1.6  # of fp32 FLOP/s: the engine multiplies in 8 bits
_BYTES_PER_S = 1.5e10  # of weights read for each token of an answer
_MILLION = 1_000_000


class RaceStage(Stage[RaceConfig, StageRuntime]):
    """Bundles and rented models + Exam [+ Index, judge's Bundle] -> Answers."""

    name: ClassVar[str] = "race"
    version: ClassVar[int] = 2
    Config = RaceConfig
    inputs: ClassVar[Mapping[str, Role]] = {
        "bundles": Role((Bundle,), many=True, optional=True),
        "exam": Role((Exam,)),
        "index": Role((Index,), optional=True),
        "judge": Role((Bundle,), optional=True),
    }
    output = Answers

    def predict(self, config: RaceConfig, inputs: Mapping[str, Sequence[Facts]]) -> Facts:
        """How many questions are asked.

        Raises:
            RecipeError: An arm has the files and no index is given, the bundles are not those that arms name, or there are two judges.
        """
        given = len(inputs.get("bundles", ()))
        if given != len(config.bundles):
            named = ", ".join(config.bundles) or "none"
            raise RecipeError(f"{given} bundles are given; the arms name {named}", field="inputs.bundles")
        if any(arm.files for arm in config.arms.values()) and not inputs.get("index"):
            raise RecipeError(
                "missing, and an arm has the files",
                field="inputs.index",
                hint="name the step that cuts them into passages",
            )
        if config.judge and inputs.get("judge"):
            raise RecipeError(f"judge is {config.judge!r} and a bundle is given too: expected one judge", field="judge")
        exam = inputs["exam"][0]
        own = exam.figures.get("own")
        return Facts(questions=int(own) if config.sources == ("own",) and own is not None else exam.questions)

    def estimate(self, config: RaceConfig, inputs: Mapping[str, Sequence[Facts]], machine: Machine) -> Estimate:
        """Every arm is asked everything: what stopping saves is not known before. Bundles answer at their measured speed; fees are
        for answers of full length, and never above the cap."""
        questions = self.predict(config, inputs).questions or _QUESTIONS
        bundles = dict(zip(config.bundles, inputs.get("bundles", ()), strict=True))
        seconds, flop = 3.0, 0.0
        for arm in config.arms.values():
            tokens = _prompt_tokens(config, arm)
            seconds += questions * _SEARCH_S * arm.files
            if arm.rented:
                seconds += questions * _RENTED_S
            else:
                facts = bundles[arm.bundle]
                seconds += questions * _answer_s(facts, tokens, config.answer_tokens / 2, machine)
                if facts.shape:
                    flop += questions * forward_flop(facts.shape, tokens + config.answer_tokens / 2, tokens)
        memory = 600e6 + sum(1.1 * (facts.file_bytes or 2e8) + 5e8 for facts in bundles.values())
        memory = min(memory, machine.memory_bytes / 2)
        fees = (
            Money(nano=min(config.cap_nano, _fees(config, questions)), currency=config.currency)
            if config.rented
            else None
        )
        return machine.estimate(self.name, seconds=seconds, flop=flop, memory_bytes=int(memory), fees=fees)

    def run(self, config: RaceConfig, runtime: StageRuntime, inputs: Inputs, context: Context) -> Facts:
        """Ask, mark, stop who cannot win.

        Raises:
            RecipeError: inputs.bundles are not the steps that arms name, in that order.
            InputError: The exam has no question to ask.
            UsageError: A rented model's address or key is missing.
            EngineError: A model of one's own cannot be run.
        """
        from luosi.stages.race.work import race

        return race(config, inputs, context)


def _prompt_tokens(config: RaceConfig, arm: ArmConfig) -> int:
    return len(config.system_prompt) // 4 + _QUESTION_TOKENS + arm.files * config.passages * _PASSAGE_TOKENS


def _answer_s(facts: Facts, prompt: float, answer: float, machine: Machine) -> float:
    """Seconds for one answer: by the bundle's measured speed, else by its shape."""
    if facts.prompt_tokens_per_s and facts.decode_tokens_per_s:
        return prompt / facts.prompt_tokens_per_s + answer / facts.decode_tokens_per_s
    if facts.shape is None:
        return 1.0
    reading = forward_flop(facts.shape, prompt, prompt) / (machine.fp32_flops * _UTILISATION)
    return reading + answer * (facts.file_bytes or facts.shape.parameters) / _BYTES_PER_S


def _fees(config: RaceConfig, questions: int) -> int:
    """Nano-units for the rented arms' answers; the judge's work depends on the questions and is not in it."""
    rented = [(arm, config.rented[arm.rented]) for arm in config.arms.values() if arm.rented]
    answers = (
        _prompt_tokens(config, arm) * one.prompt_nano + config.answer_tokens * one.completion_nano
        for arm, one in rented
    )
    return -(-questions * sum(answers) // _MILLION)
