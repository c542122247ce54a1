"""runs.db: an index of artifacts and attempts that anyone can query with SQL. Rebuilt from manifests and logs, never the only copy.

Knows no accounts: money that others owe or paid lives in serve/accounts.py, which is truth.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import JSON, Column, Float, Integer, MetaData, String, Table, insert

from luosi.artifacts import Manifest
from luosi.ledger.attempts import Try
from luosi.sqlite import connect

metadata = MetaData()

artifacts = Table(
    "artifacts", metadata,
    Column("key", String, primary_key=True), Column("stage", String), Column("kind", String), Column("recipe", String),
    Column("step", String), Column("created_at", String), Column("bytes", Integer), Column("wall_s", Float),
    Column("cpu_s", Float), Column("flop", Float), Column("joules", Float), Column("manifest", JSON),
)  # fmt: skip

attempts = Table(
    "attempts", metadata,
    Column("id", String, primary_key=True), Column("key", String, index=True), Column("recipe", String, index=True),
    Column("step", String), Column("stage", String), Column("machine", String), Column("started_at", String),
    Column("reason", String), Column("message", String), Column("planned_s", Float), Column("wall_s", Float),
    Column("cpu_s", Float), Column("flop", Float), Column("joules", Float), Column("tokens", Integer),
    Column("peak_rss_bytes", Integer), Column("foreign_cores", Float),
)  # fmt: skip


def rebuild(path: Path, manifests: Iterable[Manifest], tries: Iterable[Try]) -> None:
    """Write the whole index anew in one transaction; there are hundreds of rows, not millions."""
    engine = connect(path)
    with engine.begin() as connection:
        metadata.drop_all(connection)
        metadata.create_all(connection)
        if rows := [_artifact_row(manifest) for manifest in manifests]:
            connection.execute(insert(artifacts), rows)
        if rows := [_attempt_row(one) for one in tries]:
            connection.execute(insert(attempts), rows)
    engine.dispose()


def _artifact_row(manifest: Manifest) -> dict[str, object]:
    row: dict[str, object] = manifest.model_dump(include={"key", "stage", "kind", "recipe", "step", "created_at"})
    row |= manifest.cost.model_dump(include={"wall_s", "cpu_s", "flop", "joules"})
    return row | {"bytes": sum(file.bytes for file in manifest.files), "manifest": manifest.model_dump(mode="json")}


def _attempt_row(one: Try) -> dict[str, object]:
    row: dict[str, object] = one.model_dump(
        include={"id", "key", "recipe", "step", "stage", "machine", "started_at", "reason", "message", "foreign_cores"}
    )
    row |= one.cost.model_dump(include={"wall_s", "cpu_s", "flop", "joules", "tokens", "peak_rss_bytes"})
    return row | {"planned_s": one.planned.seconds.p50}
