"""Settings of `train_tokenizer`."""

from __future__ import annotations

from pydantic import Field

from luosi.pipeline.stage import Seed, StageConfig


class Config(StageConfig):
    """What vocabulary to learn, from how much text."""

    vocab_size: int = Field(default=4096, ge=320, le=1 << 20, multiple_of=32)
    """Tokens, the 256 bytes and 16 special ones included; a multiple of 32, for the kernels and the GGUF's blocks."""
    max_bytes: int = Field(default=20_000_000, gt=0)
    """UTF-8 bytes of text to learn from: whole documents in seeded order until so many are reached."""
    seed: Seed = 0
    """Chooses the documents where there is more text than `max_bytes`."""
