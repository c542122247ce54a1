"""From the lines of benchmarks/adapt.py to its table: what each arm needs to reach the target, Luosi's share of it, and the picture."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adapt_runs import DOMAINS, FINALS, FIRST, ROUND_SEED, ROUNDS, SECOND, THIRD, TRIAL_SEED, Run, line, name_of, runs
from reaching import half_width, to_reach

GOALS = {"cpu_seconds": 0.50, "peak_bytes": 0.70, "general_lost": 0.01}
COMPARED = ("luosi", "peft_tuned")
FIELDS = {"flop": "flops", "tokens": "tokens"}
"""Of a line, and what the ratio of it is called."""
CLOCKED = ("cpu_seconds", "whole_cpu_seconds")
"""Of training, and of the process from its start to the adapted model on the disk."""
TAKEN = (*FIELDS.values(), *CLOCKED, "peak_bytes")
COLOURS = {"peft_tuned": "tab:red", "luosi": "tab:blue", "peft_default": "tab:gray"}

Costs = list[dict[str, float]]
"""Of the compared arms, once a seed or a round."""


def to_quality(rows: Sequence[Run], goal: float, field: str) -> float:
    """An arm's cost to `goal` from its two runs of one seed."""
    found = to_reach(goal, [(float(row[field]), row["bits_per_byte"][row["domain"]]) for row in rows])
    assert found is not None, "two runs are asked for"
    return found


def taken_in_turn(asked: Sequence[Run]) -> dict[str, list[Run]]:
    """By arm, its short runs; none unless all are there."""
    short = [row for row in asked if row["seed"] in range(ROUND_SEED, ROUND_SEED + ROUNDS)]
    by_arm = {arm: [row for row in short if row["arm"] == arm] for arm in COLOURS}
    return by_arm if all(len(rounds) == ROUNDS for rounds in by_arm.values()) else {}


def clocked(row: Run, tokens: float, *, whole: bool) -> float:
    """CPU seconds of `tokens` at the pace of a short run; of the whole process, whose beginning and end take as long for any number."""
    around = row["whole_cpu_s"] - row["train_cpu_s"] if whole else 0.0
    return float(around + tokens * row["train_cpu_s"] / row["tokens"])


def logs(costs: Costs) -> list[float]:
    """Of Luosi's share."""
    return [math.log(cost["luosi"] / cost["peft_tuned"]) for cost in costs]


def ratio(name: str, costs: Costs, half: float) -> dict[str, float]:
    """The geometric mean of Luosi's share, e^-half to e^half times it, and the arms' own mean costs."""
    middle = math.exp(statistics.fmean(logs(costs)))
    ends = {f"{name}_low": middle * math.exp(-half), f"{name}_high": middle * math.exp(half)} if half else {}
    return {name: middle, **ends, **{f"{arm}_{name}": statistics.fmean(c[arm] for c in costs) for arm in COMPARED}}


def compare(
    domain: str, pairs: Sequence[dict[str, list[Run]]], unmodified: Run, rounds: dict[str, list[Run]]
) -> dict[str, Any]:
    """Ratios Luosi / peft_tuned to the same bits per byte, a pair of runs each a seed, and what else is forgotten.

    Seconds are noisy twice, in tokens by seed and in seconds a token by round: the intervals are added as squares.
    """
    before = unmodified["bits_per_byte"]
    longest = [max(pair["peft_tuned"], key=lambda row: row["tokens"]) for pair in pairs]
    goal = statistics.fmean(row["bits_per_byte"][domain] for row in longest)
    figures: dict[str, Any] = {"goal_bits_per_byte": goal, "unmodified": before[domain], "seeds": len(pairs)}
    by_seed: dict[str, Costs] = {
        field: [{arm: to_quality(pair[arm], goal, field) for arm in COMPARED} for pair in pairs] for field in FIELDS
    }
    for field, name in FIELDS.items():
        figures |= ratio(name, by_seed[field], half_width(logs(by_seed[field])))
    for name in CLOCKED if rounds else ():
        whole = name == "whole_cpu_seconds"
        costs = [
            {arm: clocked(rounds[arm][number], figures[f"{arm}_tokens"], whole=whole) for arm in COMPARED}
            for number in range(ROUNDS)
        ]
        both = math.hypot(half_width(logs(by_seed["tokens"])), half_width(logs(costs)))
        figures |= ratio(name, costs, both if len(pairs) > 1 else 0.0)
    if rounds:  # what a run holds does not depend on how long it is
        peaks = [{arm: float(rounds[arm][number]["peak_bytes"]) for arm in COMPARED} for number in range(ROUNDS)]
        figures |= ratio("peak_bytes", peaks, half_width(logs(peaks)))
    for arm in COMPARED:
        bits = [[row["bits_per_byte"] for row in pair[arm]] for pair in pairs]
        ends = [statistics.fmean(edge(row[domain] for row in two) for two in bits) for edge in (min, max)]
        figures[f"{arm}_brackets"] = ends[0] - 1e-9 <= goal <= ends[1]
        others = [name for name in before if name != domain]
        lost = [sum(row[name] / before[name] - 1 for name in others) / len(others) for two in bits for row in two]
        figures[f"{arm}_general_lost"] = max(lost)
    return figures


