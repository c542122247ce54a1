"""`luosi new`: a recipe for this text, this machine and this budget."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from luosi.api import Asked, Workspace
from luosi.cli.common import DEFAULT_WORKSPACE, WorkspaceOption, say
from luosi.errors import UsageError


def new(
    files: Annotated[list[str], typer.Argument(help="Your text: files and folders.", metavar="FILES...")],
    budget: Annotated[
        str, typer.Option(help="What may be spent in all: '10 min', '1 h', '5 USD', '2 kWh' or '1e17 FLOP'.")
    ],
    questions: Annotated[
        str,
        typer.Option(
            help="Your own questions with known answers, JSONL, CSV or XLSX: every route is then asked them, with your files and without.",
            metavar="FILE",
        ),
    ] = "",
    rent: Annotated[
        list[str],
        typer.Option(
            help="Ask a rented model too: NAME=URL, or NAME=URL#KEY_VARIABLE for its key; NAME is its row in the price table. May be repeated.",
            metavar="NAME=URL",
        ),
    ] = [],
    cap: Annotated[str, typer.Option(help="The most that rented models' answers may cost in all.")] = "1 USD",
    system: Annotated[
        str, typer.Option(help="A system prompt for every model asked; the made models carry it.", metavar="TEXT")
    ] = "",
    corrections: Annotated[
        str,
        typer.Option(help="Corrected answers to train on, as `luosi exam export --pairs` writes them.", metavar="FILE"),
    ] = "",
    model: Annotated[
        str, typer.Option(help="An open model: Hugging Face folder or GGUF. SmolLM2-135M if left out.", metavar="PATH")
    ] = "",
    serve: Annotated[
        str,
        typer.Option(
            help="How many answers the model is made for, '1000 a day for 1 year': a model from scratch is then chosen by what it costs to train and to answer with.",
            metavar="TEXT",
        ),
    ] = "",
    output: Annotated[str, typer.Option("--output", "-o", help="Where the recipe goes.", metavar="FILE")] = "my.toml",
    force: Annotated[bool, typer.Option(help="Overwrite an existing recipe.")] = False,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Write a complete recipe by the cheapest promising route, nothing left implicit; then `luosi plan`, `luosi run`."""
    path = Path(output)
    if path.exists() and not force:
        raise UsageError(f"{output} is there already", hint="--output another name, or --force")
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {str(path.parent)!r}", hint="make it first, or --output elsewhere")
    place = Workspace(workspace)
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", path.stem).strip(".-")[:64] or "my"
    asked = Asked(questions=questions, corrections=corrections, rent=rent, cap=cap, system_prompt=system)
    text = place.new(files, budget, asked=asked, model=model, name=name, serve=serve, say=say)
    path.write_bytes(_utf8(text))
    say(f"wrote {output}: read it, then `luosi plan {output}` and `luosi run {output}`")


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        part = text[error.start - 20 : error.end + 20]
        raise UsageError(
            f"a path is not UTF-8: {part!r}", hint="rename the file, or name the folder that it is in"
        ) from None
