"""The course of a run: for every step its learning rate, its rows and how long they are. Pure functions of the step; knows no optimizer.

Rows are counted in full rows throughout, whatever a phase does with them, so that where a run stands in its text is one number
that does not depend on phases or workers.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from luosi.errors import InputError


@dataclass(frozen=True)
class Phase:
    """So many steps of `rows` full rows each, cut into rows of `row_tokens` tokens; rates times `scale`."""

    steps: int
    rows: int
    row_tokens: int
    scale: float = 1.0


@dataclass(frozen=True)
class Step:
    """What one step takes: rows `first_row` up to `first_row + rows`, cut to `row_tokens`, at `multiplier` of the peak rates."""

    multiplier: float
    first_row: int
    rows: int
    row_tokens: int


@dataclass(frozen=True)
class Course:
    """Phases one after the other under one warmup, plateau and decay.

    Args:
        length: Tokens of a full row.
        phases: At least one; each `row_tokens` divides `length`.
        warmup_fraction, decay_fraction: Shares of the text over which the learning rate rises, and falls to 0.
    """

    length: int
    phases: tuple[Phase, ...]
    warmup_fraction: float
    decay_fraction: float

    def __post_init__(self) -> None:
        for phase in self.phases:
            if self.length % phase.row_tokens:
                raise InputError(f"rows of {self.length} tokens cannot be cut into rows of {phase.row_tokens}")

    @classmethod
    def steady(cls, steps: int, rows: int, length: int, *, warmup_fraction: float, decay_fraction: float) -> Course:
        """`steps` steps that are all alike."""
        return cls(length, (Phase(steps, rows, length),), warmup_fraction, decay_fraction)

    @cached_property
    def steps(self) -> int:
        """Of all phases."""
        return sum(phase.steps for phase in self.phases)

    @cached_property
    def rows(self) -> int:
        """Full rows of all steps."""
        return sum(phase.steps * phase.rows for phase in self.phases)

    @property
    def tokens(self) -> int:
        """Of all steps."""
        return self.rows * self.length

    @cached_property
    def _begins(self) -> tuple[Sequence[int], Sequence[int]]:
        """First step and first row of each phase."""
        steps = list(accumulate((phase.steps for phase in self.phases), initial=0))
        rows = list(accumulate((phase.steps * phase.rows for phase in self.phases), initial=0))
        return steps[:-1], rows[:-1]

    def at(self, step: int) -> Step:
        """Step number `step`, from 0.

        >>> course = Course(8, (Phase(2, 1, 4), Phase(2, 2, 8)), warmup_fraction=0.5, decay_fraction=0.5)
        >>> [(one.first_row, one.rows, one.row_tokens) for one in map(course.at, range(4))]
        [(0, 1, 4), (1, 1, 4), (2, 2, 8), (4, 2, 8)]
        """
        steps, rows = self._begins
        place = bisect_right(steps, step) - 1
        phase = self.phases[place]
        first = rows[place] + (step - steps[place]) * phase.rows
        multiplier = wsd(
            first, self.rows, phase.rows, warmup_fraction=self.warmup_fraction, decay_fraction=self.decay_fraction
        )
        return Step(multiplier * phase.scale, first, phase.rows, phase.row_tokens)


def wsd(done: float, total: float, step: float = 1, *, warmup_fraction: float, decay_fraction: float) -> float:
    """The multiplier of the learning rate after `done` of `total`, for the next `step`: a linear rise, a plateau at 1, a fall to 0.

    The last step is taken at step / decay; the next one would be at 0. The plateau may be cut anywhere, which is what
    lets a longer run start from a shorter one's trunk (Hu et al. 2024, MiniCPM, arXiv:2404.06395).

    >>> [wsd(step, 10, warmup_fraction=0.2, decay_fraction=0.4) for step in range(10)]
    [0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.75, 0.5, 0.25]
    """
    rise = (done + step) / (warmup_fraction * total) if warmup_fraction else 1.0
    fall = (total - done) / (decay_fraction * total) if decay_fraction else 1.0
    return min(1.0, rise, fall)
