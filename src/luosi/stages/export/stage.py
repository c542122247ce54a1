"""The export stage: price, prediction and the call to its work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from luosi.artifacts import Bundle, Facts, ModelArtifact
from luosi.cost import Estimate, Machine
from luosi.models.flops import forward_flop
from luosi.models.gguf_layout import file_bytes, weight_bytes
from luosi.pipeline.stage import Context, Inputs, Role, Stage, StageRuntime
from luosi.stages.export.config import Config as ExportConfig

_PROOF_SEQUENCES, _PROOF_LENGTH = 4, 128
_SPEED_TOKENS = 5 * (128 + 16)


class ExportStage(Stage[ExportConfig, StageRuntime]):
    """ModelArtifact -> Bundle, with a proof of parity before anything is published."""

    name: ClassVar[str] = "export"
    version: ClassVar[int] = 1
    Config = ExportConfig
    inputs: ClassVar[Mapping[str, Role]] = {"model": Role((ModelArtifact,))}
    output = Bundle

    def predict(self, config: ExportConfig, inputs: Mapping[str, Sequence[Facts]]) -> Facts:
        """Shape and file size."""
        shape = inputs["model"][0].shape
        if shape is None:
            return Facts(precision="F32")
        return Facts(shape=shape, precision="F32", file_bytes=file_bytes(shape, "F32"))

    def estimate(self, config: ExportConfig, inputs: Mapping[str, Sequence[Facts]], machine: Machine) -> Estimate:
        """Two engines to start (1.5 s), three passes over the file at 300 MB/s, the proof's FLOPs at two fifths of the
        machine's, and the weights read from memory at 10 GB/s for every step of decoding."""
        shape = inputs["model"][0].shape
        if shape is None:
            return machine.estimate(self.name, seconds=60)
        size = weight_bytes(shape, "F32")
        flop = proof_flop(config, inputs["model"][0])
        steps = config.parity_tokens * 2 + 80
        seconds = 1.5 + 3 * size / 300e6 + flop / (0.4 * machine.fp32_flops) + steps * size / 10e9
        return machine.estimate(self.name, seconds=seconds, flop=flop, memory_bytes=int(3.5 * size + 900e6))

    def run(self, config: ExportConfig, runtime: StageRuntime, inputs: Inputs, context: Context) -> Facts:
        """Write both forms, prove them, measure.

        Raises:
            ParityError: transformers or the engine computes or tokenizes something else; nothing is published.
            MissingDependency: xllamacpp or transformers is not installed.
        """
        from luosi.stages.export.work import export

        return export(config, inputs.artifact("model", ModelArtifact), context)


def proof_flop(config: ExportConfig, model: Facts) -> float:
    """FLOPs of proof and measurement: ours, transformers' and the engine's."""
    assert model.shape is not None
    once = config.parity_prompts * (config.parity_tokens + 20)
    tokens = 2 * once + 2 * _PROOF_SEQUENCES * _PROOF_LENGTH + _SPEED_TOKENS
    return forward_flop(model.shape, tokens, _PROOF_LENGTH)
