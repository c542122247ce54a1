"""Early stopping in simulated races: evaluation cost saved, wrong winners, and what the intervals of stopped arms cover.

    python benchmarks/racing.py

Arms answer the same questions; difficulty is shared (a normal copula). Odd arms have no files and an answer costs 1, even ones have
them and it costs 4. The last arm in is asked to the end ("decided": what would be saved if it were not).
Wrong: the winner is not one of the whole evaluation's. Worse: points of true accuracy that the winner has less than the whole
evaluation's winner, on average. Writes benchmarks/results/racing.json.
"""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from luosi import Workspace
from luosi.statistics import accuracy_of, difference_of
from luosi.statistics.racing import Race

GOAL_SAVED, GOAL_WRONG = 0.30, 0.05
SEED, RACES = 20, 2000
SIZES = ((30, 5), (50, 5), (50, 1), (100, 5), (200, 5))
"""Questions, and after how many of them the race is looked at again: the race stage's five, and every one."""
CASES: dict[str, tuple[list[float], str, float]] = {
    "one good arm": ([0.15, 0.50, 0.20, 0.75], "0/1", 0.5),
    "one good arm, F1": ([0.15, 0.50, 0.20, 0.75], "F1", 0.5),
    "one good arm of 6": ([0.15, 0.50, 0.20, 0.55, 0.40, 0.80], "0/1", 0.5),
    "two good arms, 10 points apart": ([0.15, 0.55, 0.20, 0.65], "0/1", 0.5),
    "two good arms, 3 points apart": ([0.15, 0.60, 0.20, 0.63], "0/1", 0.5),
    "two good arms of 6, level": ([0.15, 0.50, 0.20, 0.80, 0.40, 0.80], "0/1", 0.5),
    "all arms weak": ([0.05, 0.08, 0.05, 0.10], "0/1", 0.5),
    "4 equal arms": ([0.5] * 4, "0/1", 0.5),
    "4 equal arms, difficulty not shared": ([0.5] * 4, "0/1", 0.0),
    "4 equal arms, F1": ([0.5] * 4, "F1", 0.5),
    "6 equal arms": ([0.5] * 6, "0/1", 0.5),
    "6 equal arms, F1, not shared": ([0.5] * 6, "F1", 0.0),
}
"""True accuracies, kind of marks, share of the difficulty that all arms have in common."""
USUAL = 6
"""The first so many cases are the usual ones."""


def draw(random: np.random.Generator, truths: list[float], kind: str, shared: float, size: tuple[int, int]) -> Any:
    """Simulated marks, (races, questions, arms)."""
    shape = (*size, len(truths))
    latent = math.sqrt(shared) * random.normal(size=(*size, 1)) + math.sqrt(1 - shared) * random.normal(size=shape)
    places = np.linspace(-8, 8, 16001)
    heights = np.array([0.5 * math.erfc(-place / math.sqrt(2)) for place in places])
    rank, truth = np.interp(latent, places, heights), np.array(truths)
    if kind == "0/1":
        return (rank < truth).astype(float)
    between = random.beta(np.broadcast_to(4 * truth, shape), np.broadcast_to(4 * (1 - truth), shape))
    return np.where(rank < 0.4 * truth, 1.0, np.where(rank > 1 - 0.4 * (1 - truth), 0.0, between))


def run(table: list[list[float]], every: int) -> Race:
    """One race over all questions, looked at after every so many."""
    race = Race([str(arm) for arm in range(len(table[0]))], len(table))
    for number, row in enumerate(table, 1):
        race.add({arm: row[int(arm)] for arm in race.alive})
        if number % every == 0:
            race.stop_losers()
    return race


def savings(race: Race) -> tuple[float, float]:
    """Share of the cost saved where the last arm is asked to the end, and where nobody is once it is alone."""
    prices = [1.0 if place % 2 == 0 else 4.0 for place in range(len(race.arms))]
    asked = [len(race.marks[arm]) for arm in race.arms]
    alone = max(len(race.marks[out.arm]) for out in race.stopped) if len(race.alive) == 1 else race.total
    whole = race.total * sum(prices)
    ended = sum(min(count, alone) * price for count, price in zip(asked, prices, strict=True))
    return 1 - sum(count * price for count, price in zip(asked, prices, strict=True)) / whole, 1 - ended / whole


