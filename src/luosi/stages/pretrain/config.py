"""Settings of `pretrain`: the model's sizes, how much it reads, how it learns."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from luosi.artifacts import ModelShape
from luosi.pipeline.stage import Seed, StageConfig, StageRuntime


class Config(StageConfig):
    """A small Qwen3 model and its training; the vocabulary's size comes with the tokenizer."""

    layers: int = Field(default=4, gt=0)
    """Transformer blocks."""
    width: int = Field(default=256, gt=0, multiple_of=32)
    """Size of the residual stream; a multiple of 32 (Q8_0, Q4_0), better of 256 (K-quants)."""
    heads: int = Field(default=4, gt=0)
    """Attention heads."""
    kv_heads: int = Field(default=2, gt=0)
    """Key-value heads; divides `heads`."""
    head_dim: int = Field(default=64, gt=0)
    """Size of a head."""
    ff: int = Field(default=768, gt=0, multiple_of=32)
    """Inner size of the MLP."""
    tied: bool = False
    """Whether the head is the embedding: a smaller file, and better where there are hardly more tokens than numbers in it. A head of its own learns more from more."""
    sequence: int = Field(default=256, gt=1)
    """Tokens in a row, and the context the model is made for."""
    batch_tokens: int = Field(default=4096, gt=0)
    """Tokens per step; a multiple of `sequence`. 16 for each unit of width did best."""
    steps: int = Field(default=600, gt=0)
    """Updates."""
    matrix_lr: float = Field(default=0.005, gt=0)
    """Peak learning rate of Muon, in AdamW's scale."""
    vector_lr: float = Field(default=0.03, gt=0)
    """Peak learning rate of AdamW: embedding, head, norms."""
    weight_decay: float = Field(default=0.1, ge=0)
    """Of the layers' matrices, per step and unit of learning rate."""
    warmup_fraction: float = Field(default=0.02, ge=0, le=1)
    """Share of the steps over which the learning rate rises."""
    decay_fraction: float = Field(default=0.5, ge=0, le=1)
    """Share of the steps over which it falls to 0."""
    drawn_words: int = Field(default=384, ge=0)
    """Words that the loss is taken over, besides those of the text at hand; 0 for the whole vocabulary. On a CPU only."""
    whole_fraction: float = Field(default=0.25, ge=0, le=1)
    """Share of the text, its last, for which the loss is taken over the whole vocabulary."""
    start: Literal["counted", "wired", "random"] = "counted"
    """First weights: random, or with an induction head wired in, or that and an embedding counted from neighbouring words."""
    seed: Seed = 0
    """Of the first weights and the order of the data."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """Of matrix products; weights are kept in fp32 either way."""
    compile: bool = False
    """Use torch.compile: about a third faster after half a minute of compiling."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.batch_tokens % self.sequence:
            raise ValueError(f"batch_tokens {self.batch_tokens} is not a multiple of sequence {self.sequence}")
        self.shape(vocab_size=32)
        return self

    def draws(self, columns: float, vocab_size: int) -> bool:
        """Whether words are drawn for the loss: not where that many `columns` would cost nearly as much as the vocabulary."""
        return self.drawn_words > 0 and columns < vocab_size / 2

    def shape(self, vocab_size: int) -> ModelShape:
        """The model's shape with that vocabulary."""
        return ModelShape(
            family="qwen3", vocab_size=vocab_size, layers=self.layers, width=self.width, heads=self.heads,
            kv_heads=self.kv_heads, head_dim=self.head_dim, ff=self.ff, tied=self.tied, context=self.sequence,
        )  # fmt: skip


class Runtime(StageRuntime):
    """Where and how it runs."""

    threads: int = Field(default=0, ge=0)
    """CPU threads of each worker, fixed at the first start; 0 for all cores, divided among the workers."""
    checkpoint_every_s: float = Field(default=600.0, ge=0)
    """Seconds between checkpoints at most, and so the most that a kill costs; fewer where they are cheap or failures frequent."""
    failures_every_s: float = Field(default=86_400.0, gt=0)
    """Expected seconds between failures of the machine; on spot machines, between interruptions."""
    workers: int = Field(default=1, gt=0)
    """Processes that share each batch, on CUDA one a device; the same data in the same order with any number, and the same drawn
    words where each has a multiple of 1,024 tokens of it."""
    shard: bool = False
    """Share out weights, gradients and optimizer state among the workers (FSDP2), where one device cannot hold them."""
