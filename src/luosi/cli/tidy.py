"""`luosi verify` and `luosi gc`: is everything whole, and what can go."""

from __future__ import annotations

from typing import Annotated

import typer

from luosi.api import Workspace
from luosi.cli.common import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption, print_json, print_table, say, size


def verify(workspace: WorkspaceOption = DEFAULT_WORKSPACE, json: JsonOption = False) -> None:
    """Compare every published file with its digest; exit 1 if anything differs. Changes nothing."""
    place = Workspace(workspace)
    damaged = place.verify()
    if json:
        print_json({"damaged": damaged})
    for one in damaged if not json else []:
        print(f"{one.stage} {one.key} (step {one.step or 'unknown'}): {'; '.join(one.problems)}")
    if damaged:
        say("hint: `luosi run RECIPE --rebuild STEP` makes a damaged step again")
        raise typer.Exit(1)
    say(f"{len(place.show())} artifacts, all whole")


def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    json: JsonOption = False,
) -> None:
    """Delete artifacts that no recipe's steps lead to, and half-built ones. Attempts stay: they are the bill."""
    freed = Workspace(workspace).gc(dry_run=dry_run)
    if json:
        print_json({"freed": [{"path": path, "bytes": count} for path, count in freed], "dry_run": dry_run})
        return
    print_table("", ["path", "size"], [[path, size(count)] for path, count in freed])
    say(f"{'would free' if dry_run else 'freed'} {size(sum(count for _, count in freed))}")
