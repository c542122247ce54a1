"""Which runs the benchmark consists of, in order, given the lines that are there: trials, then batches, then what they decided."""

from __future__ import annotations

import importlib
import json
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from arms.runs import BATCH_TOKENS, CASES, SEQUENCE, Run, horizon, qwen
from luosi.plan.scratch import Scratch

MODULES = {
    "hf_tuned": "hugging_face",
    "nanochat_exportable": "nanochat",
    "nanochat": "nanochat",
    "luosi": "own",
    "hf_default": "hugging_face",
}
PEERS = ("hf_tuned", "nanochat_exportable", "nanochat")
ARMS = tuple(MODULES)
TUNED = (*PEERS, "luosi")
SCALES, MOST_FURTHER = (1.0, 2.0, 0.5, 4.0), 2
TRIAL_SEED = 100
BETA2S = (0.99, 0.999, 0.9999)
"""Of AdamW, tried besides the usual 0.95 at its best rate and batch: steps as small as that want a longer memory."""
PARTS = (0.03125, 0.0625, 0.125, 0.25, 0.5, 1.0, 2.0)
"""Of the horizon, to which an arm may be trained."""
TRANSFER_ARMS = ("hf_tuned", "luosi")
"""Trained in the other cases than "main" too."""
TOKENS_PER_S = {
    "hf_tuned": 7000.0,
    "nanochat_exportable": 8000.0,
    "nanochat": 8000.0,
    "luosi": 12000.0,
    "hf_default": 6000.0,
}
"""Of a CPU second, until an arm's own runs say better."""


