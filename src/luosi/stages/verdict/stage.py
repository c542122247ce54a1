"""The verdict stage: price, prediction and the call to its parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from luosi.artifacts import Answers, Facts, Scorecard, Verdict
from luosi.cost import Estimate, Machine
from luosi.errors import RecipeError
from luosi.pipeline.stage import Context, Inputs, Role, Stage, StageRuntime
from luosi.stages.verdict.config import Config as VerdictConfig


class VerdictStage(Stage[VerdictConfig, StageRuntime]):
    """Scorecards and answers -> Verdict: quality only; money is joined when it is shown, for prices change and scores do not."""

    name: ClassVar[str] = "verdict"
    version: ClassVar[int] = 2
    Config = VerdictConfig
    inputs: ClassVar[Mapping[str, Role]] = {
        "scores": Role((Scorecard,), many=True, optional=True),
        "answers": Role((Answers,), many=True, optional=True),
    }
    output = Verdict

    def predict(self, config: VerdictConfig, inputs: Mapping[str, Sequence[Facts]]) -> Facts:
        """Nothing but the number of scored routes.

        Raises:
            RecipeError: There are neither scores nor answers.
        """
        if not config.routes and not inputs.get("answers"):
            raise RecipeError(
                "there are neither scores nor answers to judge by",
                field="inputs",
                hint='give inputs.scores = ["STEP", ..] with their routes, or inputs.answers = "STEP" of a race',
            )
        return Facts(figures={"routes": len(config.routes)})

    def estimate(self, config: VerdictConfig, inputs: Mapping[str, Sequence[Facts]], machine: Machine) -> Estimate:
        """Some sums over a few hundred documents and answers."""
        return machine.estimate(self.name, seconds=0.03, memory_bytes=100_000_000)

    def run(self, config: VerdictConfig, runtime: StageRuntime, inputs: Inputs, context: Context) -> Facts:
        """Compare the scorecards and the answers and say what follows.

        Raises:
            RecipeError: The routes name other steps than those given, or there is nothing to judge by.
            StageError: The scorecards were not taken on the same documents, questions or precision, or two races do not fit.
        """
        from luosi.artifacts.base import write_json
        from luosi.stages.verdict.compare import compare

        self.predict(config, {"answers": [one.facts for one in inputs.all("answers")]})
        summary = compare(config, inputs.all("scores"), inputs.all("answers"))
        write_json(context.out / "verdict.json", summary.model_dump())
        context.progress(1, 1, "verdicts")
        return Facts(figures={"routes": len(summary.routes)})
