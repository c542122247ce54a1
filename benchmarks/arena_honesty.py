"""Whether a ranking of simulated votes says what it may: coverage, peeking, ties, and votes saved by choosing pairs.

    python benchmarks/arena_honesty.py [--quick] [--only PART ...]

Every arena is ranked by luosi.ranking itself. Coverage: share of 95 % intervals of ratings that hold the truth; where voters have
tastes of their own no Bradley-Terry model is true, and the truth is the rating that infinitely many such votes would give. Peeking:
two equal models are looked at every 100 votes. Ties come from three generators, not only from the model that is fitted. Pair
choice: votes until no model's interval is wider than a goal, beside uniform draws and the best there can be. Writes
benchmarks/results/arena_honesty.json.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from luosi import Workspace
from luosi.ranking import LEFT, RIGHT, TIE, Chooser, Ranking, Votes, rank

SEED = 7
ELO = 400 / math.log(10)
QUICK = False


def count(whole: int) -> int:
    return max(10, whole // 20) if QUICK else whole


def chance(d: Any) -> Any:
    return 1 / (1 + np.exp(-d))


def limit(ratings: Any, spread: float) -> Any:
    """Ratings that infinitely many votes give whose leads vary by `spread` from vote to vote; pairs equally likely."""
    points, weights = np.polynomial.hermite_e.hermegauss(60)
    lead = ratings[:, None] - ratings
    won = (chance(lead[..., None] + spread * points) * (weights / weights.sum())).sum(-1)
    found = np.zeros(len(ratings))
    for _ in range(60):
        fitted = chance(found[:, None] - found)
        held = fitted * (1 - fitted)
        np.fill_diagonal(held, 0)
        pull = np.where(np.eye(len(ratings)) > 0, 0, won - fitted).sum(1)
        found = found + np.linalg.solve(np.diag(held.sum(1)) - held + 1 / len(ratings), pull)
    return found - found.mean()


def pairs(random: np.random.Generator, models: int, votes: int) -> tuple[Any, Any]:
    left = random.integers(0, models, votes).astype(np.int32)
    return left, ((left + random.integers(1, models, votes)) % models).astype(np.int32)


def names(models: int) -> tuple[str, ...]:
    return tuple(f"m{i:03}" for i in range(models))


def holds(found: Ranking, truth: Any) -> list[bool]:
    """Whether each model's interval holds its truth in logits."""
    place = {name: i for i, name in enumerate(found.votes.models)}
    return [line.low <= 1000 + ELO * truth[place[line.model]] <= line.high for line in found.models]


def share(values: list[Any]) -> dict[str, float]:
    """Mean over arenas with the half width of its own 95 % interval."""
    each = [float(np.mean(value)) for value in values]
    return {"mean": float(np.mean(each)), "half": 1.96 * float(np.std(each)) / math.sqrt(len(each))}


def text(value: dict[str, float]) -> str:
    return f"{value['mean']:6.1%} ± {value['half']:.1%}"


def coverage(random: np.random.Generator) -> list[dict[str, Any]]:
    """Voters with tastes; prompts with tastes too."""
    rows = []
    print("\nCoverage of 95 % intervals, 20 models, 100 voters x 80 votes")
    for tastes, prompts in ((0.0, 0), (0.5, 0), (1.0, 0), (1.0, 40)):
        kept: dict[str, list[Any]] = {"clustered": [], "free": [], "anytime": []}
        arenas = count(2000 if tastes == 1.0 else 1000)
        for _ in range(arenas):
            ratings = random.normal(size=20) * 0.7
            ratings -= ratings.mean()
            left, right = pairs(random, 20, 8000)
            voter, own = np.repeat(np.arange(100, dtype=np.int32), 80), random.normal(size=(100, 20)) * tastes
            lead = ratings[left] - ratings[right] + own[voter, left] - own[voter, right]
            prompt = None
            if prompts:
                prompt = random.integers(0, prompts, 8000).astype(np.int32)
                of_prompt = random.normal(size=(prompts, 20)) * 0.5
                lead += of_prompt[prompt, left] - of_prompt[prompt, right]
            outcome = np.where(random.random(8000) < chance(lead), LEFT, RIGHT).astype(np.int8)
            votes = Votes(names(20), left, right, outcome, voter=voter, prompt=prompt)
            truth = limit(ratings, math.sqrt(2 * (tastes**2 + (0.25 if prompts else 0))))
            found = rank(votes, checks=False)
            kept["clustered"].append(holds(found, truth))
            kept["free"].append(holds(rank(votes, checks=False, cluster="none"), truth))
            kept["anytime"].append(
                [
                    line.anytime_low <= 1000 + ELO * truth[int(line.model[1:])] <= line.anytime_high
                    for line in found.models
                ]
            )
        row = {"tastes_sd": tastes, "prompts": prompts, "arenas": arenas, **{k: share(v) for k, v in kept.items()}}
        rows.append(row)
        print(
            f"tastes sd {tastes}, {prompts or 'no'} prompts, {arenas} arenas: clustered {text(row['clustered'])}, "
            f"every vote by itself {text(row['free'])}, at any time {text(row['anytime'])}", flush=True,
        )  # fmt: skip
    return rows


