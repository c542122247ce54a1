"""The course of a run: for every step its rows and its learning rate. Pure functions of the step; knows no optimizer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """What one step takes: rows `first_row` up to `first_row + rows`, at `multiplier` of the peak rates."""

    multiplier: float
    first_row: int
    rows: int


@dataclass(frozen=True)
class Course:
    """Steps that are all alike but for their rate: one warmup, plateau and decay.

    Args:
        steps: How many.
        rows: Of each step.
        length: Tokens of a row.
        warmup_fraction, decay_fraction: Shares of the steps over which the learning rate rises, and falls to 0.
    """

    steps: int
    rows: int
    length: int
    warmup_fraction: float
    decay_fraction: float

    def at(self, step: int) -> Step:
        """Step number `step`, from 0.

        >>> Course(4, 2, 32, warmup_fraction=0.5, decay_fraction=0.5).at(3)
        Step(multiplier=0.5, first_row=6, rows=2)
        """
        multiplier = wsd(step, self.steps, warmup_fraction=self.warmup_fraction, decay_fraction=self.decay_fraction)
        return Step(multiplier, step * self.rows, self.rows)


def wsd(done: int, total: int, *, warmup_fraction: float, decay_fraction: float) -> float:
    """The multiplier of the learning rate after `done` of `total` steps, for the next: a linear rise, a plateau at 1, a fall to 0.

    The last step is not taken at 0; the next one would be. The plateau may be cut anywhere, which is what
    lets a longer run start from a shorter one's trunk (Hu et al. 2024, MiniCPM, arXiv:2404.06395).

    >>> [wsd(step, 10, warmup_fraction=0.2, decay_fraction=0.4) for step in range(10)]
    [0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.75, 0.5, 0.25]
    """
    rise = (done + 1) / (warmup_fraction * total) if warmup_fraction else 1.0
    fall = (total - done) / (decay_fraction * total) if decay_fraction else 1.0
    return min(1.0, rise, fall)
