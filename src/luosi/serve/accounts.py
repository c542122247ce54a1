"""accounts.db: what each served request used and cost. Truth, not an index: it is migrated, never rebuilt. Knows nothing of HTTP.
What people said of answers lies in the same file, see serve/feedback.py and serve/battles.py.

One thread owns the connection and commits what has queued up at once (BEGIN IMMEDIATE, WAL), so that neither the event
loop nor another process waits long. An unknown price or an unreported usage is stored as NULL, never as 0.
"""

from __future__ import annotations

import datetime
import queue
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import sqlalchemy as sa

from luosi.cost import Money
from luosi.errors import InputError
from luosi.serve.migrations import MIGRATIONS
from luosi.serve.prices import Usage
from luosi.sqlite import READS, connect

Status = Literal["done", "cancelled", "failed"]

metadata = sa.MetaData()
charges = sa.Table(
    "charges",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("time", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("upstream", sa.Text, nullable=False),
    sa.Column("prompt_tokens", sa.Integer),
    sa.Column("completion_tokens", sa.Integer),
    sa.Column("nano", sa.Integer),
    sa.Column("currency", sa.Text),
    sa.Column("status", sa.Text, nullable=False),
)
versions = sa.Table("versions", metadata, sa.Column("version", sa.Integer, primary_key=True))


@dataclass(frozen=True)
class Charge:
    """One request that reached an upstream; `usage` is None where it was not reported, `cost` where the price is unknown too."""

    model: str
    upstream: str
    status: Status
    usage: Usage | None
    cost: Money | None

    def row(self) -> dict[str, Any]:
        """The values of its row."""
        return {
            "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
            "model": self.model,
            "upstream": self.upstream,
            "prompt_tokens": self.usage.prompt_tokens if self.usage else None,
            "completion_tokens": self.usage.completion_tokens if self.usage else None,
            "nano": self.cost.nano if self.cost else None,
            "currency": self.cost.currency if self.cost else None,
            "status": self.status,
        }


@dataclass(frozen=True)
class Total:
    """What one model's requests add up to in one currency ("" where the price was unknown)."""

    model: str
    currency: str
    requests: int
    prompt_tokens: int
    completion_tokens: int
    nano: int | None
    unreported: int
    """Requests whose tokens nobody reported; they are not in the sums."""


class Accounts:
    """The charges of one gateway process; open it after any fork.

    Raises:
        InputError: The file is no database, or was written by a newer Luosi.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._engine = connect(path)
        migrate(self._engine, path)
        self._queue: queue.SimpleQueue[tuple[Charge, Future[None]] | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="accounts", daemon=True)
        self._writer.start()

    def record(self, charge: Charge) -> Future[None]:
        """Queue one charge; the future is done when it is committed. Returns at once."""
        done: Future[None] = Future()
        self._queue.put((charge, done))
        return done

    def totals(self) -> list[Total]:
        """Sums by model and currency, largest number of requests first. Blocks: not for the event loop."""
        query = (
            sa.select(
                charges.c.model,
                sa.func.coalesce(charges.c.currency, ""),
                sa.func.count(),
                sa.func.coalesce(sa.func.sum(charges.c.prompt_tokens), 0),
                sa.func.coalesce(sa.func.sum(charges.c.completion_tokens), 0),
                sa.func.sum(charges.c.nano),
                sa.func.count() - sa.func.count(charges.c.prompt_tokens),
            )
            .group_by(charges.c.model, charges.c.currency)
            .order_by(sa.func.count().desc(), charges.c.model)
        )
        with self._engine.execution_options(**READS).connect() as connection:
            return [Total(*row) for row in connection.execute(query)]

    def close(self) -> None:
        """Commit what is queued and let go of the file."""
        self._queue.put(None)
        self._writer.join()
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _write(self) -> None:
        while (item := self._queue.get()) is not None:
            batch = [item]
            closing = False
            while not self._queue.empty() and not closing:
                following = self._queue.get()
                closing = following is None
                if following is not None:
                    batch.append(following)
            self._commit(batch)
            if closing:
                return

    def _commit(self, batch: list[tuple[Charge, Future[None]]]) -> None:
        try:
            with self._engine.begin() as connection:
                connection.execute(sa.insert(charges), [charge.row() for charge, _ in batch])
            trouble = None
        except Exception as error:  # whatever it is, each waiting request must hear of it and the writer must go on
            trouble = InputError(f"the accounts database could not be written: {error}")
        for _, done in batch:
            if not done.set_running_or_notify_cancel():
                continue
            if trouble:
                done.set_exception(trouble)
            else:
                done.set_result(None)


def migrate(engine: sa.Engine, path: Path) -> None:
    """Bring the database to this version of Luosi, in one transaction.

    Raises:
        InputError: It is newer than this Luosi, or no database at all.
    """
    try:
        with engine.begin() as connection:
            connection.execute(sa.text("CREATE TABLE IF NOT EXISTS versions (version INTEGER PRIMARY KEY)"))
            version = connection.scalar(sa.select(sa.func.max(versions.c.version))) or 0
            if version > len(MIGRATIONS):
                raise InputError(
                    f"{path} is of version {version}, this Luosi knows {len(MIGRATIONS)}",
                    hint="upgrade Luosi, or give another accounts file",
                )
            for number, statements in enumerate(MIGRATIONS[version:], version + 1):
                for statement in statements:
                    connection.execute(sa.text(statement))
                connection.execute(sa.insert(versions), {"version": number})
    except sa.exc.DatabaseError as error:
        raise InputError(
            f"{path} cannot be used as the accounts database: {error.orig}",
            hint="give another path, or restore it from a backup",
        ) from error
