"""`luosi estimate company`: a model company month by month, from a small TOML file; or the published figures of a folder of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from luosi.cli.common import JsonOption, print_json, print_table
from luosi.errors import InputError


def company(
    file: Annotated[
        str,
        typer.Argument(
            help="TOML: people, compute, data, users, funding; see examples/company. Of a folder, the published figures.",
            metavar="FILE",
        ),
    ],
    json: JsonOption = False,
) -> None:
    """Budget, burn, runway, break-even, cost per user, when models ship, and published figures checked; with intervals."""
    from luosi.estimate.company.report import estimate_company
    from luosi.estimate.company.telling import as_text

    path = Path(file)
    if path.is_dir():
        many = {one.stem: estimate_company(one) for one in sorted(path.glob("*.toml"))}
        if not many:
            raise InputError(f"{path} holds no TOML file", hint="examples/company holds worked examples")
        if json:
            print_json(many)
        else:
            print_figures(many)
        return
    found = estimate_company(path)
    if json:
        print_json(found)
    else:
        print(as_text(found))


def print_figures(many: dict[str, dict[str, Any]]) -> None:
    """The published figures of every file, each with its verdict."""
    rows = [[name, claim["text"]] for name, found in many.items() for claim in found["claims"]]
    print_table("Published figures", ["file", "note"], rows, left=2)
    kinds = ("reproduced", "explained by", "not reproduced")
    told = [claim["verdict"] for found in many.values() for claim in found["claims"]]
    print(
        ", ".join(f"{sum(verdict.startswith(kind) for verdict in told)} {kind.removesuffix(' by')}" for kind in kinds)
    )
