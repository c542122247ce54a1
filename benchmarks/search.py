"""How fast the search over training layouts is, that its optimum is the exhaustive one, and what one command costs from a cold start.

    python benchmarks/search.py

GPT-3 175B on A100s with batches of 1,536 sequences of 2,048 tokens, on one core. Goals: 100,000 configurations a second; the search on 1,024
devices within 12 s and 500 MB; a command within 0.5 CPU s. Calculon counts 1,136,960 configurations for that search, at 223 a second, for
it tries overlaps and offloading that the forms here have no switch for, and layouts that cannot be fast; so a space of about as many of
our own is searched too.
Times are process CPU seconds, the best of ROUNDS; the memory is the peak of this process. Writes benchmarks/results/search.json.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path

from luosi.errors import UsageError
from luosi.estimate.architecture import of_sizes
from luosi.estimate.chips import chip
from luosi.estimate.training.layouts import Asked, layouts
from luosi.estimate.training.memory import bytes_per_device
from luosi.estimate.training.physics import step_time
from luosi.estimate.training.search import Found, runs_of, search, tables, usable_bytes

ROUNDS = 5
CALCULON_PER_SECOND = 223
CALCULON_COUNT = 1_136_960
GOAL_PER_SECOND, GOAL_S, GOAL_MB, GOAL_START_S = 100_000, 12.0, 500.0, 0.5
GPT3 = of_sizes("GPT-3 175B", layers=96, width=12288, heads=96, ff=49152, vocab=51200)
ASKED = Asked(1024, sequence=2048, global_batch=1536)
BATCHES = (768, 1536, 3072)
"""Together about as many configurations as Calculon's."""
A100 = chip("A100-80GB-SXM")
COMMANDS = {
    "train": "train --model 70B --tokens 15T --on h100:1024",
    "train, experts": "train --model deepseek-v3 --tokens 14.8T --on h800:2048 --precision fp8",
    "serve": "serve --model llama-3.1-70b --on h100:8 --prompt 1000 --answer 300 --users 100",
}


def cpu_seconds(work: Callable[[], object]) -> float:
    """The least of ROUNDS."""
    found = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        work()
        found.append(time.process_time() - begun)
    return min(found)


def every_number() -> tuple[int, int]:
    """Search on every number of devices that can be laid out, up to 1,536, for three batches: (searches, configurations)."""
    searches = looked_at = 0
    for devices, batch in product(range(1, 1537), BATCHES):
        try:
            looked_at += search(GPT3, A100, replace(ASKED, devices=devices, global_batch=batch), keep=1).looked_at
            searches += 1
        except UsageError:
            continue
    return searches, looked_at


def plain_optimum() -> float:
    """The least time of all configurations that fit, without the search's short cut and book-keeping."""
    best = float("inf")
    for table in tables(GPT3, ASKED):
        for recompute in (0, 1, 2):
            run = replace(runs_of(ASKED, table), recompute=recompute)
            fits = bytes_per_device(GPT3, A100, run).total <= usable_bytes(A100)
            if fits.any():
                best = min(best, float(step_time(GPT3, A100, run).total[fits].min()))
    return best


def start(arguments: str) -> float:
    """User and system seconds of one command, the least of ROUNDS."""
    command = [sys.executable, "-c", "from luosi.cli import main; main()", "estimate", *arguments.split()]
    found = []
    for _ in range(ROUNDS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(found)


def main() -> None:
    """Measure and print."""
    found: Found = search(GPT3, A100, ASKED)
    one = cpu_seconds(lambda: search(GPT3, A100, ASKED))
    searches, many = every_number()
    wide = cpu_seconds(every_number)
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    optimum = plain_optimum()
    starts = {name: start(arguments) for name, arguments in COMMANDS.items()}
    layout_count = sum(1 for _ in layouts(GPT3, ASKED))
    print(
        f"1,024 A100: {layout_count} layouts, {found.looked_at:,} configurations, {found.fitting:,} fit: {one:.3f} CPU s"
    )
    print(
        f"every number of devices to 1,536, batches of 768 to 3,072: {searches} searches, {many:,} configurations: {wide:.2f} CPU s (goal {GOAL_S:g} s)"
    )
    print(f"{many / wide:,.0f} configurations a second (goal {GOAL_PER_SECOND:,}; Calculon {CALCULON_PER_SECOND})")
    print(f"peak memory {megabytes:.0f} MB (goal {GOAL_MB:g})")
    print(
        f"best step {found.best[0].seconds:.6f} s, exhaustive {optimum:.6f} s: {'equal' if found.best[0].seconds == optimum else 'DIFFERENT'}"
    )
    for name, seconds in starts.items():
        print(f"luosi estimate {name:<16} {seconds:.2f} CPU s from a cold start (goal {GOAL_START_S:g})")
    result = {
        "configurations": {"1024 devices": found.looked_at, "every number to 1536, three batches": many},
        "cpu_seconds": {"1024 devices": one, "every number to 1536, three batches": wide},
        "configurations_per_second": many / wide,
        "peak_mb": megabytes,
        "best_step_s": found.best[0].seconds,
        "exhaustive_step_s": optimum,
        "cold_start_cpu_s": starts,
        "goals": {"per_second": GOAL_PER_SECOND, "seconds": GOAL_S, "mb": GOAL_MB, "cold_start_s": GOAL_START_S},
        "calculon": {"per_second": CALCULON_PER_SECOND, "configurations": CALCULON_COUNT},
        "rounds": ROUNDS,
        "python": sys.version.split()[0],
    }
    path = Path(__file__).parent / "results" / "search.json"
    path.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