class Lines:
    """The runs that are there."""

    def __init__(self, path: Path) -> None:
        self.rows: list[dict[str, Any]] = (
            [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []
        )

    def find(self, run: Run) -> dict[str, Any] | None:
        """The line of this run, if it was made with today's settings of the arm."""
        found = [row for row in self.rows if row["run"] == run.as_dict()]
        if not found:
            return None
        settings = json.loads(json.dumps(importlib.import_module(f"arms.{MODULES[run.arm]}").settings(run)))
        return next((row for row in reversed(found) if row["settings"] == settings), None)

    def find_row(self, row: dict[str, Any]) -> bool:
        """Whether a line is of today's settings, the newest of its run."""
        return self.find(Run(**row["run"])) is row

    def bits(self, run: Run) -> float | None:
        """Its final bits per byte, None if it is missing."""
        row = self.find(run)
        return None if row is None else float(row["final_bpb"])

    def seconds(self, run: Run) -> float:
        """CPU seconds it takes, by the arm's other runs of the shape."""
        speeds = [
            row["run"]["tokens"] / row["cpu_s"]
            for row in self.rows
            if (row["run"]["arm"], row["run"]["shape"]) == (run.arm, run.shape)
        ]
        guess = TOKENS_PER_S[run.arm] * (CASES["main"].layers / CASES[run.shape].layers)
        return run.tokens / (statistics.median(speeds) if speeds else guess)


@dataclass(frozen=True)
class Planned:
    """A run that is missing; not `known` while other runs must choose its scale, batch or horizon first."""

    run: Run
    known: bool
    seconds: float


@dataclass(frozen=True)
class Chosen:
    """An arm's scale, batch and, for AdamW, memory of squares; `sure` once all trials they rest on are there."""

    scale: float
    batch_tokens: int
    beta2: float | None
    sure: bool


def trials(lines: Lines, arm: str) -> list[Run]:
    """Those of the rate, missing or not."""
    tokens, size = horizon("main") // 4, trial_batch(lines, arm)
    found = [Run(arm, "main", "trial", tokens, scale, size, TRIAL_SEED) for scale in SCALES]
    while edge := _edge(lines, found, arm, len(SCALES), lambda run: run.scale):
        found.append(replace(found[0], scale=edge))
    return found


def batches(lines: Lines, arm: str) -> list[Run]:
    """Half and twice the trials' batch at the best rate, missing or not."""
    best = _best(lines, trials(lines, arm))
    found = [
        replace(best, purpose="batch", batch_tokens=size) for size in (best.batch_tokens // 2, best.batch_tokens * 2)
    ]
    while edge := _edge(lines, [best, *found], arm, 3, lambda run: run.batch_tokens):
        found.append(replace(found[0], batch_tokens=int(edge)))
    return found


def squares(lines: Lines, arm: str) -> list[Run]:
    """Longer memories of AdamW's squares at the best rate and batch, missing or not."""
    if arm != "hf_tuned":
        return []
    best = _best(lines, [*trials(lines, arm), *batches(lines, arm)])
    return [replace(best, purpose="squares", beta2=beta2) for beta2 in BETA2S]


def again(lines: Lines, arm: str) -> list[Run]:
    """Half and twice AdamW's best rate at its best batch and memory, missing or not: a longer memory may want another rate."""
    if arm != "hf_tuned":
        return []
    best = _best(lines, [*trials(lines, arm), *batches(lines, arm), *squares(lines, arm)])
    found = [replace(best, purpose="again", scale=scale) for scale in (best.scale / 2, best.scale * 2)]
    while edge := _edge(lines, [best, *found], arm, 3, lambda run: run.scale):
        found.append(replace(found[0], scale=edge))
    return found


def all_trials(lines: Lines, arm: str) -> list[Run]:
    """Everything that is tried to tune an arm, missing or not."""
    return [run for stage in (trials, batches, squares, again) for run in stage(lines, arm)]


def trial_batch(lines: Lines, arm: str) -> int:
    """Tokens of a step in the trials of the rate: what `luosi new` would take, 8,192 for AdamW, and for nanochat's what was best for AdamW."""
    if arm == "luosi":
        return Scratch(qwen("main"), horizon("main") / 4).batch_tokens
    return BATCH_TOKENS if arm == "hf_tuned" else chosen(lines, "hf_tuned").batch_tokens


def _edge(lines: Lines, tried: list[Run], arm: str, first: int, value: Callable[[Run], float]) -> float | None:
    """The next value to try where all of `tried` are there and a peer's best lies at an edge of them; the first few are not further."""
    if arm not in PEERS or len(tried) - first >= MOST_FURTHER or any(lines.bits(run) is None for run in tried):
        return None
    values, best = sorted(map(value, tried)), value(_best(lines, tried))
    return best / 2 if best == values[0] else best * 2 if best == values[-1] else None


@cache  # asked for again with every run of the plan and the table; lines do not change once they are read
def chosen(lines: Lines, arm: str) -> Chosen:
    """The best of the trials so far."""
    tried = all_trials(lines, arm)
    best = _best(lines, tried)
    return Chosen(best.scale, best.batch_tokens, best.beta2, all(lines.bits(run) is not None for run in tried))


def _best(lines: Lines, runs: list[Run]) -> Run:
    there = [(bits, number) for number, run in enumerate(runs) if (bits := lines.bits(run)) is not None]
    return runs[min(there)[1]] if there else runs[0]


def final(lines: Lines, arm: str, shape: str, part: float, seed: int) -> Run:
    """A run at a part of the horizon with what the trials chose."""
    if arm == "hf_default":
        return Run(arm, shape, "default", round(part * horizon(shape)), 1.0, 8 * SEQUENCE, seed)
    choice = chosen(lines, arm)
    tokens = round(part * horizon(shape)) // choice.batch_tokens * choice.batch_tokens
    return Run(arm, shape, "final", tokens, choice.scale, choice.batch_tokens, seed, choice.beta2)


def mean_bits(lines: Lines, arm: str, shape: str, part: float) -> float | None:
    """Over the seeds, None until all are there."""
    found = [lines.bits(final(lines, arm, shape, part, seed)) for seed in CASES[shape].seeds]
    there = [bits for bits in found if bits is not None]
    return statistics.fmean(there) if len(there) == len(found) else None


def parts(lines: Lines, arm: str, shape: str) -> tuple[list[float], bool]:
    """The two parts of the horizon that an arm is trained to, and whether that is decided: they lie around Q (of the seeds
    that are there), going by halves and doubles from 0.5 with the first seed."""
    if arm == "hf_tuned":
        return [1.0] if len(CASES[shape].seeds) == 1 else [1.0, 0.5], True  # of one seed, Q is that run's own
    so_far = [lines.bits(final(lines, "hf_tuned", shape, 1.0, seed)) for seed in CASES[shape].seeds]
    there = [bits for bits in so_far if bits is not None]
    quality = statistics.fmean(there) if there else None
    found = {part: lines.bits(final(lines, arm, shape, part, CASES[shape].seeds[0])) for part in PARTS}
    part = 0.5
    while True:
        bits = found.get(part)
        if quality is None or bits is None:
            return [part], False
        step = 0.5 if bits <= quality else 2.0
        beyond = found.get(part * step)
        if beyond is None:
            return ([part * step], False) if part * step in PARTS else (sorted([part, part / step]), True)
        if (beyond <= quality) != (bits <= quality):
            return sorted([part, part * step]), True
        part *= step


def schedule(lines: Lines) -> Iterator[Planned]:
    """The missing runs, in order."""
    runs: list[tuple[Run, bool]] = []
    for arm in TUNED:
        sure = not arm.startswith("nanochat") or chosen(lines, "hf_tuned").sure
        runs += [(run, sure) for run in trials(lines, arm)]
    for arm in TUNED:
        sure = all(lines.bits(run) is not None for run in trials(lines, arm))
        runs += [(run, sure) for run in batches(lines, arm)]
    sure = all(lines.bits(run) is not None for run in (*trials(lines, "hf_tuned"), *batches(lines, "hf_tuned")))
    runs += [(run, sure) for run in squares(lines, "hf_tuned")]
    sure = sure and all(lines.bits(run) is not None for run in squares(lines, "hf_tuned"))
    runs += [(run, sure) for run in again(lines, "hf_tuned")]
    for shape in CASES:
        for arm in TUNED if shape == "main" else TRANSFER_ARMS:
            sure = chosen(lines, arm).sure
            wanted, decided = parts(lines, arm, shape)
            tried = CASES[shape].seeds if decided else CASES[shape].seeds[:1]
            runs += [(final(lines, arm, shape, part, seed), sure) for part in wanted for seed in tried]
    runs.append((final(lines, "hf_default", "main", 0.25, CASES["main"].seeds[0]), True))
    for run, known in runs:
        if lines.find(run) is None:
            yield Planned(run, known, lines.seconds(run))
