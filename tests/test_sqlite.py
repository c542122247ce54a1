"""Files that several share: what SQLite's own timeout does not cover."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

import luosi.sqlite
from luosi.sqlite import connect


@contextmanager
def beginning_to_write(path: Path) -> Iterator[sqlite3.Connection]:
    """Somebody who has just made the file, has not switched it to WAL mode, and is in the middle of a transaction."""
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


def test_a_file_that_somebody_begins_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    engine = connect(path)
    with beginning_to_write(path) as other:
        letting_go = threading.Timer(0.3, other.execute, ["COMMIT"])
        letting_go.start()
        with engine.begin() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        letting_go.join()
    engine.dispose()


def test_waiting_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(luosi.sqlite, "PATIENCE_S", 0.2)
    path = tmp_path / "new.db"
    engine = connect(path)
    with (
        beginning_to_write(path),
        pytest.raises(sa.exc.OperationalError, match="database is locked"),
        engine.begin(),
    ):
        pass
    engine.dispose()
