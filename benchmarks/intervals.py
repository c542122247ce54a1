"""What the 95 % intervals of accuracies and of paired differences cover in simulation, at 30, 50 and 200 questions.

    python benchmarks/intervals.py

Marks are 0/1, or like an F1 (0, 1, or between by a Beta distribution), free or in documents of two questions that share 40 %
of their difficulty; two arms share half of the difficulty (a normal copula). Free 0/1 marks are counted exactly instead: every
outcome with its probability. Beside each average stand the least and the most of its points: counts move in steps, so that at 30
questions no interval covers 93 to 97 % at every single accuracy. Where arms differ in fewer than about 1.5 questions in all
("rare"), 93 to 97 % cannot be had: the answer is nearly always the same. Writes benchmarks/results/intervals.json.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from luosi import Workspace
from luosi.statistics import accuracy_of, difference_of, t_quantile
from luosi.statistics.intervals import tango, wilson

LOW, HIGH = 0.93, 0.97
SEED, SAMPLES = 30, 2000
SIZES = (30, 50, 200)
TRUTHS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
FINE = tuple(round(0.05 + 0.01 * step, 2) for step in range(91))
PAIRS = ((0.5, 0.5), (0.8, 0.8), (0.6, 0.5), (0.4, 0.2), (0.7, 0.4), (0.9, 0.4), (0.95, 0.9))
DISCORDANT = (
    (0.01, 0.01), (0.02, 0.0), (0.03, 0.01), (0.05, 0.05), (0.1, 0.02), (0.1, 0.1), (0.15, 0.1), (0.2, 0.2),
    (0.2, 0.05), (0.3, 0.1), (0.4, 0.05), (0.5, 0.1), (0.7, 0.05), (0.8, 0.1), (0.9, 0.02),
)  # fmt: skip
"""Shares of questions that only the one arm, and only the other, answers rightly."""
RARE = 1.5


def log_choose(n: int, *parts: int) -> float:
    """Logarithm of the number of ways to part n."""
    return math.lgamma(n + 1) - math.fsum(math.lgamma(k + 1) for k in (*parts, n - sum(parts)))


def exact_accuracy(n: int, truth: float) -> float:
    """Coverage of free 0/1 marks."""
    total = 0.0
    for right in range(n + 1):
        low, high = wilson(right / n, n)
        if low <= truth <= high:
            total += math.exp(log_choose(n, right) + right * math.log(truth) + (n - right) * math.log(1 - truth))
    return total


def exact_difference(n: int, more: float, fewer: float, ends: dict[tuple[int, int], tuple[float, float]]) -> float:
    """Coverage of free 0/1 pairs; outcomes less likely than 1e-9 are passed over."""
    total = 0.0
    for a in range(n + 1):
        for b in range(n + 1 - a if fewer else 1):
            log = log_choose(n, a, b) + a * math.log(more) + (b * math.log(fewer) if b else 0.0)
            if (chance := math.exp(log + (n - a - b) * math.log(1 - more - fewer))) < 1e-9:
                continue
            if (a, b) not in ends:
                ends[a, b] = tango(a, b, n)
            low, high = ends[a, b]
            total += chance * (low - 1e-12 <= more - fewer <= high + 1e-12)
    return total


PLACES = np.linspace(-8, 8, 16001)
HEIGHTS = np.array([0.5 * math.erfc(-place / math.sqrt(2)) for place in PLACES])


def draw(random: np.random.Generator, truths: tuple[float, ...], kind: str, documents: bool, n: int) -> list[Any]:
    """Marks of each arm, (samples, questions)."""

    def normal() -> Any:
        own = random.normal(size=(SAMPLES, n))
        if not documents:
            return own
        return math.sqrt(0.6) * own + math.sqrt(0.4) * np.repeat(random.normal(size=(SAMPLES, n // 2)), 2, axis=1)

    ease, arms = normal(), []
    for truth in truths:
        rank = np.interp(math.sqrt(0.5) * ease + math.sqrt(0.5) * normal(), PLACES, HEIGHTS)
        if kind == "0/1":
            arms.append((rank < truth).astype(float))
            continue
        between = random.beta(4 * truth, 4 * (1 - truth), rank.shape)
        arms.append(np.where(rank < 0.4 * truth, 1.0, np.where(rank > 1 - 0.4 * (1 - truth), 0.0, between)))
    return arms


def simulated_accuracy(random: np.random.Generator, truth: float, kind: str, documents: bool, n: int) -> float:
    """Coverage over the samples."""
    clusters = [question // 2 for question in range(n)] if documents else None
    (table,) = draw(random, (truth,), kind, documents, n)
    found = [accuracy_of(row, clusters) for row in table.tolist()]
    return float(np.mean([score.low <= truth <= score.high for score in found]))  # type: ignore[operator]


def simulated_difference(
    random: np.random.Generator, truths: tuple[float, float], kind: str, documents: bool, n: int
) -> float:
    """Coverage over the samples."""
    clusters = [question // 2 for question in range(n)] if documents else None
    one, two = draw(random, truths, kind, documents, n)
    found = [difference_of(a, b, clusters) for a, b in zip(one.tolist(), two.tolist(), strict=True)]
    return float(np.mean([its.low <= truths[0] - truths[1] <= its.high for its in found if its]))


def wald_accuracy(n: int, truth: float) -> float:
    """Coverage of mean ± t standard errors on free 0/1 marks, for comparison."""
    total = 0.0
    for right in range(n + 1):
        mean = right / n
        half = t_quantile(n - 1) * math.sqrt(mean * (1 - mean) / (n - 1))
        if mean - half <= truth <= mean + half:
            total += math.exp(log_choose(n, right) + right * math.log(truth) + (n - right) * math.log(1 - truth))
    return total


def cells() -> Iterator[tuple[str, int, list[tuple[str, float]]]]:
    """(What, questions, coverage by point)."""
    random = np.random.default_rng(SEED)
    for n in SIZES:
        yield "accuracy, 0/1 (exact)", n, [(str(truth), exact_accuracy(n, truth)) for truth in FINE]
        yield "  for comparison: mean ± t se", n, [(str(truth), wald_accuracy(n, truth)) for truth in FINE]
        for kind, documents in (("F1", False), ("0/1", True), ("F1", True)):
            points = [(str(t), simulated_accuracy(random, t, kind, documents, n)) for t in TRUTHS]
            yield f"accuracy, {kind}{', 2 a document' if documents else ''}", n, points
        ends: dict[tuple[int, int], tuple[float, float]] = {}
        exact = {pair: exact_difference(n, *pair, ends) for pair in DISCORDANT}
        often = [(f"{m} {f}", its) for (m, f), its in exact.items() if n * (m + f) > RARE]
        yield "difference, 0/1 (exact)", n, often
        if rare := [(f"{m} {f}", its) for (m, f), its in exact.items() if n * (m + f) <= RARE]:
            yield "difference, 0/1 (exact), rare", n, rare
        for kind, documents in (("0/1", False), ("F1", False), ("0/1", True), ("F1", True)):
            points = [(f"{a} {b}", simulated_difference(random, (a, b), kind, documents, n)) for a, b in PAIRS]
            yield f"difference, {kind}{', 2 a document' if documents else ''}", n, points


def main() -> None:
    """Simulate, print, write."""
    began, rows = time.process_time(), []
    print(f"{'':<36}{'n':>4} {'covers':>7} {'least':>7} {'most':>7} {'points in 93-97 %':>18}")
    for what, n, points in cells():
        covers = [share for _, share in points]
        inside = sum(LOW <= share <= HIGH for share in covers)
        rows.append({"what": what.strip(), "questions": n, "mean": float(np.mean(covers)), "points": dict(points)})
        print(
            f"{what:<36}{n:>4} {np.mean(covers):>7.1%} {min(covers):>7.1%} {max(covers):>7.1%} "
            f"{f'{inside} of {len(covers)}':>18}",
            flush=True,
        )
    own = [row for row in rows if not row["what"].startswith("for") and not row["what"].endswith("rare")]
    held = sum(LOW <= row["mean"] <= HIGH for row in own)
    print(f"{held} of {len(own)} averages within 93 to 97 %")
    result = {
        "rows": rows,
        "averages_within": held,
        "averages": len(own),
        "goal": [LOW, HIGH],
        "samples": SAMPLES,
        "seed": SEED,
        "cpu_seconds": time.process_time() - began,
        "python": sys.version.split()[0],
        "machine": Workspace().machine().name,
    }
    path = Path(__file__).parent / "results" / "intervals.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
