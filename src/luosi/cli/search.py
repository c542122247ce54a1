"""`luosi search`: the passages of an index that a question finds, as the models are shown them."""

from __future__ import annotations

from typing import Annotated

import typer

from luosi.api import Workspace
from luosi.artifacts import Index
from luosi.cli.common import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption, print_json, say
from luosi.errors import UsageError


def search(
    index: Annotated[str, typer.Argument(help="A key (or its beginning), STEP or RECIPE/STEP.", metavar="INDEX")],
    question: Annotated[str, typer.Argument(help="As you would ask a model.", metavar="QUESTION")],
    count: Annotated[int, typer.Option("--count", "-k", min=1, max=1000, help="Passages to find.")] = 5,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    json: JsonOption = False,
) -> None:
    """Find passages of your files: what a model is shown with this question."""
    from luosi.retrieval.search import Searcher

    place = Workspace(workspace)
    found = place.open(index)
    if not isinstance(found, Index):
        raise UsageError(
            f"{index} is a {type(found).__name__}, expected an Index", hint="`luosi show` lists what is there"
        )
    hits = Searcher(found.path).search(question, count)
    if json:
        print_json([{"score": hit.score, **hit.passage.model_dump()} for hit in hits])
        return
    for number, hit in enumerate(hits, 1):
        passage = hit.passage
        heading = f" - {passage.heading}" if passage.heading else ""
        print(f"[{number}] {hit.score:.3f}  {passage.place}{heading}\n{passage.text}\n")
    if not hits:
        say("no passage is like this question in anything")
