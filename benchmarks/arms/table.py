"""From the lines to the table: what each arm needs to reach Q, Luosi's share of it with an interval, and the picture of the curves."""

from __future__ import annotations

import json
import math
import statistics
from collections import Counter
from pathlib import Path
from typing import Any

from reaching import half_width, to_reach

from arms.choice import PARTS, TRANSFER_ARMS, TUNED, Lines, all_trials, chosen, final, mean_bits, parts, schedule
from arms.peers import MATPLOTLIB, use
from arms.runs import CASES, Run, horizon

COSTS = ("flop", "cpu_s")
COLOURS = {"hf_tuned": "#c44e52", "nanochat_exportable": "#dd8452", "nanochat": "#8172b3", "luosi": "#2a6f97"}


def ends_of(lines: Lines, arm: str, shape: str, cost: str) -> dict[int, list[tuple[float, float]]]:
    """By seed, the cost and the bits of the arm's runs to its two horizons; seeds that lack one are left out."""
    wanted, _ = parts(lines, arm, shape)
    found = {}
    for seed in CASES[shape].seeds:
        rows = [row for part in wanted if (row := lines.find(final(lines, arm, shape, part, seed)))]
        if len(rows) == len(wanted):
            found[seed] = [(row[cost], row["final_bpb"]) for row in rows]
    return found


def costs_of(lines: Lines, arm: str, shape: str, quality: float, cost: str) -> dict[int, float]:
    """By seed, what the arm needs to reach the quality."""
    needs = {seed: to_reach(quality, ends) for seed, ends in ends_of(lines, arm, shape, cost).items()}
    return {seed: need for seed, need in needs.items() if need is not None}


def cost_of_means(lines: Lines, arm: str, shape: str, quality: float) -> float | None:
    """The FLOP at which the arm's mean over the seeds reaches the quality."""
    ends = list(ends_of(lines, arm, shape, "flop").values())
    means = [
        (statistics.fmean(f for f, _ in one), statistics.fmean(b for _, b in one)) for one in zip(*ends, strict=True)
    ]
    return to_reach(quality, means)


def beyond(lines: Lines, arm: str, shape: str, quality: float) -> dict[int, float]:
    """The seeds both of whose runs lie on one side of the quality, and how many times the FLOP of the nearer one they are credited with."""
    found = {}
    for seed, ends in ends_of(lines, arm, shape, "flop").items():
        bits = [one for _, one in ends]
        if len(ends) > 1 and not min(bits) <= quality <= max(bits):
            nearest = min(ends, key=lambda end: abs(end[1] - quality))
            found[seed] = (to_reach(quality, ends) or math.nan) / nearest[0]
    return found


def compared(ours: dict[int, float], theirs: dict[int, float]) -> dict[str, Any] | None:
    """The geometric mean of the ratios over the seeds both have, with a 95 % interval by Student's t of their logarithms."""
    logs = [math.log(ours[seed] / theirs[seed]) for seed in sorted(ours.keys() & theirs.keys())]
    if not logs:
        return None
    middle = statistics.fmean(logs)
    if len(logs) == 1:
        return {"ratio": math.exp(middle), "low": None, "high": None, "seeds": 1}
    half = half_width(logs)
    return {
        "ratio": math.exp(middle),
        "low": math.exp(middle - half),
        "high": math.exp(middle + half),
        "seeds": len(logs),
    }


def ratios(lines: Lines, shape: str) -> dict[str, Any]:
    """Luosi against each arm at one shape."""
    quality = mean_bits(lines, "hf_tuned", shape, 1.0)
    if quality is None:
        return {}
    found: dict[str, Any] = {}
    ours = {cost: costs_of(lines, "luosi", shape, quality, cost) for cost in COSTS}
    for arm in TUNED if shape == "main" else TRANSFER_ARMS:
        if arm == "luosi":
            continue
        theirs = {cost: costs_of(lines, arm, shape, quality, cost) for cost in COSTS}
        flop, cpu = (compared(ours[cost], theirs[cost]) for cost in COSTS)
        if flop is not None and cpu is not None:
            found[arm] = {
                "flops": flop["ratio"], "flops_low": flop["low"], "flops_high": flop["high"],
                "cpu_seconds": cpu["ratio"], "cpu_seconds_low": cpu["low"], "cpu_seconds_high": cpu["high"],
                "seeds": flop["seeds"],
                "flops_of_means": (cost_of_means(lines, "luosi", shape, quality) or math.nan)
                / (cost_of_means(lines, arm, shape, quality) or math.nan),
                "beyond": {one: far for one in (arm, "luosi") if (far := beyond(lines, one, shape, quality))},
            }  # fmt: skip
    return found


def finals(lines: Lines, arm: str, shape: str) -> list[dict[str, Any]]:
    """The lines of the arm's final runs with what was chosen for it, whatever their horizon."""
    runs = [final(lines, arm, shape, part, seed) for seed in CASES[shape].seeds for part in PARTS]
    return [row for run in runs if (row := lines.find(run))]


def name_of(run: Run) -> str:
    """What is tried in a trial."""
    memory = f", squares {run.beta2:g}" if run.beta2 else ""
    return f"x{run.scale:g}, {run.batch_tokens} a step{memory}"