def table(rows: Sequence[Run]) -> dict[str, Any]:
    """By domain, the figures of the seeds whose runs are all there."""
    found, asked = {}, [row for run in runs(rows) if (row := line(rows, run))]
    rounds = taken_in_turn(asked)
    for domain in DOMAINS:
        here = [row for row in asked if row["domain"] == domain]
        pairs = []
        for seed in [seed for seed, of in FINALS if of == domain]:
            pair = {arm: [row for row in here if (row["arm"], row["seed"]) == (arm, seed)] for arm in COMPARED}
            if all(len(both) == 2 for both in pair.values()):
                pairs.append(pair)
        if pairs:
            found[domain] = compare(domain, pairs, next(row for row in here if row["arm"] == "unmodified"), rounds)
    return found


def print_domain(domain: str, figures: dict[str, Any]) -> None:
    """Its ratios, and what was forgotten."""
    print(
        f"{domain}: {figures['unmodified']:.4f} -> {figures['goal_bits_per_byte']:.4f} bits per byte, {figures['seeds']} seeds"
    )
    for name in TAKEN:
        if name not in figures:
            print(f"  {name:18} not measured yet")
            continue
        low, high = (figures.get(f"{name}_{end}") for end in ("low", "high"))
        span = f" ({low:.2f} to {high:.2f})" if low and high else ""
        values = ", ".join(f"{arm} {figures[f'{arm}_{name}']:.3g}" for arm in COMPARED)
        print(f"  {name:18} luosi / peft_tuned {figures[name]:.2f}{span}, goal {GOALS.get(name, '-')}: {values}")
    for arm in COMPARED:
        beyond = "" if figures[f"{arm}_brackets"] else "; its budgets do not bracket the target: extrapolated"
        print(f"  {arm}: general text lost at most {figures[f'{arm}_general_lost']:+.2%}{beyond}")


def make_table(rows: Sequence[Run], place: Path) -> None:
    """Print the table; write `place`.json and `place`.png."""
    found = table(rows)
    for domain, figures in found.items():
        print_domain(domain, figures)
    missing = [run for run in runs(rows) if not line(rows, run)]
    for run in missing:
        print(f"missing: {name_of(run)}")
    if not found:
        return
    ratios = {
        domain: {key: value for key, value in figures.items() if key.startswith(TAKEN)}
        for domain, figures in found.items()
    }
    result = {
        "ratios": {"peft_tuned": ratios[FIRST]} if FIRST in ratios else {},
        "second_domain": ratios.get(SECOND),
        "third_domain": ratios.get(THIRD),
        "domains": found,
        "goals": GOALS,
        "missing": len(missing),
        "runs": [{k: r[k] for k in ("arm", "domain", "tokens", "seed", "settings", "bits_per_byte")} for r in rows],
        "machine": rows[-1]["machine"],
        "versions": rows[-1]["versions"],
    }
    place.with_suffix(".json").write_text(json.dumps(result, indent=2) + "\n")
    draw(rows, found, place.with_suffix(".png"))


def draw(rows: Sequence[Run], found: dict[str, Any], path: Path) -> None:
    """Held-out bits per byte over CPU seconds, a point a run, at the mean pace of the arm's short runs."""
    asked = [row for run in runs(rows) if (row := line(rows, run))]
    rounds = taken_in_turn(asked)
    if not rounds:
        print("no picture: the arms' seconds a token are not taken yet")
        return
    try:
        import matplotlib
    except ImportError:
        print("no picture: pip install matplotlib")
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(found), figsize=(5.5 * len(found), 4), squeeze=False)
    for (domain, figures), axis in zip(found.items(), axes[0], strict=True):
        for arm, colour in COLOURS.items():
            mine = [row for row in asked if (row["arm"], row["domain"]) == (arm, domain) and row["seed"] < TRIAL_SEED]
            for seed in sorted({row["seed"] for row in mine}):
                curve = sorted(
                    (
                        statistics.fmean(clocked(one, row["tokens"], whole=False) for one in rounds[arm]),
                        row["bits_per_byte"][domain],
                    )
                    for row in mine
                    if row["seed"] == seed
                )
                axis.plot(*zip(*curve, strict=True), "o-", color=colour, alpha=0.7, label=arm if seed == 0 else None)
        axis.axhline(figures["goal_bits_per_byte"], color="black", linewidth=0.8, linestyle=":")
        axis.set(title=domain, xscale="log", xlabel="CPU seconds of training", ylabel="held-out bits per byte")
        axis.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)
