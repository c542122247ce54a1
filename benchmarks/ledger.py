"""How fast the plans for this machine learn: a recipe built again and again, each build's plan held against its time.

    python benchmarks/ledger.py [RECIPE] [--builds 9] [--step NAME ...] [--workspace FOLDER]

RECIPE is a shipped recipe's name or a file (small without it; two minutes). Every build is a `luosi run` of its own, with
`--rebuild` for every step, or for those of `--step`; in a workspace that has runs already, theirs count as earlier ones.
Prints the error of each step's plan by build, and three medians over the builds that five or more came before: the plan's error in
wall seconds, that of CPU seconds had they been planned the same way (where other programs are busy), and how far one step's
seconds are from their own median, which no plan can be nearer than. Writes benchmarks/results/ledger-RECIPE.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any

from luosi import Workspace
from luosi.api import shipped_recipe
from luosi.ledger.attempts import all_attempts, builds
from luosi.ledger.learning import LEAST_S, finished_runs, learned, variation
from luosi.plan.machine import FORGETTING

GOAL, ENOUGH = 0.05, 5


def luosi(*arguments: str) -> None:
    """One command, as a user would type it."""
    subprocess.run(
        [sys.executable, "-c", "from luosi.cli import main; main()", *arguments], check=True, capture_output=True
    )


def by_cpu(seconds: list[float]) -> list[float]:
    """Errors of planning each of `seconds` as the weighted mean of those before, the weights being the plans' own."""
    errors = []
    for count in range(ENOUGH, len(seconds)):
        weights = [FORGETTING**age for age in reversed(range(count))]
        planned = sum(w * s for w, s in zip(weights, seconds, strict=False)) / sum(weights)
        errors.append(abs(seconds[count] / planned - 1))
    return errors


def report(workspace: Workspace) -> dict[str, Any]:
    """Print what the logs say and return it."""
    machine = workspace.machine()
    tries = all_attempts(workspace.store.root / "attempts")
    runs = finished_runs(tries, machine.name, machine.cores)
    steps: dict[str, list[Any]] = defaultdict(list)
    cpu: dict[str, list[float]] = defaultdict(list)
    for one in runs:
        steps[one.step].append(one)
    for build in builds(tries):
        cpu[build[0].step].append(sum(one.cost.cpu_s for one in build))
    print(f"{'step':<16}{'seconds':>9}  the plan's error, build by build (* other programs were busy)")
    for step, found in steps.items():
        told = "".join(f"{one.planned_s / one.seconds - 1:>+7.0%}{'*' if one.loaded else ' '}" for one in found)
        print(f"{step:<16}{median(one.seconds for one in found):>9.2f}  {told}")
    taught = learned(runs)
    for row in taught:
        print(f"after {row.runs} runs of the step: {row.error:.1%} of {row.builds} builds of {LEAST_S:.0f} s or more")
    late = [
        abs(one.seconds / one.planned_s - 1)
        for found in steps.values()
        for one in [o for o in found if not o.loaded and o.seconds >= LEAST_S][ENOUGH:]
    ]
    cpu_late = [
        error
        for step, found in steps.items()
        if median(o.seconds for o in found) >= LEAST_S
        for error in by_cpu(cpu[step])
    ]
    spread = variation(runs)
    wall = median(late) if late else None
    print(
        f"after {ENOUGH} runs and more: {wall or 0:.1%} of wall seconds (goal {GOAL:.0%}), {median(cpu_late) if cpu_late else 0:.1%} of CPU "
        f"seconds; one step's own seconds are {spread or 0:.1%} from their median"
    )
    return {
        "machine": machine.name,
        "by_runs": [row.model_dump() for row in taught],
        "after_five": {"wall": wall, "cpu": median(cpu_late) if cpu_late else None, "builds": len(late)},
        "variation": spread,
        "steps": {
            step: [
                {"planned_s": round(o.planned_s, 3), "seconds": round(o.seconds, 3), "loaded": o.loaded} for o in found
            ]
            for step, found in steps.items()
        },
    }


def main() -> None:
    """Build, look, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", nargs="?", default="small")
    parser.add_argument("--builds", type=int, default=9)
    parser.add_argument("--step", action="append", default=[])
    parser.add_argument("--workspace")
    arguments = parser.parse_args()
    path = Path(arguments.recipe)
    recipe = str(path if path.is_file() else shipped_recipe(arguments.recipe))
    with tempfile.TemporaryDirectory() as empty:
        workspace = Workspace(arguments.workspace or empty)
        steps = arguments.step or [step.name for step in workspace.graph(recipe).steps]
        again = [word for step in steps for word in ("--rebuild", step)]
        for build in range(arguments.builds):
            luosi("run", recipe, "-w", str(workspace.root), *(again if build or arguments.workspace else []))
            print(f"build {build + 1} of {arguments.builds} done", file=sys.stderr, flush=True)
        result = report(workspace)
    out = Path(__file__).parent / "results" / f"ledger-{path.stem}.json"
    out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
