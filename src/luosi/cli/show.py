"""`luosi show` and `luosi lineage`: what is there, and from what it was made."""

from __future__ import annotations

from typing import Annotated

import typer

from luosi.api import Workspace
from luosi.cli.common import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption, print_json, print_table, say, size
from luosi.pipeline.lineage import Node

RefArgument = Annotated[str, typer.Argument(help="A key (or its beginning), STEP or RECIPE/STEP.", metavar="REF")]


def show(
    ref: Annotated[
        str, typer.Argument(help="A key (or its beginning), STEP or RECIPE/STEP; all if left out.", metavar="[REF]")
    ] = "",
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    json: JsonOption = False,
) -> None:
    """What is there: every artifact, or one with its configuration, facts and files."""
    place = Workspace(workspace)
    if ref:
        manifest = place.find(ref)
        if json:
            print_json(manifest)
            return
        print_json(manifest.model_dump(mode="json", exclude={"files"}, exclude_none=True))
        print_table(
            "Files", ["file", "size", "sha256"], [[f.path, size(f.bytes), f.sha256[:16]] for f in manifest.files]
        )
        say(str(place.store.folder(manifest.stage, manifest.key) / "out"))
        return
    artifacts = place.show()
    if json:
        print_json(artifacts)
        return
    rows = [
        [", ".join(a.names) or "(no recipe leads to it)", a.kind, a.key, size(a.bytes), a.created_at] for a in artifacts
    ]
    print_table("", ["name", "kind", "key", "size", "made"], rows, left=3)
    if not rows:
        say(f"nothing in {place.root} yet")


def lineage(ref: RefArgument, workspace: WorkspaceOption = DEFAULT_WORKSPACE, json: JsonOption = False) -> None:
    """From what an artifact was made, back to the digests of the raw files."""
    node = Workspace(workspace).lineage(ref)
    if json:
        print_json(_plain(node))
    else:
        _print(node, 0)


def _plain(node: Node) -> dict[str, object]:
    manifest = node.manifest
    return {
        "key": node.key,
        "role": node.role,
        "stage": manifest.stage if manifest else None,
        "step": manifest.step if manifest else None,
        "config": manifest.config if manifest else None,
        "created_at": manifest.created_at if manifest else None,
        "inputs": [_plain(child) for child in node.inputs],
    }


def _print(node: Node, depth: int) -> None:
    manifest = node.manifest
    what = (
        f"{manifest.step} ({manifest.stage} {manifest.stage_version}, {manifest.created_at})"
        if manifest
        else "was deleted"
    )
    print(f"{'  ' * depth}{node.role + ': ' if node.role else ''}{node.key}  {what}")
    for child in node.inputs:
        _print(child, depth + 1)
