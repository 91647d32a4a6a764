"""One ledger file: opening, migrating, reading from any thread, writing from one transaction at a time.

All writes go through one connection behind a lock, in short ``BEGIN IMMEDIATE`` transactions; reads
have a connection a thread and see the last commit (WAL). ``synchronous=FULL``: a commit that returned
survives a power cut.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from ingestor.errors import LedgerError, LedgerTooNew
from ingestor.faultpoint import reached

_APPLICATION_ID = 0x1A6E5702  # so that `file` and a curious person can tell whose database this is
_WAL_LIMIT = 64 * 1024 * 1024  # bytes the WAL file may keep after a checkpoint


class Transaction:
    """An open write transaction. ``seq`` is taken at first use, so one that changes nothing leaves none."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.thread = threading.get_ident()
        self._seq: int | None = None
        self._at = 0.0

    def execute(self, sql: str, parameters: tuple[object, ...] | dict[str, object] = ()) -> sqlite3.Cursor:
        return self.connection.execute(sql, parameters)

    def executemany(self, sql: str, rows: list[tuple[object, ...]]) -> sqlite3.Cursor:
        return self.connection.executemany(sql, rows)

    @property
    def seq(self) -> int:
        """This commit's number; its wall clock is never before that of the commit before it."""
        if self._seq is None:
            last_seq, last_at = self.connection.execute("SELECT coalesce(max(seq), 0), max(at) FROM commits").fetchone()
            self._seq, self._at = last_seq + 1, max(time.time(), last_at or 0.0)
            self.connection.execute("INSERT INTO commits (seq, at) VALUES (?, ?)", (self._seq, self._at))
        return self._seq

    @property
    def at(self) -> float:
        _ = self.seq
        return self._at


class Database:
    """One SQLite file. ``read_only`` opens an existing file for commands that need no lock."""

    def __init__(self, path: Path, migrations: str, *, read_only: bool = False) -> None:
        self.path = path
        self._read_only = read_only
        self._lock = threading.RLock()
        self._readers = threading.local()
        self._all: list[sqlite3.Connection] = []
        self._open_transaction: Transaction | None = None
        if read_only and not path.exists():
            raise LedgerError(f"There is no ledger at {path}.", hint="Run `ingestor backfill PATH` first.")
        self._writer = None if read_only else self._connect()
        try:
            self._migrate(migrations)
        except sqlite3.DatabaseError as error:
            self.close()
            raise LedgerError(
                f"The ledger {path} cannot be opened: {error}.",
                hint="Restore it from a backup, or move it away to build a new one from the sources.",
            ) from error

    # -- reading -------------------------------------------------------------------------------

    def read(self, sql: str, parameters: tuple[object, ...] | dict[str, object] = ()) -> list[tuple[Any, ...]]:
        """All rows of one query, as of the last commit; no read transaction outlives the call. Columns
        have the types of the schema."""
        return self.reader().execute(sql, parameters).fetchall()

    def reader(self) -> sqlite3.Connection:
        """This thread's read connection. Inside a write transaction of this thread: its connection, so
        that what was just written is seen."""
        transaction = self._open_transaction
        if transaction is not None and transaction.thread == threading.get_ident():
            return transaction.connection
        connection: sqlite3.Connection | None = getattr(self._readers, "connection", None)
        if connection is None:
            connection = self._connect(query_only=True)
            self._readers.connection = connection
        return connection

    # -- writing -------------------------------------------------------------------------------

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """All or nothing. Nested calls in one thread join the outer transaction."""
        with self._lock:
            if self._open_transaction is not None:
                yield self._open_transaction
                return
            if self._writer is None:
                raise LedgerError("The ledger is open for reading only.")
            transaction = Transaction(self._writer)
            try:
                self._writer.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                raise LedgerError(f"The ledger cannot be written: {error}.") from error
            self._open_transaction = transaction
            try:
                yield transaction
                reached("ledger.commit")
                self._writer.execute("COMMIT")
            except sqlite3.Error as error:
                self._rollback()
                raise LedgerError(f"The ledger cannot be written: {error}.") from error
            except BaseException:
                self._rollback()
                raise
            finally:
                self._open_transaction = None
            reached("ledger.commit.done")

    def _rollback(self) -> None:
        if self._writer is not None and self._writer.in_transaction:
            self._writer.execute("ROLLBACK")

    def close(self) -> None:
        """Close every connection; the WAL is folded into the file. Safe to call twice."""
        with self._lock:
            for connection in self._all:
                connection.close()
            self._all.clear()
            self._readers = threading.local()
            self._writer = None

    # -- opening -------------------------------------------------------------------------------

    def _connect(self, *, query_only: bool = False) -> sqlite3.Connection:
        target = f"file:{_quoted(self.path)}?mode={'ro' if self._read_only else 'rwc'}"
        try:
            connection = sqlite3.connect(
                target, uri=True, isolation_level=None, check_same_thread=False, timeout=10.0, cached_statements=256
            )
            connection.execute("PRAGMA busy_timeout = 10000")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA cache_size = -32768")  # KiB
            connection.execute("PRAGMA mmap_size = 268435456")
            if not query_only and not self._read_only:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT}")
            if query_only or self._read_only:
                connection.execute("PRAGMA query_only = ON")
        except sqlite3.Error as error:
            raise LedgerError(
                f"The ledger {self.path} cannot be opened: {error}.",
                hint="Check that the state folder is on a local disk and writable.",
            ) from error
        self._all.append(connection)
        return connection

    def _migrate(self, package: str) -> None:
        connection = self._writer or self.reader()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        steps = _migrations(package)
        newest = max(steps)
        if version > newest:
            raise LedgerTooNew(
                f"The ledger {self.path} has schema {version}; this program knows {newest}.",
                hint="Use the newer version of ingestor that wrote it.",
            )
        if self._writer is None:
            if version < newest:
                raise LedgerError(
                    f"The ledger {self.path} has the older schema {version}.",
                    hint="Run `ingestor run` once to upgrade it.",
                )
            return
        for number in range(version + 1, newest + 1):
            # One transaction a step: a crash in between leaves the step before, whole.
            connection.executescript(
                f"BEGIN IMMEDIATE;\n{steps[number]}\n"
                f"PRAGMA application_id = {_APPLICATION_ID};\nPRAGMA user_version = {number};\nCOMMIT;"
            )


def _migrations(package: str) -> dict[int, str]:
    folder = resources.files("ingestor.ledger") / package
    return {
        int(entry.name.split("_", 1)[0]): entry.read_text(encoding="utf-8")
        for entry in folder.iterdir()
        if entry.name.endswith(".sql")
    }


def _quoted(path: Path) -> str:
    return str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
