"""What the exam stage is told: how many questions, how long, and the user's own question file."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from luosi.pipeline.stage import LOCATION, NOT_IN_KEY, Seed, StageConfig


class Config(StageConfig):
    """Lengths are in characters."""

    questions: int = Field(default=60, ge=0)
    """Next-passage questions to make of each source's held-out text; 0 for the user's own only."""
    sources: tuple[str, ...] = ()
    """Sources of the corpus to make them from; () for all."""
    prompt_chars: int = Field(default=600, ge=100)
    """Length of the passage that is to be gone on from; a third of it in scripts without spaces."""
    choice_chars: int = Field(default=300, ge=40)
    """Length of each of the four passages to choose from; the same."""
    own: str = Field(default="", json_schema_extra=LOCATION)
    """The user's questions: a JSONL, CSV or XLSX file with question and answer, choices, or a passage; see luosi.grading.rows."""
    own_sha256: str = Field(default="", pattern="^([0-9a-f]{64})?$")
    """SHA-256 of that file; "" for none."""
    own_count: int = Field(default=0, ge=0, json_schema_extra=NOT_IN_KEY)
    """How many usable questions the file has, so that the plan can count; 0 if not known."""
    seed: Seed = 0
    """Of the passages chosen and the place of the right one."""

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if bool(self.own) != bool(self.own_sha256):
            raise ValueError("own and own_sha256 go together: a file and its digest")
        if not self.questions and not self.own:
            raise ValueError("questions is 0 and no file of your own is given: there would be no exam")
        return self
