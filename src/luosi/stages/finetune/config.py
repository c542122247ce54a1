"""Settings of `finetune`: what is trained, on how much text, how it learns."""

from __future__ import annotations

from typing import Literal, Self, get_args

from pydantic import Field, model_validator

from luosi.pipeline.stage import ADDED_LATER, Seed, StageConfig, StageRuntime

LORA_RATE, FULL_RATE = 1e-3, 1e-4
TEXT_ROW, PAIRS_ROW = 256, 512
"""Tokens in a row, one row a step: text teaches most by many small steps, a pair must fit into its row."""

Projection = Literal["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


class Config(StageConfig):
    """Continued pretraining on a corpus's training text, or learning to answer from pairs: as a LoRA, or of all weights."""

    method: Literal["lora", "full"] = "lora"
    """Train adapters beside frozen weights, or the weights themselves."""
    rank: int = Field(default=16, gt=0)
    """Of a LoRA; at most the rows and columns of any matrix that gets one."""
    alpha: float = Field(default=32.0, gt=0)
    """Of a LoRA: its output counts alpha / rank times, of an rsLoRA alpha / sqrt(rank) times."""
    targets: tuple[Projection, ...] = Field(default=get_args(Projection), min_length=1)
    """Projections that get an adapter."""
    learning_rate: float = Field(default=LORA_RATE, gt=0)
    """Peak; must be given for "full", where 0.0001 is usual. For a LoRA on a few hundred pairs 0.0005 did best, with two epochs and one row
    a step."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Of matrices, per step and unit of learning rate."""
    tokens: int = Field(default=28_000, gt=0)
    """To train on, replay included; rounded up to whole steps."""
    sequence: int = Field(default=0, ge=0)
    """Tokens in a row; 0 for 256 of text and 512 of pairs, or the model's context where that is shorter."""
    batch_tokens: int = Field(default=0, ge=0)
    """Tokens per step, a multiple of `sequence`, which must then be set too; 0 for one row."""
    replay: float = Field(default=0.05, ge=0, lt=1)
    """Share of rows from sources other than the corpus's first, against forgetting; beside pairs, from the whole corpus, if given."""
    warmup_fraction: float = Field(default=0.1, ge=0, le=1)
    """Share of the steps over which the learning rate rises."""
    decay_fraction: float = Field(default=0.9, ge=0, le=1)
    """Share of the steps over which it falls to 0."""
    seed: Seed = 0
    """Of the adapters' first weights, the choice and the order of the data."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """Of matrix products; what is trained is kept in fp32 either way."""
    compile: bool = False
    """Use torch.compile: pays only for runs of many minutes."""
    epochs: float = Field(default=0.0, ge=0, json_schema_extra=ADDED_LATER)
    """Passes over the pairs; 0 for as many as make up `tokens`. For pairs only."""
    optimizer: Literal["adamw", "muon"] = Field(default="adamw", json_schema_extra=ADDED_LATER)
    """Of the adapters of a LoRA; of small steps Muon, at twice the rate, learns no faster."""
    top_layers: int = Field(default=0, ge=0, json_schema_extra=ADDED_LATER)
    """Of a LoRA: adapters in so many of the last layers only: half of them takes 0.7 of the time and learns 0.8 as much; 0 for all."""
    adapter: Literal["lora", "rslora", "dora"] = Field(default="lora", json_schema_extra=ADDED_LATER)
    """Kind of a LoRA. "rslora": one learning rate for any rank; alpha 8 at rank 16 is then as strong as alpha 32 is without. "dora": the
    length of each row of a weight is learned by itself, in about a tenth more time and memory."""
    base_weights: Literal["bf16", "int8"] = Field(default="bf16", json_schema_extra=ADDED_LATER)
    """How the frozen matrices beside a LoRA or rsLoRA are kept while it learns in bf16 on a CPU; "int8", a scale a row, takes half the
    memory and up to a tenth more time. What ships is merged into the weights as they were given."""
    choose: bool = True
    """Learn from those rows of the corpus that hold most of what recurs in it, where it is more than `tokens`; false: from rows drawn by
    chance. Replay is always drawn by chance. Not for pairs."""
    system_prompt: str = Field(default="", json_schema_extra=ADDED_LATER)
    """What the bundle is going to be told (export's system_prompt), so that it learns to answer under it. For pairs only."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.method == "full" and "learning_rate" not in self.model_fields_set:
            raise ValueError(
                f'method "full" needs its own learning_rate: {FULL_RATE:g} is usual, the default is for "lora"'
            )
        if self.sequence == 1:
            raise ValueError("a row of 1 token has nothing to predict: set sequence to 2 or more, or to 0")
        if self.batch_tokens and not self.sequence:
            raise ValueError(f"batch_tokens {self.batch_tokens} needs a sequence that divides it: set both, or neither")
        if self.sequence and self.batch_tokens % self.sequence:
            raise ValueError(f"batch_tokens {self.batch_tokens} is not a multiple of sequence {self.sequence}")
        if self.method == "full":
            for field in ("rank", "alpha", "targets", "top_layers", "optimizer", "adapter", "base_weights"):
                if getattr(self, field) != type(self).model_fields[field].default:
                    raise ValueError(f'{field} is for method "lora": "full" trains all layers by AdamW')
        if self.base_weights == "int8" and (self.adapter == "dora" or self.precision == "fp32" or self.compile):
            raise ValueError(
                'base_weights "int8" is for "lora" and "rslora" in bf16, not compiled: set it to "bf16", or the others so'
            )
        if self.adapter == "rslora" and "alpha" not in self.model_fields_set:
            raise ValueError('adapter "rslora" needs its own alpha: 8 at rank 16 is as strong as the default of "lora"')
        if self.adapter == "dora" and self.optimizer == "muon":
            raise ValueError(
                'optimizer "muon" is for matrices, and "dora" trains lengths too: set optimizer to "adamw"'
            )
        return self

    def settled(self, *, pairs: bool, context: int | None = None) -> Self:
        """With numbers for rows and steps that are not set, for text or `pairs` and a model made for `context` tokens."""
        row = PAIRS_ROW if pairs else TEXT_ROW
        sequence = self.sequence or min(row, context or row)
        return self.model_copy(update={"sequence": sequence, "batch_tokens": self.batch_tokens or sequence})

    @property
    def steps(self) -> int:
        """Updates of a settled config: enough for `tokens`; with `epochs`, the pairs say how many."""
        return -(-self.tokens // self.batch_tokens)


class Runtime(StageRuntime):
    """Where and how it runs."""

    threads: int = Field(default=0, ge=0)
    """CPU threads of each worker, fixed at the first start; 0 for all cores, divided among the workers."""
    checkpoint_every_s: float = Field(default=600.0, ge=0)
    """Seconds between checkpoints at most, and so the most that a kill costs; fewer where they are cheap or failures frequent."""
    failures_every_s: float = Field(default=86_400.0, gt=0)
    """Expected seconds between failures of the machine; on spot machines, between interruptions."""
    workers: int = Field(default=1, gt=0)
    """Processes that share each batch, on CUDA one a device; the same data in the same order with any number."""
    shard: bool = False
    """Share out weights, gradients and optimizer state among the workers (FSDP2), where one device cannot hold them."""

    @property
    def shares_out(self) -> bool:
        """Whether there is more than one worker to share them out among."""
        return self.shard and self.workers > 1
