"""Lineage: from what an artifact was made, by walking manifests. The database only makes it fast; this is the truth."""

from __future__ import annotations

from dataclasses import dataclass, field

from luosi.artifacts import Manifest
from luosi.errors import UnknownReference
from luosi.pipeline.store import Store


@dataclass(frozen=True)
class Node:
    """One artifact and what it was made from; `manifest` is None where it was deleted since."""

    key: str
    role: str
    manifest: Manifest | None
    inputs: list[Node] = field(default_factory=list)


def lineage(store: Store, key: str, role: str = "") -> Node:
    """The tree of artifacts below `key`."""
    try:
        manifest = store.find(key)
    except UnknownReference:
        return Node(key, role, None)
    inputs = [lineage(store, k, r) for r, keys in sorted(manifest.inputs.items()) for k in keys]
    return Node(key, role, manifest, inputs)


def ancestors(store: Store, key: str) -> list[str]:
    """`key` and every key it was made from, each once, itself first."""
    seen: dict[str, None] = {}
    queue = [lineage(store, key)]
    while queue:
        node = queue.pop(0)
        seen.setdefault(node.key)
        queue += node.inputs
    return list(seen)
