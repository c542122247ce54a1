"""Speed, memory and agreement of luosi.ranking beside arena-rank, on made votes: 2,000,000 votes between 250 models.

    python benchmarks/ranking.py [--votes 2000000] [--peer PYTHON] [--file VOTES.csv]

arena-rank 0.1.1 runs in an environment of its own, which is made in luosi-work/peers unless `--peer` names a Python that has it. Every
figure is the processor time of a fresh process, without its start and the making of the votes, the median of three; the two
take turns. arena-rank stops where its likelihood changes by less than 1e-9, which leaves up to 0.02 Elo on small files: "run to convergence"
asks for more. "CSV" is `luosi rank` as a whole: start, reading, ranking, table. With `--file` both rank that file too and their
ratings are compared. Writes benchmarks/results/ranking.json.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SEED, MODELS, REPEATS = 11, 250, 3
PEER = "arena-rank==0.1.1"
GOALS = {
    "integers, arena-rank's model": 0.5, "strings, arena-rank's model": 1.0, "by voter and prompt": 3.0,
    "style, 4 features": 2.0, "CSV": 2.0, "refit after one vote, 100 models": 0.05,
}  # fmt: skip
PEER_SCRIPT = """
import json, resource, sys, time
import numpy as np
case, data = sys.argv[1:]
import pandas as pd
from arena_rank.models.bradley_terry import BradleyTerry
from arena_rank.models.contextual_bradley_terry import ContextualBradleyTerry
from arena_rank.utils.data_utils import ContextualPairDataset, PairDataset
if data.endswith(".csv"):
    frame = pd.read_csv(data)
    a, b = ("left", "right") if "left" in frame else ("model_a", "model_b")
    frame = frame.rename(columns={a: "model_a", b: "model_b"}).replace({"winner": {"left": "model_a", "right": "model_b"}})
else:
    held = np.load(data)
    names = np.array([f"model-{i:03}" for i in range(int(held["models"]))], object)
    words = np.array(["model_a", "model_b", "tie"], object)
    frame = pd.DataFrame({"model_a": names[held["left"]], "model_b": names[held["right"]], "winner": words[held["outcome"]]})
    for f in range(4):
        frame[f"f{f}"] = held["features"][:, f]
began = time.process_time()
if case == "style":
    dataset = ContextualPairDataset.from_pandas(frame, feature_cols=["f0", "f1", "f2", "f3"], reweighted=False)
    model = ContextualBradleyTerry(n_competitors=len(dataset.competitors), n_features=4)
else:
    dataset = PairDataset.from_pandas(frame)
    exact = {"ftol": 1e-16, "gtol": 1e-13} if case == "exact" else {}
    model = BradleyTerry(n_competitors=len(dataset.competitors), **exact)
