"""Bits per byte of held-out documents, and paired differences of it; every document is a cluster."""

from __future__ import annotations

from collections.abc import Sequence

from luosi.artifacts.evidence import Difference, DocumentScore, Score
from luosi.statistics.clusters import degrees_of_freedom, ratio
from luosi.statistics.student import t_quantile


def bits_per_byte(documents: Sequence[DocumentScore]) -> Score:
    """Bits over UTF-8 bytes of one source's documents."""
    mean, se = ratio([d.bits for d in documents], [d.bytes for d in documents])
    return Score(mean=mean, se=se, clusters=len(documents))


def bits_difference(route: Sequence[DocumentScore], reference: Sequence[DocumentScore]) -> Difference | None:
    """Bits per byte of `route` minus those of `reference` on the same documents in the same order; negative is better.

    None for a single document: no interval can be given.
    """
    sizes = [float(a.bytes) for a in route]
    mean, se = ratio([a.bits - b.bits for a, b in zip(route, reference, strict=True)], sizes)
    if se is None:
        return None
    half = t_quantile(degrees_of_freedom(sizes)) * se
    return Difference(mean=mean, se=se, low=mean - half, high=mean + half, clusters=len(sizes))
