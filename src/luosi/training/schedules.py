"""The learning rate over a run: warmup, stable, decay (WSD). A pure function of the step; knows no optimizer."""

from __future__ import annotations


def wsd(step: int, steps: int, *, warmup_fraction: float, decay_fraction: float) -> float:
    """The multiplier of the learning rate at `step` (0-based) of `steps`: a linear rise, a plateau at 1, a linear fall to 0.

    The last step is taken at 1/decay_steps; the next one would be at 0. The plateau may be cut anywhere, which is what
    lets a longer run start from a shorter one's trunk (Hu et al. 2024, MiniCPM, arXiv:2404.06395).

    >>> [wsd(step, 10, warmup_fraction=0.2, decay_fraction=0.4) for step in range(10)]
    [0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.75, 0.5, 0.25]
    """
    rise = (step + 1) / (warmup_fraction * steps) if warmup_fraction else 1.0
    fall = (steps - step) / (decay_fraction * steps) if decay_fraction else 1.0
    return min(1.0, rise, fall)