@cache
def seen(votes: int, won: int) -> tuple[bool, bool]:
    """Whether two models look different after so many votes: by the fixed interval, by the anytime one."""
    outcome = np.array([LEFT] * won + [RIGHT] * (votes - won), np.int8)
    zero = np.zeros(votes, np.int32)
    found = rank(Votes(("A", "B"), zero, zero + 1, outcome)).difference("A", "B")
    return found.low > 0 or found.high < 0, found.anytime_low > 0 or found.anytime_high < 0


def peeking(random: np.random.Generator) -> dict[str, Any]:
    """Two equal models, looked at every 100 votes up to 10,000."""
    runs = count(4000)
    looks = np.arange(100, 10_001, 100)
    wrong: dict[str, list[bool]] = {"fixed": [], "anytime": [], "fixed_at_the_end": []}
    for _ in range(runs):
        won = np.cumsum(random.random(10_000) < 0.5)[looks - 1].tolist()
        found = [seen(n, w) for n, w in zip(looks.tolist(), won, strict=True)]
        wrong["fixed"].append(any(fixed for fixed, _ in found))
        wrong["anytime"].append(any(anytime for _, anytime in found))
        wrong["fixed_at_the_end"].append(found[-1][0])
    row: dict[str, Any] = {"runs": runs, **{k: share(v) for k, v in wrong.items()}}
    print(
        f"\nPeeking, free votes, {runs} runs of 100 looks: " + ", ".join(f"{k} {text(row[k])}" for k in wrong),
        flush=True,
    )
    some, runs = {"fixed": [], "anytime": []}, count(400)
    for _ in range(runs):
        tastes = np.repeat(random.normal(size=500), 20)
        outcome = np.where(random.random(10_000) < chance(tastes), LEFT, RIGHT).astype(np.int8)
        voter, zero = np.repeat(np.arange(500, dtype=np.int32), 20), np.zeros(10_000, np.int32)
        votes, hit = Votes(("A", "B"), zero, zero + 1, outcome, voter=voter), [False, False]
        for end in looks.tolist():
            found = rank(votes.take(slice(0, end)), checks=False).difference("A", "B")
            hit[0] |= found.low > 0 or found.high < 0
            hit[1] |= found.anytime_low > 0 or found.anytime_high < 0
        some["fixed"].append(hit[0])
        some["anytime"].append(hit[1])
    row["voters"] = {"runs": runs, **{k: share(v) for k, v in some.items()}}
    print(
        f"Peeking, voters of 20 votes with tastes, {runs} runs: "
        + ", ".join(f"{k} {text(row['voters'][k])}" for k in some)
    )
    return row


def tied(random: np.random.Generator, kind: str, lead: Any, rate: float) -> Any:
    """Outcomes with about `rate` ties between equals, of three kinds."""
    draw = random.random(len(lead))
    if kind == "rao-kupper":
        theta = math.log((1 + rate) / (1 - rate))
        return np.where(draw < chance(lead - theta), LEFT, np.where(draw > chance(lead + theta), RIGHT, TIE)).astype(
            np.int8
        )
    share_ = np.full(len(lead), rate) if kind == "independent" else 1 / (1 + (1 / rate - 1) * np.cosh(lead / 2))
    decisive = np.where(random.random(len(lead)) < chance(lead), LEFT, RIGHT)
    return np.where(draw < share_, TIE, decisive).astype(np.int8)


