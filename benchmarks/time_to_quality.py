"""From scratch to a quality: how many FLOP and CPU seconds Luosi needs for what tuned AdamW, and nanochat, reach.

    python benchmarks/time_to_quality.py --plan                  what is still to be run, and about how long it takes
    python benchmarks/time_to_quality.py --run [--only ARM ...] [--most-minutes N]
    python benchmarks/time_to_quality.py                         the table of what there is

Every arm reads the same tokens (benchmarks/texts.py) in the same order for the same seed, on one thread, and is scored on the same held-out
documents in bits per byte; all are compiled. Its learning rates, times one scale, are tuned by four trials at a quarter of the horizon,
then the batch by two, half and twice of 8,192 tokens for AdamW, of AdamW's best for nanochat, of `luosi new`'s for Luosi (a peer's best at an
edge is followed up to two trials further each time; Luosi's is not). The horizon is 20 tokens for every parameter in the layers' matrices;
Q is the mean of tuned AdamW there over the seeds. Each arm is then trained to two horizons around Q, each with its whole decay, and what it
needs to reach Q is interpolated, bits against the logarithm of FLOP, seed by seed; ratios are paired by seed. What was tuned at four
layers is used at two (two seeds) and at six (one seed; its horizon is 1.4 times the text), where AdamW is compared alone. FLOP are the model's matrix
products and the optimizer's. CPU seconds are the process's own without imports, compiling and scoring. A run is a line of
results/time_to_quality.jsonl and is not made again while its settings stay; a killed one starts anew. Writes results/time_to_quality.json
and .png. Needs transformers, accelerate, and matplotlib for the picture.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import os
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from arms.choice import ARMS, MODULES, Lines, schedule
from arms.runs import Run
from arms.table import make_table
from texts import FOLDER

RESULTS = Path(__file__).parent / "results" / "time_to_quality.jsonl"
NOTHING_LEFT, FAILURES, PAUSE_S = 10, 20, 120
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"), "1")


def machine() -> dict[str, Any]:
    """What ran it."""
    names = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    return {"cpu": names[0] if names else platform.processor(), "cores": os.cpu_count(), "load": os.getloadavg()[0]}


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def data_digest(made: Any) -> str:
    """Of all that is read: training tokens, their order, held-out text."""
    files = (made.tokens.path / "tokens.bin", made.tokens.path / "offsets.bin", made.corpus.path / "heldout.jsonl")
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]


def do(run: Run) -> dict[str, Any]:
    """Train and score one run; its line."""
    import torch
    from arms.meter import Meter
    from arms.runs import Data
    from arms.scoring import Heldout
    from texts import make

    torch.set_num_threads(1)
    made = make(FOLDER)
    digest = data_digest(made)
    known = {row["data"] for row in Lines(RESULTS).rows}
    if known - {digest}:
        raise SystemExit(f"the text is another ({digest}) than that of the lines so far ({known}): move {RESULTS} away")
    arm = importlib.import_module(f"arms.{MODULES[run.arm]}")
    data = Data(made)
    heldout = Heldout(data)
    meter = Meter(run, heldout)
    begun = time.time()
    trained = arm.train(run, data, meter)
    return {
        "run": run.as_dict(),
        "data": digest,
        "settings": arm.settings(run),
        "flop": trained.model_flop + trained.optimizer_flop,
        "optimizer_flop": trained.optimizer_flop,
        "cpu_s": round(meter.cpu_s, 2),
        "compile_cpu_s": round(meter.compile_s, 2),
        "wall_s": round(time.time() - begun, 1),
        "final_bpb": meter.final_bpb,
        "curve": meter.curve,
        "heldout": {"bytes": heldout.bytes, "documents": heldout.documents},
        "matrix_parameters": trained.matrix_parameters,
        "parameters": trained.parameters,
        "notes": trained.notes,
        "versions": {name: version(name) for name in ("luosi", "torch", "tokenizers")},
        "machine": machine(),
        "ended": time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
    }


def run_next(only: list[str]) -> int:
    """Make the first run that is missing and that no other process is making; the exit code."""
    from filelock import FileLock, Timeout

    lines = Lines(RESULTS)
    for planned in schedule(lines):
        if not planned.known or planned.run.arm not in only:
            continue
        name = hashlib.sha256(json.dumps(planned.run.as_dict(), sort_keys=True).encode()).hexdigest()[:16]
        (FOLDER / "locks").mkdir(parents=True, exist_ok=True)
        lock = FileLock(FOLDER / "locks" / name, timeout=0)
        try:
            with lock:
                if Lines(RESULTS).find(planned.run) is None:
                    print(time.strftime("%H:%M", time.gmtime()), json.dumps(planned.run.as_dict()), flush=True)
                    line = do(planned.run)
                    with RESULTS.open("ab") as file:
                        file.write((json.dumps(line) + "\n").encode())
                    print(
                        f"      {line['final_bpb']:.4f} bpb, {line['cpu_s']:.0f} CPU s, {line['flop']:.3g} FLOP",
                        flush=True,
                    )
                return 0
        except Timeout:
            continue
    return NOTHING_LEFT


def run_all(only: list[str], most_minutes: float) -> None:
    """One process a run, one after the other, each with today's code, until nothing is missing."""
    begun, failures = time.monotonic(), 0
    while time.monotonic() - begun < most_minutes * 60:
        done = subprocess.run([sys.executable, __file__, "--next", "--only", *only], check=False)
        if done.returncode == NOTHING_LEFT:
            print("nothing is missing that can be run now")
            return
        failures = failures + 1 if done.returncode else 0
        if failures >= FAILURES:
            raise SystemExit(f"{failures} runs failed one after the other")
        if failures:
            time.sleep(PAUSE_S)


def show_plan() -> None:
    """What is missing, in order."""
    lines = Lines(RESULTS)
    total = 0.0
    for planned in schedule(lines):
        run = planned.run
        total += planned.seconds
        what = (
            f"x{run.scale:g}, {run.batch_tokens:,} tokens a step" if planned.known else "scale and batch not chosen yet"
        )
        print(
            f"{planned.seconds / 60:6.0f} min  {run.arm:20} {run.shape:5} {run.purpose:8} {run.tokens / 1e6:5.1f} M  seed {run.seed:<3} {what}"
        )
    print(f"{total / 3600:6.1f} CPU hours in all are missing; {len(lines.rows)} runs are there")


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--plan", action="store_true")
    parser.add_argument("--run", action="store_true")
    parser.add_argument("--next", action="store_true", help="one run only")
    parser.add_argument("--only", nargs="+", default=list(ARMS), choices=ARMS, metavar="ARM")
    parser.add_argument("--most-minutes", type=float, default=1e9)
    given = parser.parse_args()
    if given.plan:
        show_plan()
    elif given.run or given.next:
        if any(os.environ.get(name) != value for name, value in ONE_THREAD.items()):
            os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ONE_THREAD})
        if given.next:
            sys.exit(run_next(given.only))
        run_all(given.only, given.most_minutes)
    else:
        make_table(Lines(RESULTS), RESULTS.with_suffix(""))


if __name__ == "__main__":
    main()
