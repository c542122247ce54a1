"""`luosi serve`: own and rented models behind one OpenAI-shaped address, with pages."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from luosi.api import Workspace
from luosi.cli.common import DEFAULT_WORKSPACE, WorkspaceOption, say
from luosi.errors import MissingDependency

if TYPE_CHECKING:
    from luosi.serve.prompts import Prompt

KEY_VARIABLE = "LUOSI_API_KEY"


def serve(
    refs: Annotated[
        list[str],
        typer.Argument(
            help="Models: STEP, RECIPE/STEP or a key; every finished model if left out.", metavar="[REF]..."
        ),
    ] = [],
    upstream: Annotated[
        list[str],
        typer.Option(
            help="Another OpenAI-shaped address: NAME=URL, or NAME=URL#KEY_VARIABLE for its key; priced if NAME is in the price table. May be repeated.",
            metavar="NAME=URL",
        ),
    ] = [],
    host: Annotated[str, typer.Option(help=f"Anything but loopback needs a key in {KEY_VARIABLE}.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    context: Annotated[int, typer.Option(min=128, help="Tokens of context for each answer.")] = 4096,
    pages: Annotated[
        bool, typer.Option(help="Chat, arena, leaderboard, runs, verdict, questions, bill and plan in the browser.")
    ] = True,
    prompts: Annotated[
        Path | None,
        typer.Option(
            help="Prompts that the arena offers, beside your own questions: JSONL, CSV or XLSX with a column `prompt` (and `topic`), or text, one a line.",
            metavar="FILE",
        ),
    ] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Serve finished models (and rented ones) at /v1, and the pages at /, until Ctrl-C.

    A model whose recipe has passages of your files is there twice: NAME, and NAME+files, which answers from them and cites.
    """
    from luosi.plan.rented import split_address
    from luosi.retrieval.search import Searcher
    from luosi.serve import server
    from luosi.serve.grounded import Files, with_files
    from luosi.serve.prices import TokenPrice
    from luosi.serve.upstreams import Address, LocalEngine, ServedModel

    place = Workspace(workspace)
    pool = _pool(prompts)
    cores = place.machine().cores
    models = []
    for one in place.served(refs):
        model = ServedModel(one.name, LocalEngine(one.bundle.gguf, threads=cores, context=context))
        models.append(model)
        if one.index:
            models.append(with_files(model, Files(Searcher(one.index.path), passages=one.passages)))
    listed = place.prices().models
    for text in upstream:
        name, url, variable = split_address(text)
        row = listed.get(name)
        price = TokenPrice(prompt=row.prompt, completion=row.completion) if row else None
        models.append(ServedModel(name, Address(url, key_variable=variable), price=price))
    if not models:
        say("no finished model yet: the pages show runs; `luosi demo` makes some")
    place.root.mkdir(parents=True, exist_ok=True)
    server.run(
        models,
        accounts=place.root / "accounts.db",
        host=host,
        port=port,
        api_key=os.environ.get(KEY_VARIABLE, ""),
        pages=_pages(place, pool) if pages else None,
        announce=lambda url: say(
            f"{url}/v1 speaks OpenAI's API; pages at {url}/  (models: {', '.join(m.name for m in models) or 'none'})"
        ),
    )


def _pool(path: Path | None) -> list[Prompt]:
    """The prompts of the file; what could not be used is said."""
    from luosi.serve.prompts import read_prompts

    if path is None:
        return []
    found, refused = read_prompts(path)
    for why, count in refused.items():
        say(f"{path.name}: {count:,} not taken: {why}")
    return found


def _pages(place: Workspace, pool: list[Prompt]) -> partial[None]:
    try:
        from luosi.web.site import mount
    except ImportError as error:
        raise MissingDependency(
            "nicegui", needed_for="the pages", install="pip install 'luosi[pages]', or use --no-pages"
        ) from error
    return partial(mount, workspace=place, prompts=pool)
