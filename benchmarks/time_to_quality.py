"""From scratch to a quality: how many FLOP and CPU seconds Luosi needs for what tuned AdamW, and nanochat, reach.

    python benchmarks/time_to_quality.py --plan                  what is still to be run, and about how long it takes
    python benchmarks/time_to_quality.py --run [--only ARM ...] [--most-minutes N]
    python benchmarks/time_to_quality.py                         the table of what there is

Every arm is trained on the same tokens (benchmarks/texts.py) in the same order for the same seed, on one thread, and is scored on the same
held-out documents in bits per byte; all are compiled. Luosi's first weights besides count neighbouring words in 4 M tokens of the training
text, on its clock. An arm's learning rates, times one scale, are tuned by four trials at a quarter of the horizon, then the batch by two,
half and twice of 8,192 tokens for AdamW, of AdamW's best for nanochat, of `luosi new`'s for Luosi (a peer's best at an edge is followed up to
two trials further each time), then AdamW's memory of squares by three, at its best so far, and its rate by two more. Trials choose on the
documents that are scored, for every arm; Luosi's defaults were made on them too, at seeds 0 and 1. Schedules and decay are each arm's usual.
Parameters match in the layers' matrices; Luosi's and nanochat's heads are their own, AdamW's is its embedding.

The horizon is 20 tokens for every parameter in the layers' matrices; Q is the mean of tuned AdamW there over the seeds. Each arm is trained to
two horizons, each with its whole decay: around Q, AdamW to half and all of its own, so that of its seeds one may end above Q. What an arm needs
to reach Q is interpolated, bits against the logarithm of FLOP, seed by seed; the table says where it is extrapolated and what the means over
the seeds come to. Ratios are paired by seed, their intervals are over seeds, not over texts. What was tuned at four layers is used at two (two
seeds), at six (one seed; its horizon is 1.4 times the text) and on another text (a dictionary; one seed, half the horizon), where AdamW is
compared alone. FLOP are the model's matrix products and the
optimizer's. CPU seconds are the process's own without imports, compiling and scoring, as it was made: a shared machine is slower in some hours
than in others. A run is a line of results/time_to_quality.jsonl and is not made again while its settings stay; a killed one starts anew.
Writes results/time_to_quality.json and .png. Needs transformers, accelerate, and matplotlib for the picture.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from arms.choice import ARMS, MODULES, Lines, schedule
from arms.runs import CASES, Run
from arms.table import make_table
from one_by_one import Job, on_one_thread, run_all, run_next, surroundings
from texts import FOLDER

RESULTS = Path(__file__).parent / "results" / "time_to_quality.jsonl"


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
    text = CASES[run.shape].text
    made = make(FOLDER, text)
    digest = data_digest(made)
    known = {row["data"] for row in Lines(RESULTS).rows if CASES[row["run"]["shape"]].text == text}
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
        **surroundings("luosi", "torch", "tokenizers"),
    }


def jobs(only: list[str]) -> Iterator[Job]:
    """Those that can be run now."""
    for planned in schedule(Lines(RESULTS)):
        if planned.known and planned.run.arm in only:
            yield job(planned.run)


def job(run: Run) -> Job:
    """One run, looked up anew whenever it is asked for."""
    return Job(json.dumps(run.as_dict(), sort_keys=True), lambda: Lines(RESULTS).find(run) is not None, lambda: do(run))


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
    parser.add_argument("--most-minutes", type=float, default=math.inf)
    given = parser.parse_args()
    if given.plan:
        show_plan()
    elif given.run or given.next:
        on_one_thread()
        if given.next:
            sys.exit(run_next(jobs(given.only), RESULTS, FOLDER / "locks"))
        run_all([__file__, "--next", "--only", *given.only], given.most_minutes)
    else:
        make_table(Lines(RESULTS), RESULTS.with_suffix(""))


if __name__ == "__main__":
    main()
