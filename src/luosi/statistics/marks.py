"""Accuracy with its 95 % interval, and paired differences of it: marks from 0 to 1, free or in clusters.

The intervals are score intervals with as many 0/1 marks as would leave the same doubt (luosi.statistics.intervals): for free 0/1
marks exactly Wilson's, and Tango's of a paired difference. benchmarks/intervals.py shows what they cover. A standard error is the
ratio's own (luosi.statistics.clusters); where it is 0 though the doubt is not, that of a few marks more.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

from luosi.artifacts.evidence import Difference, QuestionScore, Score
from luosi.statistics.clusters import by_cluster, ratio
from luosi.statistics.intervals import UNSEEN, Z95, effective_size, tango, wilson

Z_STOPPED = 2.241402727604947  # the 98.75 % point of the standard normal


def accuracy_of(marks: Sequence[float], clusters: Sequence[Hashable] | None = None) -> Score:
    """Mean of `marks`, each from 0 to 1, with its 95 % interval; a single cluster has neither error nor interval.

    Where every cluster did equally well (all right, or all wrong) the error is that of two more right and two more wrong answers
    (Agresti and Coull, 1998). An arm stopped in a race has the same interval: it still covers (benchmarks/racing.py).

    Args:
        marks: One per question, at least one.
        clusters: What each question belongs to (a document): its marks are alike. None where every question stands by itself.
    """
    sums, counts = by_cluster(marks, clusters)
    mean, se = ratio(sums, counts)
    if se is None:
        return Score(mean=mean, se=None, clusters=1)
    unseen = UNSEEN * (mean**2 + (1 - mean) ** 2)
    size = effective_size(se**2, mean * (1 - mean), unseen, counts)
    if se < 1e-12:
        padded = (mean * len(sums) + 2) / (len(sums) + 4)
        se = math.sqrt(padded * (1 - padded) / (len(sums) + 4))
    low, high = wilson(mean, size)
    return Score(mean=mean, se=se, clusters=len(sums), low=low, high=high)


def accuracy(questions: Sequence[QuestionScore]) -> Score:
    """Share of right answers; the questions of one document are one cluster."""
    return accuracy_of([q.correct for q in questions], [q.cluster for q in questions])


def difference_of(
    route: Sequence[float],
    reference: Sequence[float],
    clusters: Sequence[Hashable] | None = None,
    *,
    stopped: bool = False,
) -> Difference | None:
    """Mean of the marks of `route` minus that of `reference` on the same questions in the same order; positive is better.

    None for a single cluster: no interval can be given. Where all clusters differ equally the error is that of one discordant
    pair more (Agresti and Min, 2005): sixty equal answers do not prove two models equal.

    Args:
        route: Marks, one per question.
        reference: Marks of the same questions.
        clusters: As `accuracy_of`.
        stopped: Whether a race ended the questions of either because of these marks: the interval is then that of 97.5 %, half of
            the doubt being spent on the looks (benchmarks/racing.py).
    """
    ahead = [a - b for a, b in zip(route, reference, strict=True)]
    sums, counts = by_cluster(ahead, clusters)
    mean, se = ratio(sums, counts)
    if se is None:
        return None
    more, fewer = math.fsum(max(0.0, d) for d in ahead), math.fsum(max(0.0, -d) for d in ahead)
    unseen = UNSEEN / 2 * ((1 - mean) ** 2 + (1 + mean) ** 2)
    size = effective_size(se**2, (more + fewer) / len(ahead) - mean**2, unseen, counts)
    z = Z_STOPPED if stopped else Z95
    low, high = tango(more * size / len(ahead), fewer * size / len(ahead), size, z)
    return Difference(mean=mean, se=se if se > 1e-12 else 1 / (len(sums) + 2), low=low, high=high, clusters=len(sums))


def accuracy_difference(route: Sequence[QuestionScore], reference: Sequence[QuestionScore]) -> Difference | None:
    """Accuracy of `route` minus that of `reference` on the same questions in the same order; positive is better."""
    return difference_of([q.correct for q in route], [q.correct for q in reference], [q.cluster for q in route])
