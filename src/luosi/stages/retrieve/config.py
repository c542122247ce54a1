"""How an index is made: the size of its passages and the encoder that gives them meaning. Imports nothing heavy."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from luosi.pipeline.stage import StageConfig
from luosi.retrieval.packages import EncoderName, pin_of


class Config(StageConfig):
    """One index of all documents, those held out too: people ask about all their files."""

    passage_chars: int = Field(default=800, ge=100, le=20_000)
    """Size of a passage aimed at, in characters; those of scripts without spaces (Chinese) count three."""
    encoder: EncoderName = "static"
    """What finds passages in other words than the question's: "static" (vectors of words, learned further from the
    files; of little use for Chinese), "minilm" (those and a model that reads English, ten times slower), "multilingual" (those and one
    that reads Chinese too, slower still, better), "none" (the same words only)."""
    encoder_pin: str = ""
    """The package the encoder is read from: name==version sha256:digest of its weights; filled in where it is left out."""

    @model_validator(mode="before")
    @classmethod
    def _pinned(cls, values: Any) -> Any:
        """The pin belongs to the key, so that an index says what it was made with."""
        if not isinstance(values, dict) or values.get("encoder", "static") not in (
            "static",
            "minilm",
            "multilingual",
            "none",
        ):
            return values
        known = pin_of(values.get("encoder", "static"))
        if values.get("encoder_pin", known) not in ("", known):
            raise ValueError(f"encoder_pin is {values['encoder_pin']!r}; this version reads {known!r}: leave it out")
        return {**values, "encoder_pin": known}
