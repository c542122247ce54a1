"""CPU seconds per token of training, same shape and batch: Luosi's loop against transformers' Trainer in bf16, compiled and not.

    python benchmarks/training_speed.py [ROUNDS]

The main shape of time_to_quality.py, 16,384 tokens a step, one thread. A round runs each of the four in a process of its own, one after the
other, so that what else the machine does falls on all of them; steps after the first ones count, the last quarter of a run, in which Luosi's
loss is over the whole vocabulary, a quarter, compiling apart. A ratio is taken within a round; shown are the geometric mean over rounds and the
extremes. Writes results/training_speed.json.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

BATCH_TOKENS, STEPS, FIRST = 16_384, 16, 4
ROUNDS = 5
VARIANTS = ("hf", "luosi", "hf compiled", "luosi compiled")
AGAINST = (("luosi", "hf"), ("luosi compiled", "hf compiled"), ("luosi compiled", "hf"), ("luosi", "hf compiled"))
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TORCHINDUCTOR_COMPILE_THREADS": "1"}


def measure(variant: str) -> dict[str, float]:
    """Train a few steps in this process; CPU seconds of a step and of what came before steps were ordinary."""
    import torch
    from arms import hugging_face, own
    from arms.meter import Meter
    from arms.runs import Data, Run
    from texts import make

    torch.set_num_threads(1)
    arm, _, how = variant.partition(" ")
    data = Data(make())
    run = Run("hf_tuned" if arm == "hf" else "luosi", "main", "trial", BATCH_TOKENS * STEPS, 1.0, BATCH_TOKENS, seed=0)
    meter = Meter(run, None)
    if arm == "hf":
        hugging_face.trainer(run, data, meter, compiled=bool(how)).train()
    else:
        with tempfile.TemporaryDirectory() as folder:
            own.learn(run, data, meter, Path(folder), compiled=bool(how))
    last = STEPS * 3 // 4
    usual = 0.75 * statistics.fmean(meter.step_s[FIRST:last]) + 0.25 * statistics.fmean(meter.step_s[last:])
    return {"step_s": usual, "first_steps_s": sum(meter.step_s[:FIRST]) - FIRST * usual}


def ratios(rounds: list[dict[str, dict[str, float]]]) -> dict[str, Any]:
    """Of CPU seconds per token, by pair."""
    found = {}
    for ours, theirs in AGAINST:
        each = [one[ours]["step_s"] / one[theirs]["step_s"] for one in rounds]
        middle = math.exp(statistics.fmean(map(math.log, each)))
        found[f"{ours} / {theirs}"] = {"ratio": middle, "least": min(each), "most": max(each)}
    return found


def main(count: int) -> None:
    """Rounds of all four."""
    rounds = []
    for number in range(count):
        one = {}
        for variant in VARIANTS:
            command = [sys.executable, __file__, "--one", variant]
            done = subprocess.run(command, env={**os.environ, **ONE_THREAD}, stdout=subprocess.PIPE, check=True)
            one[variant] = json.loads(done.stdout.splitlines()[-1])
            print(
                f"round {number + 1}: {variant:15} {BATCH_TOKENS / one[variant]['step_s']:8,.0f} tokens per CPU second",
                flush=True,
            )
        rounds.append(one)
    result = {
        "batch_tokens": BATCH_TOKENS,
        "rounds": rounds,
        "tokens_per_cpu_s": {v: BATCH_TOKENS / statistics.median(one[v]["step_s"] for one in rounds) for v in VARIANTS},
        "ratios": ratios(rounds),
        "load": os.getloadavg(),
        "versions": {name: version(name) for name in ("luosi", "torch", "transformers")},
    }
    for name, one in result["ratios"].items():
        print(f"{name:28} {one['ratio']:.3f} of the CPU seconds per token ({one['least']:.3f} to {one['most']:.3f})")
    (Path(__file__).parent / "results" / "training_speed.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(sys.argv[2])))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
