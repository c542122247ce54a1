"""What is exported and how much of it is proved. Imports nothing heavy."""

from __future__ import annotations

from pydantic import Field, field_validator

from luosi.pipeline.stage import ADDED_LATER, StageConfig


class Config(StageConfig):
    """One shipped model."""

    name: str
    """What the model calls itself."""
    parity_prompts: int = Field(20, ge=1, le=200)
    """Prompts that the engine and our own model continue greedily."""
    parity_tokens: int = Field(32, ge=1, le=512)
    """Tokens of each continuation that must be equal."""
    system_prompt: str = Field("", max_length=8000, json_schema_extra=ADDED_LATER)
    """What the model is told before every conversation that does not begin with a system message of its own; "" for what its chat
    template says."""

    @field_validator("system_prompt")
    @classmethod
    def _can_be_said(cls, value: str) -> str:
        odd = next((character for character in value if ord(character) < 32 and character not in "\n\r\t"), None)
        if odd is not None:
            raise ValueError(f"system_prompt holds the control character {odd!r}, which no chat template can carry")
        if value and not value.strip():
            raise ValueError('system_prompt is blank; leave it out, or "", for what the chat template says')
        return value
