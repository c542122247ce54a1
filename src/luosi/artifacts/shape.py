"""The shape of a decoder-only transformer: what every room needs to know of a model without loading it.

Covers the Qwen3 (QK-norm, no bias), Qwen2 (bias on q, k, v) and Llama (neither) families: pre-RMSNorm, SwiGLU, RoPE,
grouped-query attention. Knows nothing of weights.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class ModelShape(BaseModel):
    """Sizes and constants of one model; names follow the field, Hugging Face's name in brackets where it differs."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    family: Literal["qwen3", "qwen2", "llama"]
    vocab_size: int = Field(gt=0)
    layers: int = Field(gt=0)
    """num_hidden_layers"""
    width: int = Field(gt=0)
    """hidden_size"""
    heads: int = Field(gt=0)
    """num_attention_heads"""
    kv_heads: int = Field(gt=0)
    """num_key_value_heads"""
    head_dim: int = Field(gt=0)
    ff: int = Field(gt=0)
    """intermediate_size"""
    tied: bool = True
    """tie_word_embeddings"""
    rope_theta: float = 10_000.0
    rope_scaling: dict[str, float | str | bool] | None = None
    """Only Llama 3's scaling ("rope_type": "llama3") is understood; None for plain RoPE."""
    norm_eps: float = 1e-6
    """rms_norm_eps"""
    context: int = Field(default=2048, gt=0)
    """max_position_embeddings"""

    @model_validator(mode="after")
    def _divides(self) -> ModelShape:
        if self.heads % self.kv_heads:
            raise ValueError(f"heads {self.heads} is not a multiple of kv_heads {self.kv_heads}")
        if self.head_dim % 2:
            raise ValueError(f"head_dim {self.head_dim} is odd; rotary positions need pairs")
        return self

    @property
    def matrix_parameters(self) -> int:
        """Parameters in the layers' matrices: what a token is multiplied with, head and embedding left out."""
        attention = self.width * self.head_dim * (2 * self.heads + 2 * self.kv_heads)
        return self.layers * (attention + 3 * self.width * self.ff)

    @property
    def parameters(self) -> int:
        """All parameters, the embedding counted once if the head is tied to it."""
        embeddings = self.vocab_size * self.width * (1 if self.tied else 2)
        norms = self.width * (2 * self.layers + 1)
        if self.family == "qwen3":
            norms += 2 * self.head_dim * self.layers
        biases = self.layers * self.head_dim * (self.heads + 2 * self.kv_heads) if self.family == "qwen2" else 0
        return embeddings + self.matrix_parameters + norms + biases
