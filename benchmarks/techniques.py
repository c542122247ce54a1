"""From scratch, technique by technique: what each is worth, by training without it.

    python benchmarks/techniques.py --plan                       what is still to be run, and about how long it takes
    python benchmarks/techniques.py --run [--only NAME ...] [--most-minutes N]
    python benchmarks/techniques.py                              the table of what there is

The stage as it comes (benchmarks/arms/own.py) and the stage with one thing changed read the same tokens in the same order, on one thread, and
are scored on the same held-out documents: text, shape and rule are those of benchmarks/time_to_quality.py, the run a sixteenth of its horizon.
What a change does is its mean difference in bits per byte over the seeds, paired, with a 95 % interval by Student's t; FLOP stand beside, as some
changes cost or spare them. One text, one size, one length: it says what to keep there and nothing of large models. A run is a line of
results/techniques.jsonl and is not made again while the stage's settings stay; a killed one starts anew. Writes results/techniques.json.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parent))

import time_to_quality
from arms.runs import Run, horizon, qwen
from one_by_one import Job, on_one_thread, run_all, run_next
from reaching import half_width
from texts import FOLDER

from luosi.plan.scratch import Scratch

RESULTS = Path(__file__).parent / "results" / "techniques.jsonl"
SEEDS = (0, 1, 2)
PART = 0.0625
"""Of the horizon of benchmarks/time_to_quality.py's main size."""
PLAIN = "as it comes"
GUESSED_S = 90.0
"""CPU seconds of a run, until there are lines."""

Change = Callable[[], AbstractContextManager[Any]]


def setting(**changed: Any) -> Change:
    """The stage's settings, some of them changed."""
    from arms import own

    plain = own.config
    return lambda: patch.object(own, "config", lambda run: plain(run).model_copy(update=changed))


def muon(**changed: Any) -> Change:
    """Muon's own settings, some of them changed."""
    from luosi.training import optimizers

    return lambda: patch.object(optimizers, "Muon", partial(optimizers.Muon, **changed))


@contextmanager
def all_decay() -> Iterator[None]:
    """Decay pulls on every weight, whichever way it is moved."""
    from luosi.training import muon

    with patch.object(muon, "_decaying", lambda weights, updates: weights):
        yield


@contextmanager
def orthogonal_in_fp32() -> Iterator[None]:
    """No matrix is rounded to bf16 to be made orthogonal."""
    from luosi.training import muon

    with patch.object(muon, "ROUNDED_FROM", 1 << 30):
        yield


@contextmanager
def drawn_projections() -> Iterator[None]:
    """What writes into the residual stream begins as GPT-2's does: normal, deviation 0.02, less by the root of twice the layers."""
    import torch

    from luosi.stages.pretrain import scratch

    plain = scratch.initialise

    def drawn(model: Any, seed: int) -> None:
        plain(model, seed)
        generator = torch.Generator().manual_seed(seed + 2)
        for name, parameter in model.named_parameters():
            if "o_proj" in name or "down_proj" in name:
                noise = torch.randn(parameter.shape, generator=generator)
                parameter.data.copy_(noise * 0.02 / math.sqrt(2 * model.shape.layers))

    with patch.object(scratch, "initialise", drawn):
        yield


@contextmanager
def adamw_for_all() -> Iterator[None]:
    """AdamW for the matrices too, at the same rate, which is in its scale; its decay pulls on all of them."""
    from luosi.stages.pretrain import scratch
    from luosi.training.adamw import AdamW
    from luosi.training.optimizers import Optimizers

    def made(model: Any, *, matrix_lr: float, vector_lr: float, weight_decay: float) -> Optimizers:
        names = {parameter: name for name, parameter in model.named_parameters()}
        matrices = [p for p, name in names.items() if p.ndim == 2 and ".layers." in name]
        others = [p for p in names if all(p is not one for one in matrices)]
        groups: list[dict[str, Any]] = [
            {"params": matrices, "lr": matrix_lr, "weight_decay": weight_decay},
            {"params": others},
        ]
        return Optimizers([AdamW(groups, lr=vector_lr)], names)

    with patch.object(scratch, "muon_and_adamw", made):
        yield


CHANGES: dict[str, Change] = {
    PLAIN: nullcontext,
    "AdamW for the matrices too": adamw_for_all,
    "output projections drawn, not zero": drawn_projections,
    "first weights without counted words": setting(start="wired"),
    "first weights all random": setting(start="random"),
    "decay on every weight": all_decay,
    "no decay": setting(weight_decay=0.0),
    "rows as they are": muon(rows=0.0),
    "orthogonalised in fp32": orthogonal_in_fp32,
    "no warm-up": setting(warmup_fraction=0.0),
    "rates fall over the last fifth": setting(decay_fraction=0.2),
    "rates fall from the start": setting(decay_fraction=0.98),
    "whole vocabulary throughout": setting(drawn_words=0),
}
"""What is changed, one thing each."""


