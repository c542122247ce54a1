"""Settings of a training: what the loop needs to know besides model, data and optimizers, and how a stage's fields become that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal, Protocol, Self

import orjson

from luosi.training.loss import Words
from luosi.training.schedules import Course, Step


class Learning(Protocol):
    """The fields of a stage's config that say how it learns."""

    sequence: int
    batch_tokens: int
    warmup_fraction: float
    decay_fraction: float
    seed: int
    precision: Literal["bf16", "fp32"]
    compile: bool


class Running(Protocol):
    """The fields of a stage's runtime."""

    threads: int
    checkpoint_every_s: float
    failures_every_s: float


@dataclass(frozen=True)
class Settings:
    """What the loop needs to know besides model, data and optimizers."""

    course: Course
    precision: Literal["bf16", "fp32"]
    compile: bool
    seed: int
    flop: Callable[[Step], float]
    """FLOP of a step, for the bill."""
    threads: int = 0
    """CPU threads of each worker at the first start; 0 for torch's choice, divided among the workers."""
    checkpoint_every_s: float = 20.0
    """Seconds between checkpoints at most; see `Snapshots`."""
    failures_every_s: float = 86_400.0
    """Expected seconds between failures of the machine."""
    positions_per_byte: float = 0.0
    """Learned positions per UTF-8 byte of text, to tell bits per byte; 0 where that is not known."""
    words: Words | None = None
    """Where the loss is taken over drawn words; None for the whole vocabulary throughout."""

    @classmethod
    def of(
        cls,
        config: Learning,
        runtime: Running,
        *,
        steps: int,
        flop: Callable[[Step], float],
        positions_per_byte: float,
        words: Words | None = None,
    ) -> Self:
        """Of a stage's config and runtime, for `steps` steps that are all alike."""
        course = Course(
            steps,
            config.batch_tokens // config.sequence,
            config.sequence,
            warmup_fraction=config.warmup_fraction,
            decay_fraction=config.decay_fraction,
        )
        return cls(
            course=course,
            precision=config.precision,
            compile=config.compile,
            seed=config.seed,
            flop=flop,
            threads=runtime.threads,
            checkpoint_every_s=runtime.checkpoint_every_s,
            failures_every_s=runtime.failures_every_s,
            positions_per_byte=positions_per_byte,
            words=words,
        )

    def identity(self) -> dict[str, object]:
        """What a resumed run must have in common with its first start, as its checkpoint says it."""
        words = (self.words.count, self.words.rows) if self.words else None
        whole: dict[str, object] = {"precision": self.precision, "seed": self.seed, "words": words}
        whole |= {f"course.{name}": value for name, value in asdict(self.course).items()}
        return dict(orjson.loads(orjson.dumps(whole)))