def covered(race: Race, table: list[list[float]], truths: list[float]) -> tuple[list[bool], list[bool]]:
    """For every stopped arm: whether the interval of its accuracy holds the truth, and that of its difference to the first arm."""
    alone, paired = [], []
    for arm, its in ((int(out.arm), race.marks[out.arm]) for out in race.stopped):
        score = accuracy_of(its)
        assert score.low is not None and score.high is not None
        alone.append(score.low <= truths[arm] <= score.high)
        if arm and (found := difference_of(its, [row[0] for row in table[: len(its)]], stopped=True)):
            paired.append(found.low <= truths[arm] - truths[0] <= found.high)
    return alone, paired


def measure(truths: list[float], tables: Any, every: int) -> dict[str, float]:
    """What all races of one case came to."""
    wrong, worse, saved, alone, paired = [], [], [], [], []
    for table in tables.tolist():
        race, sums = run(table, every), [math.fsum(column) for column in zip(*table, strict=True)]
        winner, best = int(race.leader), sums.index(max(sums))
        wrong.append(sums[winner] < sums[best] - 1e-9)
        worse.append(truths[best] - truths[winner])
        saved.append(savings(race))
        one, other = covered(race, table, truths)
        alone += one
        paired += other
    whole, ended = np.mean(saved, axis=0).tolist()
    return {
        "saved": whole,
        "saved_if_ended_when_decided": ended,
        "wrong": float(np.mean(wrong)),
        "wrong_se": float(np.std(wrong) / math.sqrt(len(wrong))),
        "worse_points": float(np.mean(worse)) * 100,
        "stopped_covered": float(np.mean(alone)),
        "stopped_difference_covered": float(np.mean(paired)),
    }


def main() -> None:
    """Simulate, print, write."""
    began, rows = time.process_time(), []
    random = np.random.default_rng(SEED)
    print(
        f"{'':<36}{'n':>4}{'every':>6} {'saved':>6} {'decided':>8} {'wrong':>13} {'worse':>7} {'covers':>7} {'paired':>7}"
    )
    for case, (truths, kind, shared) in CASES.items():
        for questions, every in SIZES:
            found = measure(truths, draw(random, truths, kind, shared, (RACES, questions)), every)
            rows.append({"case": case, "questions": questions, "looked_at_every": every, **found})
            print(
                f"{case:<36}{questions:>4}{every:>6} {found['saved']:>6.0%} {found['saved_if_ended_when_decided']:>8.0%} "
                f"{found['wrong']:>6.1%} ± {2 * found['wrong_se']:>4.1%} {found['worse_points']:>+7.2f} "
                f"{found['stopped_covered']:>7.1%} {found['stopped_difference_covered']:>7.1%}",
                flush=True,
            )
    usual = [float(row["saved"]) for row in rows if row["case"] in list(CASES)[:USUAL]]
    summary = {
        "saved_usual_mean": float(np.mean(usual)),
        "saved_usual_least": min(usual),
        "wrong_most": max(float(row["wrong"]) for row in rows),
    }
    print(
        f"usual cases: {summary['saved_usual_mean']:.0%} saved on average, {summary['saved_usual_least']:.0%} at least "
        f"(goal {GOAL_SAVED:.0%}); wrong winners: {summary['wrong_most']:.1%} at most (goal {GOAL_WRONG:.0%})"
    )
    result = {
        **summary,
        "rows": rows,
        "goals": {"saved": GOAL_SAVED, "wrong": GOAL_WRONG},
        "seed": SEED,
        "races": RACES,
        "cpu_seconds": time.process_time() - began,
        "python": sys.version.split()[0],
        "machine": Workspace().machine().name,
    }
    path = Path(__file__).parent / "results" / "racing.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
