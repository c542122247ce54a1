"""To what a model is compressed. Imports nothing heavy."""

from __future__ import annotations

from typing import Literal

from luosi.pipeline.stage import StageConfig


class Config(StageConfig):
    """One compressed form."""

    precision: Literal["Q8_0", "Q4_0", "F16"]
    """Of the matrices: 8.5, 4.5 or 16 bits a weight. Q4_0 keeps embedding and head in Q8_0; rows not a multiple of 32 stay F16."""
