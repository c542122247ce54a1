"""The compress stage: price, prediction and the call to its work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from luosi.artifacts import Bundle, Facts
from luosi.cost import Estimate, Machine
from luosi.models.gguf_layout import file_bytes, weight_bytes
from luosi.pipeline.stage import Context, Inputs, Role, Stage, StageRuntime
from luosi.stages.compress.config import Config as CompressConfig


class CompressStage(Stage[CompressConfig, StageRuntime]):
    """Bundle in F32 -> Bundle at another precision."""

    name: ClassVar[str] = "compress"
    version: ClassVar[int] = 1
    Config = CompressConfig
    inputs: ClassVar[Mapping[str, Role]] = {"bundle": Role((Bundle,))}
    output = Bundle

    def predict(self, config: CompressConfig, inputs: Mapping[str, Sequence[Facts]]) -> Facts:
        """Shape, precision and file size."""
        shape = inputs["bundle"][0].shape
        if shape is None:
            return Facts(precision=config.precision)
        return Facts(shape=shape, precision=config.precision, file_bytes=file_bytes(shape, config.precision))

    def estimate(self, config: CompressConfig, inputs: Mapping[str, Sequence[Facts]], machine: Machine) -> Estimate:
        """Starting an engine (half a second), reading the F32 file at 300 MB/s, quantising 50 million weights a second, and the
        engine's 720 measured tokens at what its integer arithmetic gives (about half the machine's fp32)."""
        shape = inputs["bundle"][0].shape
        if shape is None:
            return machine.estimate(self.name, seconds=20)
        size = weight_bytes(shape, "F32")
        seconds = 0.5 + size / 300e6 + shape.parameters / 50e6 + 720 * 4 * shape.parameters / machine.fp32_flops
        return machine.estimate(self.name, seconds=seconds, memory_bytes=int(2.5 * size + 500e6))

    def run(self, config: CompressConfig, runtime: StageRuntime, inputs: Inputs, context: Context) -> Facts:
        """Read the F32 GGUF, write the other, try it in the engine.

        Raises:
            InputError: The bundle is quantised already.
            EngineError: The engine does not load the file.
        """
        from luosi.stages.compress.work import compress

        return compress(config, inputs.artifact("bundle", Bundle), context)
