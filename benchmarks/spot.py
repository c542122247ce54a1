"""Spot machines replayed: a real `luosi run` trains while it is killed with kill -9 at random times, and is started again each time.

    python benchmarks/spot.py [KILLS]

How long it takes to come back is measured first; the times between kills are exponential with a mean of 60 times that. Goodput is the
share of the time, from the first step on, that went into steps which counted in the end; the rest is steps lost and done again, coming
back, and standing still for checkpoints. Beside it what Young and Daly give for the measured times (luosi.estimate.goodput), and
what is saved at spot prices of p times the usual one: 1 - p / goodput. Writes benchmarks/results/spot.json. Takes hours where coming
back takes long: 60 x 6 s x 8 kills are 48 minutes.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from luosi import Workspace
from luosi.api import shipped_recipe
from luosi.estimate import goodput
from luosi.ledger.attempts import read_attempts
from luosi.recipe import without_step
from luosi.training.checkpoints import Checkpoints, Snapshots

FAILURES_PER_RESTART = 60
PRICES = (0.25, 0.28, 0.30, 0.35)
SEED = 10
POLL_S = 0.05
KEPT_STEPS = ("curate", "tokenizer", "tokens", "base")
MODEL = {
    "layers": 4,
    "width": 128,
    "heads": 2,
    "kv_heads": 1,
    "head_dim": 64,
    "ff": 384,
    "batch_tokens": 1024,
    "steps": 1_000_000,
    "precision": "bf16",
}


@dataclass(frozen=True)
class Stretch:
    """From one start to the kill that ended it; seconds since 1970."""

    started: float
    trained_from: float
    """When it was back at training; when it was killed, if it never was."""
    counted_to: float
    """When the last step that counts was done."""
    killed: float
    first_step: int
    kept_step: int
    """Steps in the newest checkpoint when it was killed."""
    checkpoints: tuple[float, ...]
    """When each was written."""


class Training:
    """The training under attack."""

    def __init__(self, root: Path) -> None:
        workspace = Workspace(root)
        recipe = workspace.recipe(shipped_recipe("small"))
        for step in [name for name in recipe.steps if name not in KEPT_STEPS][::-1]:
            recipe = without_step(recipe, step)
        self._recipe = recipe
        self._snapshot = root / "recipes" / "small.json"
        self._snapshot.parent.mkdir(parents=True)
        self._write_recipe(60.0)
        key = workspace.graph("small").keys["base"]
        self._root, self.log = root, root / "store" / "attempts" / f"{key}.jsonl"
        self.checkpoints = root / "store" / "staging" / key / "scratch" / "checkpoints"
        self.machine = workspace.machine().name

    def stretch(self, failures_every_s: float, least_s: float, least_steps: int = 0) -> Stretch:
        """Start it and kill it after `least_s`, and not before it has done so many steps and kept a checkpoint."""
        first = self._kept()
        self._write_recipe(failures_every_s)
        command = [sys.executable, "-c", "from luosi.cli import main; main()", "run", "small", "-w", str(self._root)]
        started = time.time()
        said = self._root / "said.txt"
        with said.open("wb") as file:
            process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        written = dict.fromkeys(self.checkpoints.glob("step-*"))
        before = len(written)
        while time.time() < started + least_s or (least_steps and self.done(started) < first + least_steps):
            time.sleep(POLL_S)
            for path in self.checkpoints.glob("step-*"):
                written.setdefault(path, time.time())  # type: ignore[arg-type]
            if process.poll() is not None:
                raise SystemExit(f"luosi run ended: {said.read_text()}")
        process.kill()
        killed = time.time()
        process.wait()
        times = tuple(written.values())[before:]
        return self._told(started, killed, first, times)  # type: ignore[arg-type]

    def _write_recipe(self, failures_every_s: float) -> None:
        base = {**self._recipe.steps["base"], **MODEL, "runtime": {"failures_every_s": failures_every_s}}
        steps = {**self._recipe.steps, "base": base}
        self._snapshot.write_text(self._recipe.model_copy(update={"steps": steps}).model_dump_json())

    def _kept(self) -> int:
        return max((int(path.stem.removeprefix("step-")) for path in self.checkpoints.glob("step-*")), default=0)

    def _points(self, started: float) -> list[tuple[float, float]]:
        """(time, steps done) as the attempt that began after `started` has logged them."""
        tries = [one for one in read_attempts(self.log) if _seconds(one.started_at) >= started]
        return [(_seconds(one.started_at) + p.wall_s, p.done) for one in tries for p in one.progress]

    def done(self, started: float) -> float:
        """The most steps that an attempt begun after `started` has told."""
        return max((done for _, done in self._points(started)), default=0)

    def _told(self, started: float, killed: float, first: int, checkpoints: tuple[float, ...]) -> Stretch:
        points, kept = self._points(started), self._kept()
        if len(points) < 2 or points[-1][1] <= first:
            return Stretch(started, killed, killed, killed, first, kept, checkpoints)
        (t0, d0), (t1, d1) = points[0], points[-1]
        each = (t1 - t0) / max(1.0, d1 - d0)
        points = [
            (t0 - (d0 - first) * each, first),
            *points,
        ]  # ticks come once a second: the first steps are between two
        later = next((n for n, (_, done) in enumerate(points) if done >= kept), len(points) - 1)
        time_, done = points[later]
        return Stretch(started, points[0][0], time_ - (done - kept) * each, killed, first, kept, checkpoints)


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


def cost_of_a_checkpoint(folder: Path) -> goodput.Checkpoint:
    """Copying and writing the newest one again, a few times."""
    saved = Checkpoints(folder).newest()
    assert saved is not None
    copying, writing = [], []
    with tempfile.TemporaryDirectory(dir=folder.parent) as other:
        taken = Snapshots(Checkpoints(Path(other)), failures_every_s=1.0, most_s=1.0)
        for _ in range(6):
            before, began = taken.standstill_s, time.monotonic()
            taken.take(saved)
            taken.wait()
            copying.append(taken.standstill_s - before)
            writing.append(time.monotonic() - began - copying[-1])
    return goodput.Checkpoint(statistics.median(copying[1:]), statistics.median(writing[1:]))


def main(kills: int) -> None:
    """Measure coming back, then replay the failures."""
    with tempfile.TemporaryDirectory() as folder:
        training = Training(Path(folder))
        training.stretch(60.0, 0.0, least_steps=60)
        warm = [training.stretch(60.0, 0.0, least_steps=20) for _ in range(3)]
        restart_s = statistics.mean(one.trained_from - one.started for one in warm)
        mtbf_s = FAILURES_PER_RESTART * restart_s
        print(f"coming back takes {restart_s:.1f} s; {kills} kills, {mtbf_s:.0f} s apart on average", flush=True)
        dice = random.Random(SEED)
        stretches: list[Stretch] = []
        while len(stretches) < kills:
            one = training.stretch(mtbf_s, dice.expovariate(1 / mtbf_s))
            stretches.append(one)
            print(
                f"kill {len(stretches)} after {one.killed - one.started:.0f} s: back in {one.trained_from - one.started:.1f} s, steps "
                f"{one.first_step} to {one.kept_step} kept, {one.killed - one.counted_to:.1f} s lost, {len(one.checkpoints)} checkpoints",
                flush=True,
            )
        report(training, stretches, mtbf_s)


def share_that_counts(stretches: list[Stretch], standstill: float) -> float:
    """Of the time from the first start to the last kill; steps stand still for the share `standstill` of their time."""
    useful = sum(one.counted_to - one.trained_from for one in stretches if one.kept_step > one.first_step)
    return useful * (1 - standstill) / (stretches[-1].killed - stretches[0].started)


def report(training: Training, stretches: list[Stretch], wanted_mtbf_s: float) -> None:
    """The table, and the file of results."""
    whole = stretches[-1].killed - stretches[0].started
    back = [one.trained_from - one.started for one in stretches if one.trained_from < one.killed]
    pauses = [b - a for one in stretches for a, b in zip(one.checkpoints, one.checkpoints[1:], strict=False)]
    taken = cost_of_a_checkpoint(training.checkpoints)
    interval_s = statistics.mean(pauses)
    counted = share_that_counts(stretches, taken.blocking_s / interval_s)
    mtbf_s = whole / len(stretches)
    expected = goodput.goodput(
        1, taken, device_mtbf_h=mtbf_s / 3600, restart_s=statistics.mean(back), interval_s=interval_s - taken.blocking_s
    )
    result = {
        "kills": len(stretches),
        "wall_s": whole,
        "goodput": counted,
        "young_daly": expected.useful,
        "difference_points": 100 * (counted - expected.useful),
        "restart_s": statistics.mean(back),
        "mtbf_s": mtbf_s,
        "mtbf_wanted_s": wanted_mtbf_s,
        "checkpoint": {**asdict(taken), "interval_s": interval_s, "standstill": taken.blocking_s / interval_s},
        "checkpoint_bytes": max(path.stat().st_size for path in training.checkpoints.glob("step-*")),
        "savings": {str(price): 1 - price / counted for price in PRICES},
        "expected": asdict(expected),
        "stretches": [asdict(one) for one in stretches],
        "model": MODEL,
        "seed": SEED,
        "machine": training.machine,
        "luosi": version("luosi"),
        "torch": version("torch"),
    }
    path = Path(__file__).parent / "results" / "spot.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    print(
        f"goodput {counted:.1%}; Young/Daly {expected.useful:.1%} for failures every {mtbf_s:.0f} s, {result['restart_s']:.1f} s to come back"
    )
    print(
        f"a checkpoint every {interval_s:.1f} s stands still for {1000 * taken.blocking_s:.1f} ms ({taken.blocking_s / interval_s:.2%}) "
        f"and is written in {taken.writing_s:.2f} s"
    )
    for price, saving in result["savings"].items():  # type: ignore[attr-defined]
        print(f"spot at {float(price):.0%} of the usual price saves {saving:.1%}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 8)
