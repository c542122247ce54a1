"""What a run is: an arm, a case, a horizon, a scale of the arm's learning rates, a batch, a seed. And what all of them read."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from texts import VOCABULARY, Made

from luosi.artifacts.shape import ModelShape
from luosi.models.flops import training_flop
from luosi.training.batches import ShuffledRows, dataset_rows
from luosi.training.tokens import document_marks

SEQUENCE = 256
TOKENS_PER_PARAMETER = 20
BATCH_TOKENS = 8192
"""Of AdamW's trials: 480 updates at a quarter of the horizon. The tuned rate is then tried at half and twice of it."""


@dataclass(frozen=True)
class Case:
    """What the arms are compared at; all else is the same."""

    layers: int
    seeds: tuple[int, ...]
    """Of the final runs."""
    text: str = "manuals"
    """Of benchmarks/texts.py."""
    share: float = 1.0
    """Of the usual horizon."""


CASES = {
    "main": Case(4, (0, 1, 2)),
    "half": Case(2, (0, 1)),
    "deep": Case(6, (0,)),
    "dictionary": Case(4, (0, 1), text="dictionary", share=0.5),
}
"""The arms are tuned at "main", what was chosen there carries over. Half the horizon is what the dictionary has to read once."""

Purpose = Literal["trial", "batch", "squares", "again", "final", "default"]


@dataclass(frozen=True)
class Run:
    """One training."""

    arm: str
    shape: str
    """Of CASES."""
    purpose: Purpose
    tokens: int
    scale: float
    """Times the arm's own rule for all its learning rates."""
    batch_tokens: int
    seed: int
    beta2: float | None = None
    """AdamW's memory of squares, where another than the arm's own is tried or was chosen."""

    @property
    def steps(self) -> int:
        """Updates."""
        return self.tokens // self.batch_tokens

    @property
    def rows(self) -> int:
        """Rows of an update."""
        return self.batch_tokens // SEQUENCE

    def as_dict(self) -> dict[str, Any]:
        """For a line of JSON."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class Trained:
    """What an arm says of a run it has done."""

    model_flop: float
    """Forward and backward, the model's matrix products."""
    optimizer_flop: float
    """The optimizer's matrix products."""
    matrix_parameters: int
    """Not counting embeddings and head."""
    parameters: int
    notes: dict[str, Any]


def qwen(name: str, *, tied: bool = True) -> ModelShape:
    """The shape of a case's arms that ship as Qwen3."""
    return ModelShape(
        family="qwen3", vocab_size=VOCABULARY, layers=CASES[name].layers, width=128, heads=2, kv_heads=1, head_dim=64, ff=384,
        tied=tied, context=SEQUENCE,
    )  # fmt: skip


def horizon(name: str) -> int:
    """Tokens of a case's full horizon: its share of 20 per parameter in the layers' matrices."""
    return round(CASES[name].share * TOKENS_PER_PARAMETER * qwen(name).matrix_parameters)


class Data:
    """The rows that all arms are trained on: the same order for the same seed."""

    def __init__(self, made: Made) -> None:
        self.made = made
        self.marks = document_marks(made.tokenizer.path)

    def rows(self, seed: int) -> ShuffledRows:
        """Packed documents in rows of SEQUENCE tokens, each with its targets."""
        return dataset_rows(self.made.tokens, length=SEQUENCE, start=self.marks.start, end=self.marks.end, seed=seed)


def qwen_flop(shape: ModelShape, tokens: int) -> float:
    """Forward and backward over rows of SEQUENCE tokens."""
    return training_flop(shape, tokens, SEQUENCE)
