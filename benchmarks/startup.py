"""CPU seconds from the shell to the answer of `luosi --help` and `luosi plan` on an empty and on a full workspace; the goal is 0.5.

    python benchmarks/startup.py [WORKSPACE]

Best of ten, for other programs only ever add. Writes benchmarks/results/startup.json.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from luosi import Workspace
from luosi.api import shipped_recipe

GOAL_CPU_S = 0.5
ROUNDS = 10


def cpu_seconds(*arguments: str) -> float:
    """User and system seconds of one start."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-c", "from luosi.cli import main; main()", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(full: str) -> None:
    """Measure and print."""
    recipe = str(shipped_recipe("demo"))
    with tempfile.TemporaryDirectory() as empty:
        cases = {"--help": ["--help"], "plan, empty workspace": ["plan", recipe, "-w", empty]}
        if full:
            cases["plan, full workspace"] = ["plan", recipe, "-w", full]
        found = {name: min(cpu_seconds(*arguments) for _ in range(ROUNDS)) for name, arguments in cases.items()}
    for name, seconds in found.items():
        print(f"{name:<24} {seconds:.2f} CPU s, {seconds / GOAL_CPU_S:.0%} of the goal")
    result = {
        "cpu_seconds": found,
        "goal": GOAL_CPU_S,
        "rounds": ROUNDS,
        "python": sys.version.split()[0],
        "machine": Workspace().machine().name,
    }
    path = Path(__file__).parent / "results" / "startup.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
