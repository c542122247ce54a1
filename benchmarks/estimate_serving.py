"""How good the serving estimator is: errors at published runs that were held out by shape and chip, by chip, by shape, by source; baselines.

Run: python benchmarks/estimate_serving.py [--json FILE]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from luosi.estimate.serving.check import score
from luosi.estimate.serving.fit import fit_constants, held_out, predicted_without
from luosi.estimate.serving.known import FIGURES, Runs, published, published_rows

SHARE_OF_BANDWIDTH, SHARE_OF_RATE = 0.6, 0.4
"""What a rule of thumb takes for granted."""


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--json", type=Path)
    told = figures()
    for name, value in told["held out by"].items():
        print(f"without its {name:16}", "; ".join(f"{figure} {errors}" for figure, errors in value.items()))
    print(f"{'rule of thumb':24}", told["rule of thumb"])
    for figure in ("tpot", "ttft", "throughput"):
        print(figure, {name: value for name, value in told["check"][figure].items() if name != "by"})
        print("   by kind", told["check"][figure]["by"]["kind"])
    for row in told["check"]["worst"]:
        print(
            "   far off:",
            row["id"],
            row["model"],
            row["hardware"],
            row["figure"],
            row["predicted"],
            "observed",
            row["observed"],
        )
    if path := asked.parse_args().json:
        path.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def figures() -> dict[str, Any]:
    runs = published()
    start = fit_constants(runs)
    labels = {
        "shape and chip": runs.groups,
        "chip": np.array([one.chip.name for one in runs.deployments]),
        "shape": np.array([one.architecture.name for one in runs.deployments]),
        "source": np.array(
            [
                row["source"].split("/")[1].split(" ")[0]
                for row in published_rows()
                if "production" not in row["scenario"]
            ]
        ),
    }
    by = {name: errors(runs, held_out(runs, values, start)[1]) for name, values in labels.items() if name != "source"}
    by["source"] = errors(runs, _by_round(runs, labels["source"], start))
    return {"held out by": by, "rule of thumb": errors(runs, rule_of_thumb(runs)), "check": score(published_rows())}


def _by_round(runs: Runs, sources: np.ndarray, start: dict[str, float]) -> np.ndarray:
    """One round of MLPerf from the rest; the third source is the only one with times, so nothing is left to learn them from."""
    predicted = np.full(runs.observed.shape, np.nan)
    for name in np.unique(sources[np.char.startswith(sources, "inference_results")]):
        out = sources == name
        predicted[:, out] = predicted_without(runs, out, start)[1]
    return predicted


def rule_of_thumb(runs: Runs) -> np.ndarray:
    """Weights and cache read at a share of the bandwidth; prompts computed at a share of the peak rate; saturated services likewise."""
    t = runs.table
    weights = t.dense * t.dense_bytes + t.expert * t.expert_bytes * (1 - (1 - t.chosen / t.experts) ** t.concurrency)
    cache = t.concurrency * (t.prompt + t.answer / 2) * t.kv_numbers * t.kv_bytes
    token = (weights + cache) / t.devices / t.bandwidth / SHARE_OF_BANDWIDTH
    flop = 2 * (t.dense + t.expert * t.chosen / t.experts)
    first = t.prompt * flop / t.dense_rate / t.devices / SHARE_OF_RATE
    rate = SHARE_OF_RATE * t.dense_rate / flop / (1 + t.prompt / t.answer) / t.beams
    return np.log([token, first, rate])


def errors(runs: Runs, predicted: np.ndarray) -> dict[str, str]:
    told = {}
    for i, figure in enumerate(FIGURES):
        off = np.abs(np.exp((predicted - runs.observed)[i]) - 1)
        off = off[~np.isnan(off)]
        told[figure] = (
            f"median {np.median(off):.1%} p90 {np.quantile(off, 0.9):.0%} of {len(off)}" if len(off) else "none"
        )
    return told


if __name__ == "__main__":
    main()
