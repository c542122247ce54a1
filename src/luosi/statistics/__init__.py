"""Means with honest errors when documents, not bytes or questions, are the independent draws; races that stop early.

Knows no model, file or stage; standard library only.
"""

from luosi.statistics.bits import bits_difference, bits_per_byte
from luosi.statistics.clusters import degrees_of_freedom, ratio
from luosi.statistics.marks import accuracy, accuracy_difference, accuracy_of, difference_of
from luosi.statistics.power import detectable, needed_clusters
from luosi.statistics.student import CONFIDENCE, t_quantile

__all__ = [
    "CONFIDENCE",
    "accuracy",
    "accuracy_difference",
    "accuracy_of",
    "bits_difference",
    "bits_per_byte",
    "degrees_of_freedom",
    "detectable",
    "difference_of",
    "needed_clusters",
    "ratio",
    "t_quantile",
]
