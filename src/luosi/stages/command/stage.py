"""The command stage: any program makes a Folder from any artifacts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from luosi.artifacts import Artifact, Facts, Folder
from luosi.cost import Estimate, Machine
from luosi.pipeline.stage import Context, Inputs, Role, Stage, StageRuntime
from luosi.stages.command.config import Config as CommandConfig


class CommandStage(Stage[CommandConfig, StageRuntime]):
    """Runs a program once; what it wrote into {out} is the artifact."""

    name = "command"
    version = 1
    Config = CommandConfig
    inputs: ClassVar[Mapping[str, Role]] = {"inputs": Role((Artifact,), many=True, optional=True)}
    output = Folder

    def predict(self, config: CommandConfig, inputs: Mapping[str, Sequence[Facts]]) -> Facts:
        """Nothing is known of another program's output."""
        return Facts()

    def estimate(self, config: CommandConfig, inputs: Mapping[str, Sequence[Facts]], machine: Machine) -> Estimate:
        """The user's guess, corrected by what the ledger knows of commands here."""
        return machine.estimate(self.name, seconds=config.expected_seconds)

    def run(self, config: CommandConfig, runtime: StageRuntime, inputs: Inputs, context: Context) -> Facts:
        """Run the program to its end in {scratch}, with {out} emptied first.

        Raises:
            InputError: There is no such program.
            RecipeError: A placeholder names a step that is not an input.
            StageError: It failed, or did not leave what `outputs` promises; its last words are in the message.
        """
        from luosi.stages.command.process import check_outputs, run_program

        run_program(config, {one.step: one.artifact.path for one in inputs.all("inputs")}, context)
        return check_outputs(config, context.out)
