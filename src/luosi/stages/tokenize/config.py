"""Settings of `tokenize`."""

from __future__ import annotations

from luosi.pipeline.stage import Seed, StageConfig


class Config(StageConfig):
    """In which order the documents lie."""

    seed: Seed = 0
    """Shuffles the documents, so that any part of the dataset is a fair sample."""
