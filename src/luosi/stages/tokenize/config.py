"""Settings of `tokenize`."""

from __future__ import annotations

from luosi.pipeline.stage import StageConfig


class Config(StageConfig):
    """In which order the documents lie."""

    seed: int = 0
    """Shuffles the documents, so that any part of the dataset is a fair sample."""
