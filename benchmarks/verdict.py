"""From a folder of 200 mixed files and 50 questions to a verdict, as a user would: `luosi new`, `run`, `verdict`, `report`.

    python benchmarks/verdict.py NAME [FOLDER] [--kills N] [--resume]

NAME is a domain of benchmarks/domains.py; FOLDER keeps files, workspace and reports (a temporary one if left out). With
--kills the run is killed (SIGKILL) N times on the way and started again. Prints the verdict and the bill, and writes
benchmarks/results/verdict-NAME.json: wall and CPU seconds by command, the load of other programs, the routes.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from domains import make_domain

BUDGET = "25 min"
"""Within the goal, with room for a machine that others use too."""
GOAL_S = 1800.0
LUOSI = [sys.executable, "-c", "from luosi.cli import main; main()"]


def command(folder: Path, *arguments: str, output: str = "") -> dict[str, float]:
    """Run one command in `folder`; its wall seconds, and the CPU seconds of it and all its children."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    with (folder / (output or "last.txt")).open("wb") as file:
        done = subprocess.run([*LUOSI, *arguments], cwd=folder, stdout=file, check=False)
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - begun
    if done.returncode:
        raise SystemExit(f"luosi {' '.join(arguments)} ended with {done.returncode}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{wall:7.1f} s wall {cpu:7.1f} s CPU  luosi {' '.join(arguments[:2])}", flush=True)
    return {"wall_s": round(wall, 1), "cpu_s": round(cpu, 1)}


def kill_some(folder: Path, kills: int, longest_s: float = 120.0) -> float:
    """Start the run and kill it `kills` times at random moments; the wall seconds that took."""
    draw, begun = random.Random(0), time.monotonic()
    for number in range(kills):
        run = subprocess.Popen(
            [*LUOSI, "run", "my.toml"],
            cwd=folder,
            start_new_session=True,
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        try:
            run.wait(draw.uniform(5.0, longest_s))
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
            print(f"kill {number + 1} of {kills}", flush=True)
    return time.monotonic() - begun


def measure(name: str, folder: Path, kills: int, resume: bool) -> dict[str, Any]:
    """Everything from the files to the reports; the seconds of a resumed run are those of all its attempts, by its bill."""
    files, questions = make_domain(name, folder / "domain")
    count, size = 0, 0
    for path in files.rglob("*"):
        if path.is_file():
            count, size = count + 1, size + path.stat().st_size
    print(f"{name}: {count} files, {size / 1e6:.1f} MB")
    steps = {}
    if not resume:
        asked = ["--questions", str(questions), "--budget", BUDGET, "--force"]
        steps["new"] = command(folder, "new", str(files), *asked)
    command(folder, "plan", "my.toml", "--json", output="plan.json")
    killed_s = kill_some(folder, kills)
    steps["run"] = command(folder, "run", "my.toml")
    steps["run"]["wall_s"] += round(killed_s, 1)
    steps["verdict"] = command(folder, "verdict", "my.toml", "--json", output="verdict.json")
    command(folder, "bill", "my.toml", "--json", output="bill.json")
    for language in ("en", "zh"):
        for form in ("html", "pdf"):
            steps[f"report {language} {form}"] = command(
                folder, "report", "my.toml", "-o", f"report-{language}.{form}", "--lang", language
            )
    plan, bill, verdict = (json.loads((folder / f"{what}.json").read_bytes()) for what in ("plan", "bill", "verdict"))
    if resume:
        steps["run"]["wall_s"] = round(bill["total"]["spent"]["seconds"], 1)
    wall = sum(step["wall_s"] for step in steps.values())
    loaded = [step["step"] for step in bill["steps"] if step["loaded"]]
    return {
        "files": count,
        "bytes": size,
        "budget": BUDGET,
        "planned_s": plan["total"]["seconds"],
        "wall_s": round(wall, 1),
        "goal_s": GOAL_S,
        "kills": kills,
        "disturbed_steps": loaded,
        "commands": steps,
        "bill": {step["step"]: round(step["spent"]["seconds"], 1) for step in bill["steps"]},
        "verdict": verdict,
        "luosi": version("luosi"),
        "torch": version("torch"),
        "cores": os.cpu_count(),
    }


def main() -> None:
    """Measure one domain."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("folder", nargs="?", default="")
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--resume", action="store_true", help="go on with the run in FOLDER")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(given.folder or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        result = measure(given.name, folder, given.kills, given.resume)
        for words in (["verdict", "my.toml"], ["bill", "my.toml"]):
            subprocess.run([*LUOSI, *words], cwd=folder, check=True)
    path = Path(__file__).parent / "results" / f"verdict-{given.name}.json"
    path.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    print(f"{result['wall_s'] / 60:.1f} min of {GOAL_S / 60:.0f}; written to {path.name}")


if __name__ == "__main__":
    main()
