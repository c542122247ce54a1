"""A race of arms that answer the same questions one after another: who can no longer win is asked no more.

The questions are a fixed set in random order, and what would be known after the last of them is who has the most marks. Before
that, the lead of the leader over an arm on the questions to come is predicted from the leads seen (a Dirichlet process whose prior
weighs as much as one question lost and one won; the mean and variance of its sum are exact, its shape is taken as normal). The
chance below which an arm is stopped was set by simulation, benchmarks/racing.py: the winner is another than that of the whole
evaluation in at most `risk` of the races, where arms are equal and nothing can be won by stopping too. Knows no model and no money.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LEAST = 8
"""Questions after which an arm may first be stopped for its chance."""
PRIOR = 1.0
"""Weight of the prior at either end, in questions."""
SHARE = 1.8
"""The chance at which an arm is stopped, as a share of the risk for each arm that might be stopped wrongly, and for each square root
of a look: looks that follow each other err together."""


@dataclass(frozen=True)
class Stopped:
    """An arm that was stopped: who led, and the chance there was left that it would have ended ahead of the leader."""

    arm: str
    by: str
    chance: float


class Race:
    """Who is still in, by the marks so far.

    The winner of the whole evaluation is any arm with the highest sum of marks over all questions: one that can at best draw
    level is stopped. At every moment the first of several leaders leads.

    Args:
        arms: Names, at least one.
        total: Questions there are.
        risk: Largest chance that the race's winner is not one of the whole evaluation's.
    """

    def __init__(self, arms: Sequence[str], total: int, *, risk: float = 0.05) -> None:
        self.arms, self.total, self.risk = tuple(arms), total, risk
        self.marks: dict[str, list[float]] = {arm: [] for arm in arms}
        """By arm, of the questions asked while it was in."""
        self.stopped: list[Stopped] = []
        """In the order in which they were stopped."""
        self._looks = 0

    @property
    def alive(self) -> tuple[str, ...]:
        """The arms still in, in the order given."""
        out = {stopped.arm for stopped in self.stopped}
        return tuple(arm for arm in self.arms if arm not in out)

    @property
    def leader(self) -> str:
        """The arm still in with the highest sum of marks: after the last question the winner."""
        return max(self.alive, key=lambda arm: math.fsum(self.marks[arm]))

    def add(self, marks: Mapping[str, float]) -> None:
        """One question's marks, from 0 to 1, of all arms still in; those of others are not counted."""
        for arm in self.alive:
            assert 0 <= marks[arm] <= 1, f"mark of {arm} is {marks[arm]}; expected 0 to 1"
            self.marks[arm].append(float(marks[arm]))

    def withdraw(self, arm: str) -> None:
        """Take out an arm that is no loser but cannot go on: it is asked no more, and its marks count for nothing."""
        self.stopped.append(Stopped(arm, "", 0.0))

    def stop_losers(self) -> list[Stopped]:
        """Stop the arms that can no longer win, and say which; the leader is never stopped, and after the last question nobody."""
        leader, rivals = self.leader, len(self.alive) - 1
        seen = len(self.marks[leader])
        if not rivals or not 0 < seen < self.total:
            return []
        self._looks += 1
        looks = self._looks * self.total / seen  # by the end, if it goes on like this
        least = SHARE * self.risk / rivals / math.sqrt(looks)
        found = []
        for arm in self.alive:
            chance = self.chance(arm, leader)
            if arm != leader and (chance == 0 or (seen >= LEAST and chance <= least)):
                found.append(Stopped(arm, leader, chance))
        self.stopped += found
        return found

    def chance(self, arm: str, leader: str) -> float:
        """That `arm` has more marks than `leader` over all questions; 0 only if it cannot have."""
        leads = [a - b for a, b in zip(self.marks[leader], self.marks[arm], strict=True)]
        seen, lead = len(leads), math.fsum(leads)
        left = self.total - seen
        if lead >= left:
            return 0.0
        weight = seen + 2 * PRIOR
        mean = lead / weight
        variance = (math.fsum(d * d for d in leads) + 2 * PRIOR) / weight - mean * mean
        spread = math.sqrt(left * variance * (weight + left) / (weight + 1))
        return max(0.5 * math.erfc((lead + left * mean) / spread / math.sqrt(2)), 1e-300)