found = model.compute_ratings_and_cis(dataset)
spent = time.process_time() - began
print(json.dumps({
    "cpu_s": spent, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    "ratings": dict(zip(found["competitors"], map(float, found["ratings"]))),
    "low": dict(zip(found["competitors"], map(float, found["rating_lower"]))),
}))
"""


def made(votes: int, models: int) -> dict[str, Any]:
    """Votes with ties, voters, prompts and features."""
    random = np.random.default_rng(SEED)
    truth = random.normal(size=models) * 0.7
    left = random.integers(0, models, votes).astype(np.int32)
    right = ((left + random.integers(1, models, votes)) % models).astype(np.int32)
    features = random.normal(size=(votes, 4))
    lead = truth[left] - truth[right] + features @ [0.2, 0.0, -0.1, 0.05]
    outcome = np.where(random.random(votes) < 1 / (1 + np.exp(-lead)), 0, 1)
    outcome = np.where(random.random(votes) < 0.25, 2, outcome).astype(np.int8)
    voter = (50_000 * random.beta(0.6, 1.5, votes)).astype(np.int32)
    prompt = random.integers(0, 200_000, votes).astype(np.int32)
    return {
        "models": models, "left": left, "right": right, "outcome": outcome, "voter": voter, "prompt": prompt,
        "features": features,
    }  # fmt: skip


def timed(work: Callable[[], Any], after: Callable[[Any], Any]) -> tuple[float, Any]:
    began = time.process_time()
    found = work()
    after(found)
    return time.process_time() - began, found


def worker(case: str, data: str) -> None:
    """One measurement of luosi.ranking, as JSON."""
    from luosi.ranking import Votes, rank, read_votes

    plain = {"ties": "half", "cluster": "none", "checks": False}
    if data.endswith(".csv"):
        spent, found = timed(lambda: rank(read_votes(data), **plain), lambda r: r.models)
        said(spent, found)
        return
    held = np.load(data)
    names = tuple(f"model-{i:03}" for i in range(int(held["models"])))
    left, right, outcome = (held[name] for name in ("left", "right", "outcome"))
    if case == "strings":
        words = [
            np.array(w, object)[c].tolist()
            for w, c in ((names, left), (names, right), (("model_a", "model_b", "tie"), outcome))
        ]
        columns = dict(zip(("model_a", "model_b", "winner"), words, strict=True))
        said(*timed(lambda: rank(columns, **plain), lambda r: r.models))
        return
    more: dict[str, Any] = {}
    if case.startswith("style"):
        more = {"features": held["features"], "feature_names": ("f0", "f1", "f2", "f3")}
    if case in ("clustered", "refit clustered"):
        more = {"voter": held["voter"], "prompt": held["prompt"]}
    votes = Votes(names, left, right, outcome, **more)
    settings: dict[str, Any] = {"integers": plain, "style": {**plain}, "style auto": {}}.get(case, {})
    spent, found = timed(lambda: rank(votes, **settings), lambda r: r.models)
    if case.startswith("refit"):
        one = Votes(names, left[:1], right[:1], outcome[:1])
        times = [timed(lambda: found.refit(one), lambda r: r.models)[0] for _ in range(9)]
        spent = statistics.median(times)
    said(spent, found)


def said(spent: float, found: Any) -> None:
    place = {line.model: line for line in found.models}
    print(json.dumps({
        "cpu_s": spent, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "ratings": {name: line.rating for name, line in place.items()}, "low": {n: line.low for n, line in place.items()},
    }))  # fmt: skip


def measured(command: list[str]) -> dict[str, Any]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def program(path: Path) -> dict[str, Any]:
    """`luosi rank` from start to end."""
    command = [sys.executable, "-c", "import sys; from luosi.cli import main; sys.argv[0] = 'luosi'; main()"]
    with subprocess.Popen([*command, "rank", str(path)], stdout=subprocess.DEVNULL) as started:
        _, status, used = os.wait4(started.pid, 0)
        started.returncode = os.waitstatus_to_exitcode(status)
    if started.returncode:
        sys.exit(f"luosi rank ended with {started.returncode}")
    return {"cpu_s": used.ru_utime + used.ru_stime, "peak_mb": used.ru_maxrss / 1024}


def written(data: dict[str, Any], path: Path) -> None:
    names = np.array([f"model-{i:03}" for i in range(data["models"])], object)
    words = np.array(["model_a", "model_b", "tie"], object)[data["outcome"]]
    with path.open("w") as file:
        file.write("model_a,model_b,winner\n")
        file.writelines(
            f"{a},{b},{w}\n" for a, b, w in zip(names[data["left"]], names[data["right"]], words, strict=True)
        )


def environment() -> str:
    """A Python with arena-rank."""
    folder = Path(__file__).parents[1] / "luosi-work" / "peers" / "arena-rank"
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", PEER], check=True)
    return str(python)


def agreement(ours: dict[str, Any], peer: dict[str, Any]) -> dict[str, float]:
    """Largest differences of ratings and of lower ends, Elo."""
    assert set(ours["ratings"]) == set(peer["ratings"]), "the same models"
    return {
        key: max(abs(ours[what][name] - peer[what][name]) for name in ours["ratings"])
        for key, what in (("ratings", "ratings"), ("low", "low"))
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--votes", type=int, default=2_000_000)
    parser.add_argument("--peer", default="")
    parser.add_argument("--file", default="")
    parser.add_argument("--only", default="", help="measure the cases whose name holds this, keep the others' figures")
    parser.add_argument("--worker", nargs=2)
    chosen = parser.parse_args()
    if chosen.worker:
        worker(*chosen.worker)
        return
    peer = chosen.peer or environment()
    rows: dict[str, dict[str, Any]] = {}
    compared: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        big, small, table, script = (Path(folder) / name for name in ("big.npz", "small.npz", "votes.csv", "peer.py"))
        script.write_text(PEER_SCRIPT)
        data = made(chosen.votes, MODELS)
        np.savez(big, **data)
        np.savez(small, **made(chosen.votes, 100))
        written(data, table)
        own = [sys.executable, __file__, "--worker"]
        cases: dict[str, list[list[str]]] = {
            "integers, arena-rank's model": [[*own, "integers", str(big)], [peer, str(script), "plain", str(big)]],
            "strings, arena-rank's model": [[*own, "strings", str(big)]],
            "integers, ties chosen": [[*own, "ties", str(big)]],
            "by voter and prompt": [[*own, "clustered", str(big)]],
            "style, 4 features": [[*own, "style", str(big)], [peer, str(script), "style", str(big)]],
            "style, 4 features, ties chosen": [[*own, "style auto", str(big)]],
            "refit after one vote, 100 models": [[*own, "refit", str(small)]],
            "refit after one vote, 100 models, clustered": [[*own, "refit clustered", str(small)]],
            "CSV": [[]],
        }  # fmt: skip
        print(f"{chosen.votes:,} votes, {MODELS} models{'':<12} CPU s   peak MB   goal   arena-rank CPU s   MB   ratio")
        for name, commands in ((name, commands) for name, commands in cases.items() if chosen.only in name):
            taken: list[list[dict[str, Any]]] = [[], []]
            for _ in range(REPEATS):
                for place, command in enumerate(commands):
                    taken[place].append(measured(command) if command else program(table))
            rows[name] = shown(name, taken)
            if name.startswith("integers, arena"):
                compared["made votes"] = agreement(taken[0][0], taken[1][0])
        if chosen.file:
            ours = measured([*own, "file", chosen.file])
            for case, note in (("plain", ""), ("exact", ", arena-rank run to convergence")):
                compared[Path(chosen.file).name + note] = agreement(
                    ours, measured([peer, str(script), case, chosen.file])
                )
    for name, found in compared.items():
        print(
            f"{name}: ratings differ from arena-rank's by {found['ratings']:.4f} Elo at most, lower ends by {found['low']:.4f}"
        )
    finish(rows, compared, chosen)


def shown(name: str, taken: list[list[dict[str, Any]]]) -> dict[str, Any]:
    middle = [statistics.median(one["cpu_s"] for one in part) if part else None for part in taken]
    peak = [max((one["peak_mb"] for one in part), default=None) for part in taken]
    row = {
        "cpu_s": middle[0],
        "peak_mb": peak[0],
        "goal_cpu_s": GOALS.get(name),
        "peer_cpu_s": middle[1],
        "peer_peak_mb": peak[1],
    }
    row["all_cpu_s"] = [one["cpu_s"] for one in taken[0]]
    goal = f"{GOALS[name]:g}" if name in GOALS else ""
    beside = f"{middle[1]:>14.2f} {peak[1]:>8.0f} {middle[1] / middle[0]:>6.0f} x" if middle[1] and middle[0] else ""
    print(f"{name:<44}{middle[0]:>7.3f} {peak[0]:>9.0f} {goal:>6} {beside}", flush=True)
    return row


def finish(rows: dict[str, Any], compared: dict[str, Any], chosen: argparse.Namespace) -> None:
    from luosi import Workspace

    path = Path(__file__).parent / "results" / "ranking.json"
    if chosen.only:
        before = json.loads(path.read_text())
        rows, compared = {**before["rows"], **rows}, {**before["agreement_elo"], **compared}

    result = {
        "votes": chosen.votes, "models": MODELS, "rows": rows, "agreement_elo": compared, "peer": PEER, "seed": SEED,
        "repeats": REPEATS, "python": sys.version.split()[0], "numpy": np.__version__,
        "machine": Workspace().machine().name, "load": os.getloadavg()[0],
    }  # fmt: skip
    path.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
