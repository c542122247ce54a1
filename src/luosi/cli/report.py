"""`luosi report`: the verdict as a page or a PDF that can be printed and handed on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from luosi.api import Workspace
from luosi.cli.common import DEFAULT_WORKSPACE, LatestRecipeArgument, WorkspaceOption, latest, say
from luosi.cli.verdict import LanguageOption
from luosi.report import write_report


def report(
    output: Annotated[
        str, typer.Option("--output", "-o", help="Where it goes: FILE.html or FILE.pdf.", metavar="FILE")
    ],
    recipe: LatestRecipeArgument = "",
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    lang: LanguageOption = "en",
) -> None:
    """The verdict to print: the advice, quality against cost as a picture, every question with its answers, what it cost."""
    place = Workspace(workspace)
    name = latest(place, recipe)
    verdicts = place.verdicts(name)
    write_report(
        Path(output),
        place.recipe(name).name,
        place.verdict(name),
        verdicts.answer_rows(),
        bill=place.bill(name),
        language=lang,
    )
    say(f"wrote {output}")
