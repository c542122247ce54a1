"""Laws: how many bits per byte a model will need, before it is trained: published fits, corrected by what finished runs measured.

A model from scratch: the law of Kaplan et al. 2020 in parameters and text, repeated text counted as Muennighoff et al. 2023 do,
moved to where this workspace's own runs lie. An adapted model: the open model's measured bits per byte, less what adapting gained
in earlier runs; nothing is published that would say so before a first run. Knows no recipes and no prices.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from luosi.cost import Z90, Interval

if TYPE_CHECKING:
    from numpy import floating
    from numpy.typing import NDArray

PUBLISHED = "Kaplan et al. 2020 (arXiv 2001.08361, table 2)"
N_C, ALPHA_N = 6.4e13, 0.076
D_C, ALPHA_D = 1.8e13, 0.103
"""L(N, D) = ((N_C / N) ** (ALPHA_N / ALPHA_D) + D_C / D) ** ALPHA_D nats a token; N parameters without embeddings, 768 to 1.5e9,
D tokens, 2.2e7 to 2.3e10. Kept over the refit of Hoffmann et al. by Besiroglu et al. 2024 (arXiv 2404.10102), which was made from
far larger runs: at 4 M parameters and 0.7 M tokens that one says 6.7 bits per byte, more than guessing by letter frequencies takes."""
LAW_BYTES_PER_TOKEN = 96e9 / 2.29e10
"""Of the text the law was fitted to (its section 2.3: 96 GB, 2.29e10 tokens)."""

REPEATED = "Muennighoff et al. 2023 (arXiv 2305.16264, appendix A)"
REPEATS = 15.387756
"""R*_D: after so many repetitions a further one has lost most of its worth."""

LEVEL, TEXT = 0.2, 0.2
"""Standard deviations of the logarithm of measured / published, before any run: of all texts alike (another trainer, another count of
parameters), and from text to text (licences are easier than the web; a narrow text has less to say)."""
SLOPE = 0.03
"""The same for each e-fold of parameters or text away from `MIDDLE`: how far the law's exponents may be off."""
MIDDLE = (math.log(1e7), math.log(4e8))
"""Logarithms of the parameters and bytes at which the law is least in doubt."""
NOISE = 0.05
"""The same between two runs that differ in seed and held-out documents only."""

GAIN_EXPONENT = 0.27
"""What adapting gains grows by this power of its tokens: 0.0505 after 10,240 and 0.0669 after 28,672 (docs/log.md, "LoRA")."""
GAIN_SAME, GAIN_OTHER = 0.2, 0.5
"""Relative spread of that gain between runs on one text and model, and between texts or models; each weighs like two runs."""


@dataclass(frozen=True)
class Training:
    """A training from scratch: which text (its digest), parameters without embeddings, UTF-8 bytes read, bytes there are to read."""

    text: str
    parameters: float
    seen: float
    available: float


@dataclass(frozen=True)
class ScratchRun:
    """A finished one and the bits per byte it was measured at, on held-out text of `training.text`."""

    training: Training
    bpb: float


@dataclass(frozen=True)
class AdaptedRun:
    """An open model (its digest) adapted to a text: bits per byte before and after, and tokens trained on."""

    text: str
    model: str
    tokens: float
    open_bpb: float
    bpb: float


def fresh_bytes(seen: float, available: float) -> float:
    """As many bytes of new text as `seen` bytes are worth, of which only `available` differ.

    >>> round(fresh_bytes(4e6, 1e6)), round(fresh_bytes(5e5, 1e6))
    (3725936, 500000)
    """
    once = min(seen, available)
    return once * (1 + REPEATS * -math.expm1(-(seen / once - 1) / REPEATS))


def published(training: Training) -> float:
    """Bits per byte on text like the web's, by the published law alone.

    >>> round(published(Training("", 3.1e6, 2.5e6, 1.4e7)), 2)
    2.03
    """
    tokens = fresh_bytes(training.seen, training.available) / LAW_BYTES_PER_TOKEN
    nats: float = ((N_C / training.parameters) ** (ALPHA_N / ALPHA_D) + D_C / tokens) ** ALPHA_D
    return nats / math.log(2) / LAW_BYTES_PER_TOKEN


@dataclass(frozen=True)
class Law:
    """The published law, corrected by `runs`.

    The logarithm of measured / published is taken as a normal process: a level, a level of each text, slopes in the logarithms of
    parameters and bytes, and noise (Gaussian process regression, Rasmussen and Williams 2006, equations 2.25 and 2.26). One run on
    a text moves the forecast for it most of the way, one on another text part of it; far from all runs it stays in doubt.
    """

    runs: tuple[ScratchRun, ...] = ()

    def predict(self, training: Training) -> Interval:
        """Bits per byte that will be measured: one chance in ten below p10, one in ten above p90."""
        mean, variance = 0.0, _covariance(training, training)
        if self.runs:
            inverse, residuals = self._fitted
            near = [_covariance(training, run.training) for run in self.runs]
            weights = inverse @ near
            mean, variance = float(weights @ residuals), variance - float(weights @ near)
        return Interval.around(published(training) * math.exp(mean), math.sqrt(max(0.0, variance) + NOISE**2))

    @cached_property
    def _fitted(self) -> tuple[NDArray[floating[Any]], NDArray[floating[Any]]]:
        """Inverse covariance of the runs, and the logarithms of their measured / published."""
        import numpy as np  # here: most commands that import this module forecast nothing

        between = [[_covariance(a.training, b.training) for b in self.runs] for a in self.runs]
        inverse = np.linalg.inv(np.array(between) + NOISE**2 * np.eye(len(self.runs)))
        return inverse, np.array([math.log(run.bpb / published(run.training)) for run in self.runs])


def _covariance(a: Training, b: Training) -> float:
    """Of the logarithms of measured / published of two trainings, noise left out."""
    parameters = (math.log(a.parameters) - MIDDLE[0]) * (math.log(b.parameters) - MIDDLE[0])
    text = (math.log(a.seen) - MIDDLE[1]) * (math.log(b.seen) - MIDDLE[1])
    return LEVEL**2 + TEXT**2 * (a.text == b.text) + SLOPE**2 * (parameters + text)


def adapting_saves(runs: Sequence[AdaptedRun], *, text: str, model: str, tokens: float) -> Interval | None:
    """Share of the open model's bits per byte that adapting it with `tokens` saves, by earlier runs, those on this text and model
    if there are any; None before a first one. Below 0 it makes things worse."""
    same = [run for run in runs if (run.text, run.model) == (text, model)]
    logs = [math.log(run.open_bpb / run.bpb) / run.tokens**GAIN_EXPONENT for run in same or runs]
    if not logs:
        return None
    mean = sum(logs) / len(logs)
    prior = (GAIN_SAME if same else GAIN_OTHER) * abs(mean)
    between = (2 * prior**2 + sum((one - mean) ** 2 for one in logs)) / (1 + len(logs))
    half = Z90 * math.sqrt(between * (1 + 1 / len(logs)))
    low, middle, high = (-math.expm1(-one * tokens**GAIN_EXPONENT) for one in (mean - half, mean, mean + half))
    return Interval(p10=low, p50=middle, p90=high)
