"""What one scoring is: which arithmetic, or which baseline instead of a model."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from luosi.pipeline.stage import StageConfig


class Config(StageConfig):
    """One scorecard."""

    baseline: Literal["", "xz"] = ""
    """ "xz" scores the compressor xz with the training text before each document, instead of a bundle."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """Arithmetic of the scoring, the same for all scorecards of a verdict; fp32 where the processor has no bf16."""
    name: str = ""
    """What to call the model; "" for the bundle's own name and precision."""
    prefix_bytes: int = Field(default=16_000_000, gt=0)
    """Bytes of training text, the last of its source, that xz is given first: bounds its time and memory."""
