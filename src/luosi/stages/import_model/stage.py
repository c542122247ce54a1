"""The import_model stage: price, prediction and the work of making an open model ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from luosi.artifacts import BaseModel, Facts
from luosi.cost import Estimate, Machine
from luosi.pipeline.stage import Context, Inputs, Stage, StageRuntime
from luosi.stages.import_model.config import Config as ImportConfig

_UNKNOWN_PARAMETERS = 500e6


class ImportModelStage(Stage[ImportConfig, StageRuntime]):
    """Open model -> BaseModel: a Hugging Face folder in F32 with a tokenizer that every reader agrees on."""

    name: ClassVar[str] = "import_model"
    version: ClassVar[int] = 1
    Config = ImportConfig
    output = BaseModel

    def predict(self, config: ImportConfig, inputs: Mapping[str, Sequence[Facts]]) -> Facts:
        """The shape, where the recipe gives it."""
        return Facts(shape=config.shape)

    def estimate(self, config: ImportConfig, inputs: Mapping[str, Sequence[Facts]], machine: Machine) -> Estimate:
        """Importing torch (3 s), de-quantising 100 million weights a second, writing 4 bytes of each at 300 MB/s."""
        weights = config.shape.parameters if config.shape else _UNKNOWN_PARAMETERS
        seconds = 3 + weights / 100e6 + 4 * weights / 300e6
        return machine.estimate(self.name, seconds=seconds, memory_bytes=int(9 * weights + 600e6))

    def run(self, config: ImportConfig, runtime: StageRuntime, inputs: Inputs, context: Context) -> Facts:
        """Check the digest, read, write.

        Raises:
            InputError: Not the model meant, damaged, of another family or shape, or with a tokenizer that cannot be shipped.
        """
        from luosi.stages.import_model.work import import_model

        return import_model(config, context)
