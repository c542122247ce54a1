"""From the lines to the table: what each arm needs to reach Q, Luosi's share of it with an interval, and the picture of the curves."""

from __future__ import annotations

import json
import math
import statistics
from collections import Counter
from pathlib import Path
from typing import Any

from reaching import half_width, to_reach

from arms.choice import SEEDS, TRANSFER_ARMS, TUNED, Lines, chosen, final, mean_bits, parts, schedule, trials
from arms.peers import MATPLOTLIB, use
from arms.runs import LAYERS, horizon

COSTS = ("flop", "cpu_s")
COLOURS = {"hf_tuned": "#c44e52", "nanochat_exportable": "#dd8452", "nanochat": "#8172b3", "luosi": "#2a6f97"}


def costs_of(lines: Lines, arm: str, shape: str, quality: float, cost: str) -> dict[int, float]:
    """By seed, what the arm needs to reach the quality; seeds that lack runs are left out."""
    wanted, _ = parts(lines, arm, shape)
    found = {}
    for seed in SEEDS[shape]:
        rows = [lines.find(final(lines, arm, shape, part, seed)) for part in wanted]
        points = [(row[cost], row["final_bpb"]) for row in rows if row is not None]
        need = to_reach(quality, points)
        if need is not None:
            found[seed] = need
    return found


def bracketed(lines: Lines, arm: str, shape: str, quality: float) -> bool:
    """Whether the arm's runs lie on both sides of the quality, in the mean over the seeds that have them all."""
    wanted, _ = parts(lines, arm, shape)
    runs = [[lines.find(final(lines, arm, shape, part, seed)) for part in wanted] for seed in SEEDS[shape]]
    whole = [[row["final_bpb"] for row in rows if row] for rows in runs if all(rows)]
    means = [statistics.fmean(bits) for bits in zip(*whole, strict=True)]
    return bool(means) and min(means) <= quality <= max(means)


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
                "bracketed": all(bracketed(lines, one, shape, quality) for one in (arm, "luosi")),
            }  # fmt: skip
    return found


def summary(lines: Lines) -> dict[str, Any]:
    """What the JSON file holds."""
    arms: dict[str, Any] = {}
    for arm in (*TUNED, "hf_default"):
        rows = [row for row in lines.rows if row["run"]["arm"] == arm]
        if not rows:
            continue
        choice = chosen(lines, arm) if arm in TUNED else None
        main = [row for row in rows if row["run"]["shape"] == "main"]
        arms[arm] = {
            "matrix_parameters": main[-1]["matrix_parameters"],
            "parameters": main[-1]["parameters"],
            "flop_per_token": main[-1]["flop"] / main[-1]["run"]["tokens"],
            "tokens_per_cpu_s": statistics.median(row["run"]["tokens"] / row["cpu_s"] for row in main),
            "trials": {f"{run.scale:g}": lines.bits(run) for run in trials(lines, arm)} if choice else {},
            "scale": choice.scale if choice else 1.0,
            "batch_tokens": choice.batch_tokens if choice else rows[-1]["run"]["batch_tokens"],
            "final_bpb": {
                f"{shape} {row['run']['tokens']} seed {row['run']['seed']}": row["final_bpb"]
                for shape in LAYERS
                for row in rows
                if row["run"]["shape"] == shape
                and row["run"]["purpose"] in ("final", "default")
                and lines.find_row(row)
            },
        }
    return {
        "q": {shape: mean_bits(lines, "hf_tuned", shape, 1.0) for shape in LAYERS},
        "horizon_tokens": {shape: horizon(shape) for shape in LAYERS},
        "ratios": ratios(lines, "main"),
        "ratios_by_depth": {layers: ratios(lines, shape) for shape, layers in LAYERS.items()},
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
        f"{'arm':20} {'matrices':>9} {'in all':>9} {'FLOP/token':>10} {'tokens/CPU s':>12}  scale  batch  trials (bits per byte)"
    )
    for arm, one in found["arms"].items():
        tried = ", ".join(f"x{scale} {bits:.4f}" for scale, bits in one["trials"].items() if bits is not None)
        print(
            f"{arm:20} {one['matrix_parameters']:9,} {one['parameters']:9,} {one['flop_per_token']:10.3g} "
            f"{one['tokens_per_cpu_s']:12,.0f} {one['scale']:6g} {one['batch_tokens']:6} {tried}"
        )
    for shape in LAYERS:
        print_shape(lines, shape, found["ratios_by_depth"][LAYERS[shape]])
    missing = Counter(f"{planned.run.arm} {planned.run.shape} {planned.run.purpose}" for planned in schedule(lines))
    print(f"\nmissing: {', '.join(f'{name} ({count})' for name, count in missing.items()) or 'nothing'}")
    if lines.rows:
        draw(lines, place.with_suffix(".png"))


def print_shape(lines: Lines, shape: str, against: dict[str, Any]) -> None:
    """Final bits by horizon, and the ratios."""
    quality = mean_bits(lines, "hf_tuned", shape, 1.0)
    print(
        f"\n{LAYERS[shape]} layers, horizon {horizon(shape) / 1e6:.1f} M tokens, Q {f'{quality:.4f}' if quality else 'not known yet'}"
    )
    for arm in TUNED:
        said = []
        for part in sorted({*parts(lines, arm, shape)[0], 1.0}):
            bits = [
                found
                for seed in SEEDS[shape]
                if (found := lines.bits(final(lines, arm, shape, part, seed))) is not None
            ]
            if bits:
                spread = f" +- {statistics.stdev(bits):.4f}" if len(bits) > 1 else ""
                said.append(f"{part:g} D: {statistics.fmean(bits):.4f}{spread} ({len(bits)} seeds)")
        if said:
            print(f"  {arm:20} {'; '.join(said)}")
    for arm, one in against.items():
        interval = f"{one['flops_low']:.3f} to {one['flops_high']:.3f}" if one["flops_low"] is not None else "one seed"
        note = "" if one["bracketed"] else "  (Q lies outside the runs of one of them)"
        print(f"  luosi / {arm:20} FLOP {one['flops']:.3f} ({interval}), CPU seconds {one['cpu_seconds']:.3f}{note}")


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
            for row in lines.rows:
                run = row["run"]
                if run["arm"] != arm or run["shape"] != "main" or run["purpose"] != "final" or not lines.find_row(row):
                    continue
                whole = row[cost]
                axis.plot(
                    [whole * tokens / run["tokens"] for tokens, *_ in row["curve"]],
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
