"""Many trials of the numbers that a company's file leaves uncertain, and how they run over the months.

Each number is drawn by its own path in the file, so that one more entry changes no other's draws. Knows nothing of money.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from luosi.cost import Z90
from luosi.errors import InputError
from luosi.estimate.company.entries import Item, Uncertain
from luosi.estimate.company.spec import Company, month_of

Floats = NDArray[np.float64]


class Draws:
    """Trials of one company: arrays are (trials,), and over time (trials, months)."""

    def __init__(self, company: Company) -> None:
        self.company = company
        self.months = np.arange(company.months)

    def of(self, path: str, value: Uncertain, *, least: float = -np.inf, most: float = np.inf) -> Floats:
        """The trials of the number at `path`.

        Args:
            least: What the number cannot be below; a drawn one is moved there.

        Raises:
            InputError: The file's own number is outside of `least` to `most`, or its percentiles are in the wrong order.
        """
        low, high = (value[0], value[1]) if isinstance(value, list) else (value, value)
        if low > high:
            raise InputError(f"{path} is [{low:g}, {high:g}]", hint="the lower one first")
        if not (least <= low and high <= most):
            raise InputError(f"{path} is {value}, not in {least:g} .. {most:g}")
        trials = self.company.trials
        if low == high:
            return np.full(trials, float(low))
        normal = np.random.default_rng([self.company.seed, zlib.crc32(path.encode())]).standard_normal(trials)
        if low > 0:
            drawn = np.sqrt(low * high) * np.exp(normal * np.log(high / low) / (2 * Z90))
        else:
            drawn = (low + high) / 2 + normal * (high - low) / (2 * Z90)
        inside: Floats = np.clip(drawn, least, most)
        return inside

    def chance(self, path: str, probability: float) -> Floats:
        """1 in the trials in which it comes, else 0."""
        rng = np.random.default_rng([self.company.seed, zlib.crc32(path.encode())])
        return (rng.random(self.company.trials) < probability).astype(float)

    def span(self, item: Item, path: str) -> tuple[int, int]:
        """First month, and the one after the last, counted from the company's first.

        Raises:
            InputError: The item ends before it starts.
        """
        start = 0 if item.start is None else month_of(self.company.start, item.start)
        end = self.company.months if item.end is None else month_of(self.company.start, item.end) + 1
        if end <= start:
            raise InputError(f"{path} ends ({item.end}) before it starts ({item.start or self.company.start})")
        return start, end

    def during(self, span: tuple[int, int]) -> Floats:
        """1 in the months of a span, else 0: (months,)."""
        return ((self.months >= span[0]) & (self.months < span[1])).astype(float)

    def growing(self, path: str, rate: Uncertain, first: int = 0, *, period: float = 12.0) -> Floats:
        """The factor by which something has grown since month `first`, at `rate` each `period` months: (trials, months)."""
        yearly = 1 + self.of(path, rate, least=-0.99, most=99.0)
        with np.errstate(over="ignore"):
            grown: Floats = yearly[:, None] ** (np.maximum(self.months - first, 0) / period)
        if not (grown < 1e15).all():
            raise InputError(
                f"{path} of {rate} makes something a quadrillion times as large in {self.months.size} months"
            )
        return grown
