"""What is exported and how much of it is proved. Imports nothing heavy."""

from __future__ import annotations

from pydantic import Field

from luosi.pipeline.stage import StageConfig


class Config(StageConfig):
    """One shipped model."""

    name: str
    """What the model calls itself."""
    parity_prompts: int = Field(20, ge=1, le=200)
    """Prompts that the engine and our own model continue greedily."""
    parity_tokens: int = Field(32, ge=1, le=512)
    """Tokens of each continuation that must be equal."""
