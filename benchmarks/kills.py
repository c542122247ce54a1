"""Kill a real run of recipes/small.toml fifty times at random moments; its bytes must equal an uninterrupted run's.

    python benchmarks/kills.py [KILLS]

Prints one line a round and writes benchmarks/results/kills.json.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.killing import published, run_with_kills

from luosi import Workspace
from luosi.api import shipped_recipe

ROUND = 12
"""Kills of one run, which is then let end."""
LONGEST_S = 5.0
"""A kill comes up to so long after a step began: long enough that it may hit any of the later ones."""


def main(wanted: int) -> None:
    """Rounds of a fresh workspace each, until so many kills have hit."""
    recipe = shipped_recipe("small")
    survived, rounds, hit_steps = 0, 0, dict[str, int]()
    with tempfile.TemporaryDirectory() as folder:
        calm = Workspace(Path(folder) / "calm")
        calm.run(recipe)
        expected = published(calm.root)
        names = {key: step for step, key in calm.graph(recipe).keys.items()}
        while survived < wanted:
            begun = time.monotonic()
            root = Path(folder) / f"round{rounds}"
            hit = run_with_kills(root, recipe, min(ROUND, wanted - survived), seed=rounds, longest_s=LONGEST_S)
            different = {name for name in expected if published(root).get(name) != expected[name]}
            bill = Workspace(root).bill(recipe)
            if different or bill.total.killed != sum(hit.values()):
                raise SystemExit(
                    f"round {rounds}: {len(different)} files differ: {sorted(different)[:5]}; bill {bill.total.killed}, hit {hit}"
                )
            survived += sum(hit.values())
            rounds += 1
            for key, count in hit.items():
                hit_steps[names[key]] = hit_steps.get(names[key], 0) + count
            print(
                f"round {rounds}: {sum(hit.values())} kills, {len(expected)} files equal, {time.monotonic() - begun:.0f} s; {survived} of {wanted}"
            )
    result = {
        "kills": survived,
        "rounds": rounds,
        "files": len(expected),
        "by_step": hit_steps,
        "machine": calm.machine().name,
        "luosi": version("luosi"),
        "torch": version("torch"),
    }
    path = Path(__file__).parent / "results" / "kills.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n")
    print(f"survived {survived} kills: {hit_steps}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50)
