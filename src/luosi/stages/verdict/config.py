"""What a verdict compares, and against what."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from luosi.pipeline.stage import StageConfig


class Config(StageConfig):
    """Steps are named as in the recipe; both fields of scoring steps stay empty where there are only answers."""

    reference: str = ""
    """The step that scored the unmodified open model: differences of scores are counted from it."""
    routes: dict[str, Literal["open", "adapt", "scratch", "baseline"]] = Field(default_factory=dict)
    """For each scoring step the route it stands for."""
    rented_model: str = ""
    """Row of the price table that stands for renting where no rented model was asked; "" for none."""
    prompt_tokens: int = Field(default=1000, gt=0)
    """Tokens of the prompt of one answer, where none was measured."""
    answer_tokens: int = Field(default=300, gt=0)
    """Tokens of one answer, where none was measured."""

    @model_validator(mode="after")
    def _reference_is_a_route(self) -> Config:
        if (self.reference or self.routes) and self.reference not in self.routes:
            known = ", ".join(self.routes) or "none"
            raise ValueError(f"reference {self.reference!r} is not one of the routes: {known}")
        return self