def summary(lines: Lines) -> dict[str, Any]:
    """What the JSON file holds."""
    arms: dict[str, Any] = {}
    for arm in (*TUNED, "hf_default"):
        main = finals(lines, arm, "main")
        if not main:
            continue
        choice = chosen(lines, arm) if arm in TUNED else None
        arms[arm] = {
            "matrix_parameters": main[-1]["matrix_parameters"],
            "parameters": main[-1]["parameters"],
            "flop_per_token": main[-1]["flop"] / main[-1]["run"]["tokens"],
            "tokens_per_cpu_s": statistics.median(row["run"]["tokens"] / row["cpu_s"] for row in main),
            "trials": {name_of(run): lines.bits(run) for run in all_trials(lines, arm)} if choice else {},
            "scale": choice.scale if choice else 1.0,
            "batch_tokens": main[-1]["run"]["batch_tokens"],
            "beta2": choice.beta2 if choice else None,
            "final_bpb": {
                f"{shape} {row['run']['tokens']} seed {row['run']['seed']}": row["final_bpb"]
                for shape in CASES
                for row in finals(lines, arm, shape)
            },
        }
    return {
        "q": {shape: mean_bits(lines, "hf_tuned", shape, 1.0) for shape in CASES},
        "horizon_tokens": {shape: horizon(shape) for shape in CASES},
        "ratios": {shape: ratios(lines, shape) for shape in CASES},
        "arms": arms,
        "missing_runs": sum(1 for _ in schedule(lines)),
        "heldout": lines.rows[-1]["heldout"] if lines.rows else {},
        "versions": lines.rows[-1]["versions"] if lines.rows else {},
        "machine": lines.rows[-1]["machine"]["cpu"] if lines.rows else "",
        "lines": "time_to_quality.jsonl",
    }


def make_table(lines: Lines, place: Path) -> None:
    """Print the table; write `place`.json and `place`.png."""
    found = summary(lines)
    place.with_suffix(".json").write_text(json.dumps(found, indent=2) + "\n")
    print(
        f"{'arm':20} {'matrices':>9} {'in all':>9} {'FLOP/token':>10} {'tokens/CPU s':>12}  scale  batch, trials (bits per byte)"
    )
    for arm, one in found["arms"].items():
        print(
            f"{arm:20} {one['matrix_parameters']:9,} {one['parameters']:9,} {one['flop_per_token']:10.3g} "
            f"{one['tokens_per_cpu_s']:12,.0f} {one['scale']:6g} {one['batch_tokens']:6}"
        )
        tried = [f"{name}: {bits:.4f}" for name, bits in one["trials"].items() if bits is not None]
        print("\n".join(f"    {'; '.join(tried[begin : begin + 4])}" for begin in range(0, len(tried), 4)))
    for shape in CASES:
        print_shape(lines, shape, found["ratios"][shape])
    missing = Counter(f"{planned.run.arm} {planned.run.shape} {planned.run.purpose}" for planned in schedule(lines))
    print(f"\nmissing: {', '.join(f'{name} ({count})' for name, count in missing.items()) or 'nothing'}")
    if lines.rows:
        draw(lines, place.with_suffix(".png"))


def print_shape(lines: Lines, shape: str, against: dict[str, Any]) -> None:
    """Final bits by horizon, and the ratios."""
    quality = mean_bits(lines, "hf_tuned", shape, 1.0)
    print(
        f"\n{shape}: {CASES[shape].layers} layers, {CASES[shape].text}, horizon {horizon(shape) / 1e6:.1f} M tokens, Q {f'{quality:.4f}' if quality else 'not known yet'}"
    )
    for arm in TUNED:
        said = []
        for part in sorted({*parts(lines, arm, shape)[0], 1.0}):
            bits = [
                found
                for seed in CASES[shape].seeds
                if (found := lines.bits(final(lines, arm, shape, part, seed))) is not None
            ]
            if bits:
                spread = f" +- {statistics.stdev(bits):.4f}" if len(bits) > 1 else ""
                said.append(f"{part:g} D: {statistics.fmean(bits):.4f}{spread} ({len(bits)} seeds)")
        if said:
            print(f"  {arm:20} {'; '.join(said)}")
    for arm, one in against.items():
        interval = f"{one['flops_low']:.3f} to {one['flops_high']:.3f}" if one["flops_low"] is not None else "one seed"
        print(
            f"  luosi / {arm:20} FLOP {one['flops']:.3f} ({interval}; of the means {one['flops_of_means']:.3f}), CPU seconds {one['cpu_seconds']:.3f}"
        )
        for name, seeds in one["beyond"].items():
            for seed, far in seeds.items():
                print(
                    f"      {name}, seed {seed}: both runs lie on one side of Q; credited with {far:.2f} times the nearer one's FLOP"
                )


def draw(lines: Lines, path: Path) -> None:
    """Bits per byte against FLOP: every run's curve, thin while it learns, a dot where it ends."""
    use(MATPLOTLIB)
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(12, 5), sharey=True, layout="constrained")
    for axis, cost, label in zip(axes, COSTS, ("FLOP (model and optimizer)", "CPU seconds"), strict=True):
        for arm, colour in COLOURS.items():
            ends = []
            for row in finals(lines, arm, "main"):
                whole = row[cost]
                axis.plot(
                    [whole * tokens / row["run"]["tokens"] for tokens, *_ in row["curve"]],
                    [p[1] for p in row["curve"]],
                    color=colour,
                    alpha=0.25,
                    lw=1,
                )
                ends.append((whole, row["final_bpb"]))
            if ends:
                axis.scatter(*zip(*sorted(ends), strict=True), color=colour, s=22, zorder=3, label=arm)
        quality = mean_bits(lines, "hf_tuned", "main", 1.0)
        if quality is not None:
            axis.axhline(quality, color="black", lw=0.8, ls="--", label="Q")
        axis.set_xscale("log")
        axis.set_xlabel(label)
        axis.grid(alpha=0.2)
        if axis.get_legend_handles_labels()[0]:
            axis.legend(frameon=False)
    axes[0].set_ylabel("held-out bits per byte")
    figure.suptitle(
        "From scratch: 0.79 M parameters in the layers, vocabulary 4,096; dots are whole runs, lines their way there"
    )
    figure.savefig(path, dpi=130)
