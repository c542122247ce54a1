"""What a verdict compares, and against what."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from luosi.pipeline.stage import StageConfig


class Config(StageConfig):
    """Steps are named as in the recipe."""

    reference: str
    """The step that scored the unmodified open model: differences are counted from it."""
    routes: dict[str, Literal["open", "adapt", "scratch", "baseline"]]
    """For each scoring step the route it stands for."""
    rented_model: str = ""
    """Row of the price table that the break-even is counted against; "" for none."""
    prompt_tokens: int = Field(default=1000, gt=0)
    """Tokens of the prompt of one answer."""
    answer_tokens: int = Field(default=300, gt=0)
    """Tokens of one answer."""

    @model_validator(mode="after")
    def _reference_is_a_route(self) -> Config:
        if self.reference not in self.routes:
            raise ValueError(f"reference {self.reference!r} is not one of the routes: {', '.join(self.routes)}")
        return self
