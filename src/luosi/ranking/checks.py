"""Votes that are left out, and why: exact duplicates, and voters who always take one side. Knows no rating.

A duplicate is a vote whose voter, prompt, models, sides, outcome and time were all there before; without voters, or with neither
prompts nor times, nothing can be called a duplicate. A voter is one-sided who chose the same side in at least 95 % of the votes
that chose one, where a binomial test against the share that all voters gave that side says that chance would not (at a risk of 1 %
for all voters together).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from luosi.ranking.votes import LEFT, RIGHT, Votes

ONE_SIDED = 0.95
"""Least share of one side that can mark a voter."""
RISK = 0.01
"""Chance that any honest voter is left out for one-sidedness."""


@dataclass(frozen=True)
class LeftOut:
    """Votes that were left out together."""

    reason: str
    voter: str
    """Its name; "" where votes of several voters are meant."""
    votes: int
    chance: float | None
    """That an honest voter would vote so, before the number of voters is reckoned with; None for duplicates."""


def look(votes: Votes) -> tuple[Any, list[LeftOut]]:
    """Which votes stay, [V] (None: all), and which do not."""
    keep, found = np.ones(len(votes), bool), []
    again = duplicates(votes)
    if again.any():
        found.append(LeftOut("the same vote was there before", "", int(np.count_nonzero(again)), None))
        keep &= ~again
    for code, chance in one_sided(votes, keep):
        its = keep & (votes.voter == code)
        name = votes.voters[code] if len(votes.voters) else str(code)
        found.append(LeftOut("always takes one side", name, int(np.count_nonzero(its)), chance))
        keep &= ~its
    return (keep if found else None), found


def duplicates(votes: Votes) -> Any:
    """Where a vote is one that was there before, [V]."""
    if votes.voter is None or (votes.prompt is None and votes.time is None):
        return np.zeros(len(votes), bool)
    columns: list[Any] = [votes.voter, votes.left, votes.right, votes.outcome]
    columns += [votes.prompt] if votes.prompt is not None else []
    columns += [votes.time.view(np.int64)] if votes.time is not None else []
    key = np.zeros(len(votes), np.uint64)
    for column in columns:  # a 64-bit hash finds the candidates; the columns themselves decide
        key = (key ^ column.astype(np.int64).view(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        key ^= key >> np.uint64(29)
    order = np.argsort(key, kind="stable")  # the first of several stays
    sorted_key = key[order]
    same = np.flatnonzero(sorted_key[1:] == sorted_key[:-1]) + 1
    again = np.zeros(len(votes), bool)
    alike = np.ones(len(same), bool)
    for column in columns:
        alike &= column[order[same]] == column[order[same - 1]]
    again[order[same[alike]]] = True
    return again


def one_sided(votes: Votes, keep: Any) -> list[tuple[int, float]]:
    """Codes of one-sided voters among the votes kept, and the chance of being so."""
    if votes.voter is None:
        return []
    count = int(votes.voter.max()) + 1
    left = np.bincount(votes.voter[keep & (votes.outcome == LEFT)], minlength=count)
    right = np.bincount(votes.voter[keep & (votes.outcome == RIGHT)], minlength=count)
    decisive = left + right
    if not decisive.any():
        return []
    share = left.sum() / decisive.sum()
    voters = max(1, int(np.count_nonzero(decisive)))
    found = []
    likely = min(0.95, max(0.5, float(share), 1 - float(share)))
    least = math.log(RISK / voters / 2) / math.log(likely)  # fewer could be chance even if they were all
    for code in np.flatnonzero(np.maximum(left, right) >= np.maximum(least, ONE_SIDED * decisive)).tolist():
        most, side = (int(left[code]), share) if left[code] >= right[code] else (int(right[code]), 1 - share)
        chance = min(1.0, 2 * binomial_tail(most, int(decisive[code]), min(max(float(side), 0.05), 0.95)))
        if chance < RISK / voters:
            found.append((code, chance))
    return found


def binomial_tail(least: int, tries: int, chance: float) -> float:
    """Chance of `least` or more in so many tries.

    >>> binomial_tail(9, 10, 0.5)
    0.0107421875
    """
    total = 0.0
    for k in range(least, tries + 1):
        ways = math.lgamma(tries + 1) - math.lgamma(k + 1) - math.lgamma(tries - k + 1)
        total += math.exp(ways + k * math.log(chance) + (tries - k) * math.log1p(-chance))
    return round(total, 15) if total > 1e-6 else total