def ties(random: np.random.Generator) -> list[dict[str, Any]]:
    """Coverage of the true ratings, and the scale at which they are found."""
    rows = []
    print("\nTies, 20 models, free votes: coverage of the true ratings; slope of the estimated on the true ones")
    for votes in (5000, 20_000):
        for kind in ("davidson", "rao-kupper", "independent"):
            for rate in (0.2, 0.4):
                arenas, kept, chosen = count(400), {"auto": [], "half": []}, []
                slopes: dict[str, list[float]] = {"auto": [], "half": []}
                for _ in range(arenas):
                    ratings = random.normal(size=20) * 0.7
                    ratings -= ratings.mean()
                    left, right = pairs(random, 20, votes)
                    outcome = tied(random, kind, ratings[left] - ratings[right], rate)
                    for way in kept:
                        found = rank(Votes(names(20), left, right, outcome), ties=way)
                        kept[way].append(holds(found, ratings))
                        slopes[way].append(float(found.fit.theta[:20] @ ratings / (ratings @ ratings)))
                        chosen += [found.fit.ties.name] if way == "auto" else []
                row = {
                    "votes": votes, "generator": kind, "rate": rate, "arenas": arenas,
                    **{way: share(value) for way, value in kept.items()},
                    "slope": {way: float(np.mean(value)) for way, value in slopes.items()},
                    "chosen": {name: chosen.count(name) for name in sorted(set(chosen))},
                }  # fmt: skip
                rows.append(row)
                print(
                    f"{votes:>6} votes, {kind:<12}{rate:.0%}: auto {text(row['auto'])} slope {row['slope']['auto']:.3f}, "
                    f"half {text(row['half'])} slope {row['slope']['half']:.3f}  {row['chosen']}", flush=True,
                )  # fmt: skip
    return rows


def grown(
    random: np.random.Generator, ratings: Any, start: Votes, goal: float, choose: bool, tastes: float
) -> tuple[int, dict[str, Any], float]:
    """Votes until no interval is wider than the goal (Elo), the ranking then by weights, and the mean width."""
    models, batch = list(names(len(ratings))), 50
    votes, place = start, {name: i for i, name in enumerate(models)}
    while True:
        found = rank(votes, cluster="none", checks=False)
        widths = [line.high - line.low for line in found.models]
        if len(found.models) == len(models) and max(widths) <= goal:
            break
        chooser = Chooser(found if choose else None, models, seed=int(random.integers(2**31)))
        drawn = [chooser.draw() for _ in range(batch)]
        left = np.array([place[pair.left] for pair in drawn], np.int32)
        right = np.array([place[pair.right] for pair in drawn], np.int32)
        lead = ratings[left] - ratings[right] + random.normal(size=batch) * math.sqrt(2) * tastes
        outcome = np.where(random.random(batch) < chance(lead), LEFT, RIGHT).astype(np.int8)
        chances = np.array([pair.propensity for pair in drawn])
        votes = votes.joined(Votes(tuple(models), left, right, outcome, propensity=chances))
    weighed = rank(votes, cluster="none", checks=False, propensities=True)
    return len(votes) - len(start), {"plain": found, "weighed": weighed}, float(np.mean(widths))


def most_saved(ratings: Any) -> float:
    """What knowing the ratings beforehand would save of the votes until the widest interval is narrow enough.

    The best shares of pairs, by multiplicative steps (Silvey, Titterington and Torsney 1978), each pair's share times a power of what it
    does for the widest.
    """
    n, (a, b) = len(ratings), np.triu_indices(len(ratings), 1)
    held, shares, widest = chance(ratings[a] - ratings[b]) * chance(ratings[b] - ratings[a]), np.ones(len(a)), []
    for power in (4, 16, 64):
        for _ in range(600):
            shares = shares / shares.sum()
            information = np.zeros((n, n))
            information[a, b] = information[b, a] = -shares * held
            covariance = np.linalg.inv(information - np.diag(information.sum(1)) + 1 / n) - 1 / n
            variance = covariance.diagonal()
            widest.append(float(variance.max()))
            gain = held * ((variance / widest[-1]) ** (power - 1) @ (covariance[:, a] - covariance[:, b]) ** 2)
            shares = shares * gain ** (1 / min(power + 1, 30))
    return 1 - min(widest) / widest[0]


