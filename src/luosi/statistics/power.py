"""How many more questions or documents would tell two routes apart, and how small a difference these could have shown."""

from __future__ import annotations

import math

from luosi.artifacts.evidence import Difference

Z80 = 0.8416212335729143  # the 80 % point of the standard normal: the power aimed at


def needed_clusters(difference: Difference, least: float) -> int:
    """How many clusters like these would show a difference as large as the one seen, or `least` if that is larger, as
    significant at 95 % with a chance of 80 %: n ((t + z) se / d)^2, the usual sample size formula."""
    assert difference.se is not None, "a difference always has an error"
    reach = (difference.high - difference.low) / 2 + Z80 * difference.se
    return math.ceil(difference.clusters * (reach / max(abs(difference.mean), least)) ** 2)


def detectable(difference: Difference, clusters: int | None = None) -> float:
    """The smallest difference that `clusters` clusters like these (as many as there were, if None) would show as significant
    at 95 % with a chance of 80 %: (t + z) se."""
    assert difference.se is not None, "a difference always has an error"
    reach = (difference.high - difference.low) / 2 + Z80 * difference.se
    return reach * math.sqrt(difference.clusters / (clusters or difference.clusters))
