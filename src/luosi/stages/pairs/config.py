"""What the pairs stage is told: how many pairs, who makes them, what is shown with them, and which are refused. Imports nothing heavy."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from luosi.pipeline.stage import LOCATION, Seed, StageConfig


class Config(StageConfig):
    """Lengths are in characters."""

    pairs: int = Field(default=400, ge=0)
    """Wanted beside the corrections; fewer where the text gives no more. 0 for corrections only."""
    model_share: float = Field(default=0.0, ge=0, le=1)
    """Share of them to be asked by the model of role "bundle"; rules make the rest, and all of it where no bundle is given. 0 for models of
    few hundred million parameters: of a hundred questions that SmolLM2-135M made, about two were fit."""
    sources: tuple[str, ...] = ()
    """Sources of the corpus to make them from; () for the first, the one the model is for."""
    passages: int = Field(default=3, ge=0, le=10)
    """Passages shown with a question that is to be answered from passages: the right one and others that are like it."""
    passages_share: float = Field(default=0.5, ge=0, le=1)
    """Share of the pairs that are shown with passages; the others are to be answered by heart."""
    passage_chars: int = Field(default=1200, ge=100)
    """Longest passage to ask about or to show; a longer one is cut around the answer."""
    question_chars: int = Field(default=200, ge=20)
    """Longest question."""
    answer_chars: int = Field(default=400, ge=20)
    """Longest answer."""
    round_trip: int = Field(default=5, ge=0)
    """A pair stays only if the index finds its passage among the first so many for its question; 0, or no index: not asked."""
    check_answers: bool = False
    """Whether the bundle's model, shown the passage, must give the answer too."""
    corrections: str = Field(default="", json_schema_extra=LOCATION)
    """What people corrected: a JSONL file with question, answer and origin."""
    corrections_sha256: str = Field(default="", pattern="^([0-9a-f]{64})?$")
    """SHA-256 of that file; "" for none."""
    seed: Seed = 0
    """Of the documents chosen, the passages shown and their order."""

    @model_validator(mode="after")
    def _makes_something(self) -> Self:
        if bool(self.corrections) != bool(self.corrections_sha256):
            raise ValueError("corrections and corrections_sha256 go together: a file and its digest")
        if not self.pairs and not self.corrections:
            raise ValueError("pairs is 0 and there are no corrections: there would be nothing to train on")
        return self
