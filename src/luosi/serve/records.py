"""What people left in accounts.db, opened for reading and writing: the questions and corrections of feedback, the battles of the arena.

Blocks: not for the event loop.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Self

import sqlalchemy as sa

from luosi.errors import InputError
from luosi.serve.accounts import migrate
from luosi.sqlite import READS, connect


class Records:
    """A part of one accounts.db; threads and processes may share it.

    Args:
        path: Of accounts.db; made if it is not there.

    Raises:
        InputError: The file is no database, or was written by a newer Luosi; from every method: it cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._engine = connect(path, synchronous="FULL")
        migrate(self._engine, path)

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _reading(self) -> AbstractContextManager[sa.Connection]:
        """The file as it is now; waits for nobody."""
        return self._transaction(self._engine.execution_options(**READS))

    def _writing(self) -> AbstractContextManager[sa.Connection]:
        """Alone with the file until the end, which keeps all or nothing."""
        return self._transaction(self._engine)

    @contextmanager
    def _transaction(self, engine: sa.Engine) -> Iterator[sa.Connection]:
        try:
            with engine.begin() as connection:
                yield connection
        except sa.exc.DatabaseError as error:
            raise InputError(f"{self._path} could not be read or written: {error.orig}") from error
