"""SQLite files that threads and processes share, as SQLAlchemy engines. Knows no table, and neither accounts nor ledger."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Literal

import sqlalchemy as sa

PATIENCE_S = 10.0
"""How long a transaction waits for others to let go of the file."""

READS = {"reads": True}
"""Execution options of transactions that write nothing, see `connect`."""


def connect(path: Path, *, synchronous: Literal["NORMAL", "FULL"] = "NORMAL") -> sa.Engine:
    """An engine whose transactions take the write lock when they begin and wait up to PATIENCE_S for it; those of
    `engine.execution_options(**READS)` see the file as it was when they first read, wait for nobody and let everybody write.

    A kill loses nothing committed; a power cut loses nothing with FULL, and perhaps the last moments with NORMAL.
    """
    url = sa.URL.create("sqlite", database=str(path))
    engine = sa.create_engine(url, connect_args={"timeout": PATIENCE_S, "check_same_thread": False})

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # the driver's own BEGIN is deferred; the listener below begins instead
        _write_ahead(connection)
        connection.execute(f"PRAGMA synchronous={synchronous}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        reads = connection.get_execution_options().get("reads", False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Put the file into WAL mode, in which it stays. SQLite's timeout does not hold here: while another process has begun to
    write a new file that is not in that mode yet, the switch is refused at once."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
        time.sleep(0.01)
