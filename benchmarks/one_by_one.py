"""Runs of a benchmark that takes hours: a process and a line of JSON each; none is made twice, and several processes may share the work.

A run that is killed leaves no line and is made anew. What is to be run, and which line still counts, each benchmark says itself.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

NOTHING_LEFT, FAILURES, PAUSE_S = 10, 20, 120
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Job:
    """A run that may be missing: its name, whether its line is there by now, and what makes the line."""

    name: str
    there: Callable[[], bool]
    make: Callable[[], dict[str, Any]]


def on_one_thread() -> None:
    """Begin anew with one thread for every library, unless it is so already."""
    if any(os.environ.get(name) != value for name, value in ONE_THREAD.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ONE_THREAD})


def run_next(jobs: Iterable[Job], results: Path, locks: Path) -> int:
    """Make the first run that is missing and that no other process is making, append its line; the exit code that `run_all` reads."""
    from filelock import FileLock, Timeout

    locks.mkdir(parents=True, exist_ok=True)
    for job in jobs:
        lock = hashlib.sha256(f"{results.stem} {job.name}".encode()).hexdigest()[:16]
        try:
            with FileLock(locks / lock, timeout=0):
                if not job.there():
                    print(time.strftime("%H:%M", time.gmtime()), job.name, flush=True)
                    line = job.make()
                    with results.open("ab") as file:
                        file.write((json.dumps(line) + "\n").encode())
                    print(
                        f"      {line['final_bpb']:.4f} bpb, {line['cpu_s']:.0f} CPU s, {line['flop']:.3g} FLOP",
                        flush=True,
                    )
                return 0
        except Timeout:
            continue
    return NOTHING_LEFT


def run_all(command: list[str], most_minutes: float) -> None:
    """`command`, which ends in `run_next`'s code, again and again, each time with today's code, until nothing is missing."""
    begun, failures = time.monotonic(), 0
    while time.monotonic() - begun < most_minutes * 60:
        done = subprocess.run([sys.executable, *command], check=False)
        if done.returncode == NOTHING_LEFT:
            print("nothing is missing that can be run now")
            return
        failures = failures + 1 if done.returncode else 0
        if failures >= FAILURES:
            raise SystemExit(f"{failures} runs failed one after the other")
        if failures:
            time.sleep(PAUSE_S)


def surroundings(*packages: str) -> dict[str, Any]:
    """Of a line: the packages' versions, the machine, and when it was."""
    return {
        "versions": {name: version(name) for name in packages},
        "machine": {"cpu": _processor(), "cores": os.cpu_count(), "load": os.getloadavg()[0]},
        "ended": time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor()
    )