def choice(random: np.random.Generator) -> list[dict[str, Any]]:
    """Votes saved until no interval is wider than 120 Elo (± 60)."""
    rows, goal, models = [], 120.0, 25
    print("\nPair choice, 25 models: votes until no 95 % interval is wider than 120 Elo")
    for spread, newcomers, tastes in ((0.7, 0, 0.0), (1.0, 0, 0.0), (1.0, 0, 0.5), (0.7, 5, 0.0), (1.0, 5, 0.0)):
        arenas = count(300)
        needed: dict[bool, list[int]] = {True: [], False: []}
        kept: dict[str, list[Any]] = {"chosen": [], "chosen_weighed": [], "uniform": []}
        best = []
        for arena in range(arenas):
            # of a stream of their own: the same arenas whatever is drawn in them
            ratings = np.random.default_rng((SEED, arena)).normal(size=models) * spread
            ratings -= ratings.mean()
            best += [] if newcomers else [most_saved(ratings)]
            old = models - newcomers
            size = 12_000 if newcomers else 100
            left, right = pairs(random, old, size)
            lead = ratings[left] - ratings[right] + random.normal(size=size) * math.sqrt(2) * tastes
            outcome = np.where(random.random(size) < chance(lead), LEFT, RIGHT).astype(np.int8)
            even = np.full(size, 2 / (old * (old - 1)))
            start = Votes(names(models), left, right, outcome, propensity=even).compact()
            truth = limit(ratings, math.sqrt(2) * tastes)
            for choose in (True, False):
                votes, found, _ = grown(random, ratings, start, goal, choose, tastes)
                needed[choose].append(votes)
                kept["chosen" if choose else "uniform"].append(holds(found["plain"], truth))
                if choose:
                    kept["chosen_weighed"].append(holds(found["weighed"], truth))
        ratio = np.array(needed[True]) / np.array(needed[False])
        row = {
            "spread_sd": spread, "newcomers": newcomers, "tastes_sd": tastes, "arenas": arenas,
            "votes_chosen": float(np.mean(needed[True])), "votes_uniform": float(np.mean(needed[False])),
            "saved": {"mean": float(1 - ratio.mean()), "half": 1.96 * float(ratio.std()) / math.sqrt(arenas)},
            "saved_of_all": float(1 - np.sum(needed[True]) / np.sum(needed[False])),
            "most": float(np.mean(best)) if best else None, **{k: share(v) for k, v in kept.items()},
        }  # fmt: skip
        rows.append(row)
        most = f" of at most {row['most']:.1%} with the ratings known" if best else ""
        print(
            f"ratings sd {spread * ELO:.0f} Elo, {newcomers} newcomers, tastes sd {tastes}: {row['votes_chosen']:,.0f} votes for "
            f"{row['votes_uniform']:,.0f} ({row['saved_of_all']:.1%} less), saved in an arena {text(row['saved'])}{most}; "
            f"covers {text(row['chosen'])} (weighed {text(row['chosen_weighed'])}, uniform {text(row['uniform'])})", flush=True,
        )  # fmt: skip
    return rows


PARTS = (coverage, peeking, ties, choice)


def main() -> None:
    """Simulate, print, write."""
    global QUICK
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a twentieth of the arenas; nothing is written")
    parser.add_argument(
        "--only", nargs="+", choices=[part.__name__ for part in PARTS], help="these alone; nothing is written"
    )
    asked = parser.parse_args()
    QUICK = asked.quick
    began = time.process_time()
    print(f"seed {SEED}")
    result: dict[str, Any] = {}
    for part in [part for part in PARTS if not asked.only or part.__name__ in asked.only]:
        result[part.__name__] = part(np.random.default_rng(SEED))
    result |= {
        "seed": SEED, "cpu_seconds": time.process_time() - began, "python": sys.version.split()[0],
        "numpy": np.__version__, "machine": Workspace().machine().name,
    }  # fmt: skip
    print(f"{result['cpu_seconds']:.0f} CPU seconds")
    if not QUICK and not asked.only:
        path = Path(__file__).parent / "results" / "arena_honesty.json"
        path.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