def planned(seed: int) -> Run:
    """The run, whatever is changed."""
    tokens = round(PART * horizon("main"))
    batch = Scratch(qwen("main"), tokens).batch_tokens
    return Run("luosi", "main", "final", tokens // batch * batch, 1.0, batch, seed)


def settings(seed: int) -> dict[str, Any]:
    """Of the stage as it comes: a line stays while they do."""
    from arms import own

    found: dict[str, Any] = json.loads(json.dumps(own.settings(planned(seed))))
    return found


def lines() -> list[dict[str, Any]]:
    """The runs that are there."""
    return [json.loads(line) for line in RESULTS.read_bytes().splitlines()] if RESULTS.exists() else []


def find(rows: list[dict[str, Any]], name: str, seed: int) -> dict[str, Any] | None:
    """The newest line of a change and seed with today's settings."""
    key = {"change": name, "run": planned(seed).as_dict(), "settings": settings(seed)}
    return next((row for row in reversed(rows) if {field: row[field] for field in key} == key), None)


def missing(only: list[str]) -> list[tuple[str, int]]:
    """Changes and seeds without a line, seed by seed."""
    rows = lines()
    return [(name, seed) for seed in SEEDS for name in only if find(rows, name, seed) is None]


def do(name: str, seed: int) -> dict[str, Any]:
    """Train and score one run; its line, with the settings that the change was made to."""
    told = settings(seed)
    with CHANGES[name]():
        line = time_to_quality.do(planned(seed))
    return {"change": name, **line, "settings": told}


def job(name: str, seed: int) -> Job:
    """One run, looked up anew whenever it is asked for."""
    return Job(f"{name}, seed {seed}", lambda: find(lines(), name, seed) is not None, lambda: do(name, seed))


def effects() -> dict[str, Any]:
    """By change: bits per byte of each seed, the mean difference from the stage as it comes with its interval, FLOP beside its."""
    rows = lines()
    plain = {seed: row for seed in SEEDS if (row := find(rows, PLAIN, seed))}
    found = {}
    for name in CHANGES:
        there = {seed: row for seed in SEEDS if (row := find(rows, name, seed))}
        differences = [there[seed]["final_bpb"] - plain[seed]["final_bpb"] for seed in there.keys() & plain.keys()]
        if not differences:
            continue
        found[name] = {
            "bits_per_byte": [there[seed]["final_bpb"] for seed in sorted(there)],
            "worse_by": statistics.fmean(differences),
            "half_width": half_width(differences) if len(differences) > 1 else None,
            "flop": statistics.fmean(there[s]["flop"] / plain[s]["flop"] for s in there.keys() & plain.keys()),
            "seeds": len(differences),
        }
    return found


def show() -> None:
    """The table, and results/techniques.json."""
    found = effects()
    print(f"{'changed':38} {'bits per byte':24} {'worse by':>20}  {'FLOP':>5}")
    for name, one in found.items():
        bits = ", ".join(f"{value:.3f}" for value in one["bits_per_byte"])
        spread = "" if one["half_width"] is None else f" +- {one['half_width']:.4f}"
        print(f"{name:38} {bits:24} {one['worse_by']:+11.4f}{spread:>9}  {one['flop']:5.2f}")
    RESULTS.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--plan", action="store_true")
    parser.add_argument("--run", action="store_true")
    parser.add_argument("--next", action="store_true", help="one run only")
    parser.add_argument("--only", nargs="+", default=list(CHANGES), choices=list(CHANGES), metavar="NAME")
    parser.add_argument("--most-minutes", type=float, default=math.inf)
    given = parser.parse_args()
    if given.plan:
        left, there = missing(given.only), [row["cpu_s"] for row in lines()]
        for name, seed in left:
            print(f"{name}, seed {seed}")
        print(f"{len(left) * statistics.median(there or [GUESSED_S]) / 3600:.1f} CPU hours in all are missing")
    elif given.next or given.run:
        on_one_thread()
        if given.next:
            sys.exit(run_next((job(*one) for one in missing(given.only)), RESULTS, FOLDER / "locks"))
        run_all([__file__, "--next", "--only", *given.only], given.most_minutes)
    else:
        show()


if __name__ == "__main__":
    main()
