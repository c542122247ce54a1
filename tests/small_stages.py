"""Two small stages: one that writes lines slowly and resumes from its scratch, one that joins what others wrote."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import Field

from luosi.artifacts import Facts, Folder
from luosi.cost import Cost, Estimate, Machine
from luosi.pipeline.stage import ADDED_LATER, LOCATION, Context, Inputs, Role, Stage, StageConfig, StageRuntime


class SlowConfig(StageConfig):
    text: str
    lines: int = Field(gt=0)
    rate: float = 1.0
    where: str = Field(default="", json_schema_extra=LOCATION)
    suffix: str = Field(default="", json_schema_extra=ADDED_LATER)


class SlowRuntime(StageRuntime):
    pause_s: float = 0.0


class SlowStage(Stage[SlowConfig, SlowRuntime]):
    name = "slow"
    version = 1
    Config = SlowConfig
    Runtime = SlowRuntime
    output = Folder

    def predict(self, config: SlowConfig, inputs: Mapping[str, Sequence[Facts]]) -> Facts:
        return Facts(documents=config.lines)

    def estimate(self, config: SlowConfig, inputs: Mapping[str, Sequence[Facts]], machine: Machine) -> Estimate:
        return machine.estimate(self.name, seconds=0.01 * config.lines, flop=10.0 * config.lines)

    def run(self, config: SlowConfig, runtime: SlowRuntime, inputs: Inputs, context: Context) -> Facts:
        checkpoint = context.scratch / "lines"
        done = checkpoint.read_text().splitlines() if checkpoint.exists() else []
        for number in range(len(done), config.lines):
            done.append(f"{number} {config.text}{config.suffix}")
            temporary = context.scratch / "lines.tmp"
            temporary.write_text("".join(f"{line}\n" for line in done))
            temporary.replace(checkpoint)
            context.spend(Cost(flop=10.0))
            context.progress(number + 1, config.lines, "lines", loss=1.0 / (number + 1))
            time.sleep(runtime.pause_s)
        (context.out / "lines.txt").write_text("".join(f"{line}\n" for line in done))
        return Facts(documents=config.lines)


class JoinConfig(StageConfig):
    separator: str


class JoinStage(Stage[JoinConfig, StageRuntime]):
    name = "join"
    version = 1
    Config = JoinConfig
    inputs: ClassVar[Mapping[str, Role]] = {"parts": Role((Folder,), many=True)}
    output = Folder

    def predict(self, config: JoinConfig, inputs: Mapping[str, Sequence[Facts]]) -> Facts:
        return Facts(documents=sum(facts.documents or 0 for facts in inputs["parts"]))

    def estimate(self, config: JoinConfig, inputs: Mapping[str, Sequence[Facts]], machine: Machine) -> Estimate:
        return machine.estimate(self.name, seconds=0.01)

    def run(self, config: JoinConfig, runtime: StageRuntime, inputs: Inputs, context: Context) -> Facts:
        parts = [(part.artifact.path / "lines.txt").read_text() for part in inputs.all("parts")]
        (context.out / "joined.txt").write_text(config.separator.join(parts))
        return Facts(documents=sum(part.facts.documents or 0 for part in inputs.all("parts")))
