"""Which model is imported: where it is, and the digest that says it is that one. Imports nothing heavy."""

from __future__ import annotations

from pydantic import Field, model_validator

from luosi.artifacts import ModelShape
from luosi.pipeline.stage import LOCATION, NOT_IN_KEY, StageConfig


class Config(StageConfig):
    """One open model of the Qwen3, Qwen2 or Llama family."""

    name: str
    """What to call the model."""
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    """Of the file, or of a folder's relevant files: `luosi.stages.import_model.source.model_digest`."""
    path: str = Field("", json_schema_extra=LOCATION)
    """A Hugging Face folder or a GGUF file."""
    distribution: str = Field("", json_schema_extra=NOT_IN_KEY)
    """An installed package that holds the model, as name==version; it is never imported."""
    file: str = Field("*.gguf", json_schema_extra=NOT_IN_KEY)
    """Glob of the one file meant within the distribution."""
    shape: ModelShape | None = Field(None, json_schema_extra=NOT_IN_KEY)
    """The model's sizes, so that a plan knows them before the import; checked by it."""

    @model_validator(mode="after")
    def _one_source(self) -> Config:
        if bool(self.path) == bool(self.distribution):
            raise ValueError("give either path (a folder or a GGUF file) or distribution (name==version)")
        return self
