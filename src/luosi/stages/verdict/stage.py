"""The verdict stage: price, prediction and the call to its parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from luosi.artifacts import Facts, Scorecard, Verdict
from luosi.cost import Estimate, Machine
from luosi.pipeline.stage import Context, Inputs, Role, Stage, StageRuntime
from luosi.stages.verdict.config import Config as VerdictConfig


class VerdictStage(Stage[VerdictConfig, StageRuntime]):
    """Scorecards -> Verdict: quality only; money is joined when it is shown, for prices change and scores do not."""

    name: ClassVar[str] = "verdict"
    version: ClassVar[int] = 1
    Config = VerdictConfig
    inputs: ClassVar[Mapping[str, Role]] = {"scores": Role((Scorecard,), many=True)}
    output = Verdict

    def predict(self, config: VerdictConfig, inputs: Mapping[str, Sequence[Facts]]) -> Facts:
        """Nothing but the number of routes."""
        return Facts(figures={"routes": len(config.routes)})

    def estimate(self, config: VerdictConfig, inputs: Mapping[str, Sequence[Facts]], machine: Machine) -> Estimate:
        """Some sums over a few hundred documents."""
        return machine.estimate(self.name, seconds=0.1, memory_bytes=100_000_000)

    def run(self, config: VerdictConfig, runtime: StageRuntime, inputs: Inputs, context: Context) -> Facts:
        """Compare the scorecards and say what follows.

        Raises:
            RecipeError: The routes name other steps than those given.
            StageError: The scorecards were not taken on the same documents, questions or precision.
        """
        from luosi.artifacts.base import write_json
        from luosi.stages.verdict.advice import advise
        from luosi.stages.verdict.routes import compare, read_scores

        scores = read_scores(config, inputs.all("scores"))
        summary = compare(config, scores)
        summary = summary.model_copy(update={"advice": tuple(advise(summary, scores))})
        write_json(context.out / "verdict.json", summary.model_dump())
        context.progress(1, 1, "verdicts")
        return Facts(figures={"routes": len(summary.routes)})
