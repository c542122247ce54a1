"""Published figures against a file's own: each ends in "reproduced", "explained by ..." or "not reproduced, factor ...".

A claim names the measures whose ratio it is. It is reproduced where the claimed range, give or take the tolerance, and the trials' 10th to
90th percentile meet; explained where another reckoning in the file does so; else the factor between median and claim is said.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from luosi.cost import Interval
from luosi.errors import InputError
from luosi.estimate.company.draws import Floats
from luosi.estimate.company.measures import Measures, interval
from luosi.estimate.company.published import Claim, Ratio
from luosi.estimate.company.telling import amount


@dataclass(frozen=True)
class Verdict:
    """What came of one claim."""

    claim: Claim
    computed: Interval
    verdict: str

    def __str__(self) -> str:
        claim, found = self.claim, self.computed
        claimed = amount(claim.low) if claim.low == claim.high else f"{amount(claim.low)} to {amount(claim.high)}"
        exact = math.isclose(found.p10, found.p90, rel_tol=1e-9)
        computed = amount(found.p50) + ("" if exact else f" ({amount(found.p10)} to {amount(found.p90)})")
        unit = f" {claim.unit}" if claim.unit else ""
        return f"{claim.says}: claimed {claimed}{unit}, computed {computed}{unit}: {self.verdict}"


def judge(claim: Claim, found: Measures) -> Verdict:
    """One claim's verdict.

    Raises:
        InputError: It names a measure that there is not, divides by 0, or its range is in the wrong order.
    """
    if not claim.low <= claim.high:
        raise InputError(
            f"the claim {claim.says!r} is from {claim.low:g} to {claim.high:g}", hint="the lower one first"
        )
    trials = ratio(claim, found)
    if _inside(claim, trials):
        return Verdict(claim, interval(trials), "reproduced")
    for other in claim.explained:
        if _inside(claim, ratio(other, found)):
            return Verdict(claim, interval(trials), f"explained by {other.by}")
    middle = float(np.median(trials))
    nearest = claim.low if middle < claim.low else claim.high
    factor = middle / nearest if nearest else math.inf
    return Verdict(claim, interval(trials), f"not reproduced, factor {factor:.2g}")


def ratio(wanted: Ratio, found: Measures) -> Floats:
    """The product of the measures over that of others, (trials,)."""
    made = np.full_like(found[wanted.measure[0]], wanted.times)
    for name in wanted.measure:
        made = made * found[name]
    for name in wanted.over:
        if not found[name].all():
            raise InputError(f"the measure {name} is 0 and cannot be divided by")
        made = made / found[name]
    return made


def _inside(claim: Claim, trials: Floats) -> bool:
    found = interval(trials)
    return claim.low - claim.tolerance * abs(
        claim.low
    ) <= found.p90 and found.p10 <= claim.high + claim.tolerance * abs(claim.high)
