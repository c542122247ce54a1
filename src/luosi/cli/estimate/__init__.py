"""`luosi estimate`: what training, serving and a model company cost, at any scale; and how good these estimates are."""

from __future__ import annotations

import os

import typer

from luosi.cli.estimate.check import check
from luosi.cli.estimate.company import company
from luosi.cli.estimate.serve import serve
from luosi.cli.estimate.train import train

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
"""Before numpy comes: to start more threads takes longer than an estimate."""

app = typer.Typer(
    name="estimate",
    help="What training, serving or a model company costs, at any scale, before a cent is spent; no recipe, no GPU, offline.",
    no_args_is_help=True,
)
app.command("train")(train)
app.command("serve")(serve)
app.command("company")(company)
app.command("check")(check)
