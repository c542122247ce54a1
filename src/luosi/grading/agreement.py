"""How far a judge's marks agree with a person's: the share of equal marks with its interval, and Cohen's kappa."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from luosi.statistics.intervals import wilson


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of `n` answers marked by both.

    Attributes:
        n: How many.
        share: That got the same mark from both; None for none.
        low: Lower end of its 95 % interval (Wilson, 1927); 0 for no answers.
        high: Upper end; 1 for no answers.
        kappa: Agreement beyond chance (Cohen, 1960), 1 at most; None where it does not exist: both gave everything one mark.
    """

    n: int
    share: float | None
    low: float
    high: float
    kappa: float | None


def agreement(pairs: Sequence[tuple[bool, bool]]) -> Agreement:
    """Of pairs (right by the judge, right by the person).

    >>> found = agreement([(True, True)] * 20 + [(False, False)] * 15 + [(True, False)] * 5 + [(False, True)] * 10)
    >>> found.share, round(found.kappa, 3)
    (0.7, 0.4)
    """
    n = len(pairs)
    if not n:
        return Agreement(0, None, 0.0, 1.0, None)
    share = sum(judge == person for judge, person in pairs) / n
    judge_right, person_right = (sum(pair[who] for pair in pairs) / n for who in (0, 1))
    chance = judge_right * person_right + (1 - judge_right) * (1 - person_right)
    kappa = (share - chance) / (1 - chance) if chance < 1 else None
    low, high = wilson(share, n)
    return Agreement(n, share, min(low, share), max(high, share), kappa)  # rounding may put 0 or 1 outside
