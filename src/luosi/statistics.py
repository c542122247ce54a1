"""Means with honest errors when documents, not bytes or questions, are the independent draws.

Every score here is a ratio of two sums over clusters (bits over bytes, right answers over questions). Its error is the delta
method's, each cluster's squared residual divided by one minus its share of the denominator (the HC2 correction of MacKinnon
and White, 1985). Intervals use Student's t with as many degrees of freedom as clusters of equal size would give (Kish's
effective number, less one): with 30 log-normal document sizes clusters - 1 covers 89 to 93 % instead of 95. Knows no model,
file or stage; standard library only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

from luosi.artifacts.evidence import Difference, DocumentScore, QuestionScore, Score

CONFIDENCE = 0.95
Z80 = 0.8416212335729143  # the 80 % point of the standard normal: the power aimed at


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> tuple[float, float | None]:
    """Sum of `numerators` over sum of `denominators`, with its cluster-robust standard error.

    One entry of each per cluster. The error is None for a single cluster, which says nothing of the spread.

    >>> ratio([10.0, 30.0], [10.0, 20.0])
    (1.3333333333333333, 0.22222222222222218)
    """
    total = math.fsum(denominators)
    mean = math.fsum(numerators) / total
    if len(numerators) < 2:
        return mean, None
    residuals = ((a - mean * b) ** 2 / (1 - b / total) for a, b in zip(numerators, denominators, strict=True))
    return mean, math.sqrt(math.fsum(residuals)) / total


def bits_per_byte(documents: Sequence[DocumentScore]) -> Score:
    """Bits over UTF-8 bytes of one source's documents, each a cluster."""
    mean, se = ratio([d.bits for d in documents], [d.bytes for d in documents])
    return Score(mean=mean, se=se, clusters=len(documents))


def accuracy(questions: Sequence[QuestionScore]) -> Score:
    """Share of right answers; the questions of one document are one cluster.

    Where every cluster did equally well (all right, or all wrong) the spread seen is 0 but the doubt is not: the error is then
    that of two more right and two more wrong answers (Agresti and Coull, 1998).
    """
    right, count = _by_cluster(questions, [q.correct for q in questions])
    mean, se = ratio(right, count)
    if se is not None and se < 1e-12:
        padded = (mean * len(right) + 2) / (len(right) + 4)
        se = math.sqrt(padded * (1 - padded) / (len(right) + 4))
    return Score(mean=mean, se=se, clusters=len(right))


def bits_difference(route: Sequence[DocumentScore], reference: Sequence[DocumentScore]) -> Difference | None:
    """Bits per byte of `route` minus those of `reference` on the same documents in the same order; negative is better.

    None for a single document: no interval can be given.
    """
    return _difference([a.bits - b.bits for a, b in zip(route, reference, strict=True)], [a.bytes for a in route])


def accuracy_difference(route: Sequence[QuestionScore], reference: Sequence[QuestionScore]) -> Difference | None:
    """Accuracy of `route` minus that of `reference` on the same questions in the same order; positive is better.

    None for a single cluster. Where all clusters differ equally the error is that of one discordant pair more (Agresti and
    Min, 2005): sixty equal answers do not prove two models equal.
    """
    marks = [a.correct - b.correct for a, b in zip(route, reference, strict=True)]
    sums, counts = _by_cluster(route, marks)
    return _difference(sums, counts, least_se=1 / (len(sums) + 2))


def needed_clusters(difference: Difference, least: float) -> int:
    """How many clusters like these would show a difference as large as the one seen, or `least` if that is larger, as
    significant at 95 % with a chance of 80 %: n ((t + z) se / d)^2, the usual sample size formula."""
    assert difference.se is not None, "a difference always has an error"
    reach = (difference.high - difference.low) / 2 + Z80 * difference.se
    return math.ceil(difference.clusters * (reach / max(abs(difference.mean), least)) ** 2)


def _difference(differences: Sequence[float], sizes: Sequence[float], *, least_se: float = 0.0) -> Difference | None:
    mean, se = ratio(differences, sizes)
    if se is None:
        return None
    if se < 1e-12:
        se = least_se
    half = t_quantile(degrees_of_freedom(sizes)) * se
    return Difference(mean=mean, se=se, low=mean - half, high=mean + half, clusters=len(sizes))


def degrees_of_freedom(sizes: Sequence[float]) -> int:
    """Kish's effective number of clusters, (sum of sizes)^2 / sum of squares, less one; n - 1 for n equal sizes, at least 1."""
    effective = math.fsum(sizes) ** 2 / math.fsum(size * size for size in sizes)
    return max(1, int(effective - 1 + 1e-9))


def _by_cluster(questions: Sequence[QuestionScore], marks: Sequence[float]) -> tuple[list[float], list[float]]:
    """Sum of marks and number of questions of each cluster, in order of first appearance."""
    sums: dict[str, float] = {}
    counts: dict[str, float] = {}
    for question, mark in zip(questions, marks, strict=True):
        sums[question.cluster] = sums.get(question.cluster, 0.0) + mark
        counts[question.cluster] = counts.get(question.cluster, 0.0) + 1
    return list(sums.values()), list(counts.values())


@lru_cache
def t_quantile(dof: int) -> float:
    """The t with P(|T| < t) = 95 % for Student's T with `dof` degrees of freedom.

    >>> round(t_quantile(10), 4)
    2.2281
    """
    low, high = 0.0, 1e3
    while high - low > 1e-10 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if _t_inside(middle, dof) < CONFIDENCE else (low, middle)
    return high


def _t_inside(t: float, dof: int) -> float:
    """P(|T| < t), the finite sums of Abramowitz and Stegun 26.7.3 (odd) and 26.7.4 (even)."""
    angle = math.atan(t / math.sqrt(dof))
    sine, cosine_squared = math.sin(angle), math.cos(angle) ** 2
    odd = dof % 2
    term, total = (math.cos(angle) if odd else 1.0), 0.0
    for k in range(2 + odd, dof + 1, 2):
        total += term
        term *= cosine_squared * (k - 1) / k
    return 2 / math.pi * (angle + sine * total) if odd else sine * total
