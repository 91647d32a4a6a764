"""One ledger file: opening, migrating, reading from any thread, writing from one transaction at a time.

All writes go through one connection behind a lock, in short ``BEGIN IMMEDIATE`` transactions; reads
have connections of their own and see the last commit (WAL). ``synchronous=FULL``: a commit that returned
survives a power cut.
"""

from __future__ import annotations

import contextlib
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
from ingestor.ledger.packing import vector_sum
from ingestor.space import NoSpace, is_full

_APPLICATION_ID = 0x1A6E5702  # so that `file` and a curious person can tell whose database this is
_WAL_LIMIT = 64 * 1024 * 1024  # bytes the WAL file may keep after a checkpoint
_BUSY_MS = 10_000
_MAPPED = 2**31 - 65_536  # bytes of a file that are read in place, the most that SQLite maps: a page costs half then
_IDLE_KEPT = 4  # read connections; a moment with more readers must not keep its descriptors for ever
_WAL_LOOK = 100  # commits between two looks at its size
_WAL_WAIT_MS = 200  # how long a commit may wait for readers to let go of a WAL that is too long

_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_NO_ACCESS = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN})
_PRIMARY = 0xFF  # the low byte of an extended result code


class LedgerDamaged(LedgerError):
    """A file of the ledger is not whole; nothing is written into it any more."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(
            f"The ledger file {path} is damaged ({problem}), so nothing is written into it.",
            hint="Move the state folder away, then `ingestor restore BACKUP`; without a backup `ingestor backfill` "
            "builds everything anew from the sources.",
        )


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

    def __init__(self, path: Path, migrations: str, *, read_only: bool = False, each: str = "") -> None:
        """``each`` is a statement that every connection begins with."""
        self.path = path
        self._each = each
        self._read_only = read_only
        self._lock = threading.RLock()
        self._idle: list[sqlite3.Connection] = []
        self._all: list[sqlite3.Connection] = []
        self._open_transaction: Transaction | None = None
        self._commits = 0
        self.damage: LedgerDamaged | None = None  # once found, every further write is refused
        if read_only and not path.exists():
            raise LedgerError(f"There is no ledger at {path}.", hint="Run `ingestor backfill PATH` first.")
        self._writer = None if read_only else self._connect()
        try:
            self._migrate(migrations)
        except sqlite3.Error as error:
            self.close()
            raise self._judged(error, f"The ledger {path} cannot be opened") from error
        except LedgerError:
            self.close()
            raise

    # -- reading -------------------------------------------------------------------------------

    def read(self, sql: str, parameters: tuple[object, ...] | dict[str, object] = ()) -> list[tuple[Any, ...]]:
        """All rows of one query, as of the last commit; no read transaction outlives the call. Columns
        have the types of the schema."""
        try:
            with self._reader() as connection:
                return connection.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise self._judged(error, "The ledger cannot be read") from error

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        """A read connection for one question. Inside a write transaction of this thread: its connection, so
        that what was just written is seen. There are as many as read at once, of which a few are kept, and not
        one a thread: each request that crosses the socket has a thread of its own."""
        transaction = self._open_transaction
        if transaction is not None and transaction.thread == threading.get_ident():
            yield transaction.connection
            return
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connect(query_only=True)
        try:
            yield connection
        finally:
            if connection not in self._all:
                pass  # closed meanwhile
            elif len(self._idle) < _IDLE_KEPT:
                self._idle.append(connection)
            else:
                with contextlib.suppress(ValueError):  # closed just now
                    self._all.remove(connection)
                connection.close()

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
            if self.damage is not None:
                raise self.damage
            transaction = Transaction(self._writer)
            try:
                self._writer.execute("BEGIN IMMEDIATE")
            except sqlite3.Error as error:
                raise self._judged(error, "The ledger cannot be written") from error
            self._open_transaction = transaction
            try:
                yield transaction
                reached("ledger.commit")
                self._writer.execute("COMMIT")
            except sqlite3.Error as error:
                self._rollback()
                raise self._judged(error, "The ledger cannot be written") from error
            except BaseException:
                self._rollback()
                raise
            finally:
                self._open_transaction = None
            self._bound_wal(self._writer)
            reached("ledger.commit.done")

    def _rollback(self) -> None:
        """What cannot even be rolled back is undone when the file is opened next."""
        if self._writer is not None and self._writer.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                self._writer.execute("ROLLBACK")

    def _bound_wal(self, writer: sqlite3.Connection) -> None:
        """SQLite begins its WAL anew only at a moment without readers. Where one search follows on another
        there is none, so now and then such a moment is made: new readers then read the file itself."""
        self._commits += 1
        if self._commits % _WAL_LOOK or self.wal_bytes() <= _WAL_LIMIT:
            return
        with contextlib.suppress(sqlite3.Error):  # a long reader; the next look tries again
            writer.execute(f"PRAGMA busy_timeout = {_WAL_WAIT_MS}")
            writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        writer.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")

    def wal_bytes(self) -> int:
        """The present size of the write-ahead log."""
        try:
            return self.path.with_name(self.path.name + "-wal").stat().st_size
        except OSError:
            return 0

    # -- damage ---------------------------------------------------------------------------------

    def quick_check(self) -> list[str]:
        """What SQLite finds wrong with the file; empty when nothing is. Reads the whole file once: about a
        second for each gigabyte that is in memory, else what the disk takes to read it."""
        try:
            with self._reader() as connection:
                rows = connection.execute("PRAGMA quick_check(20)").fetchall()
        except sqlite3.DatabaseError as error:
            return [str(error)]
        return [str(row) for (row,) in rows if row != "ok"]

    def _judged(self, error: sqlite3.Error, doing: str) -> LedgerError:
        """What an error of SQLite means to those who have to act on it."""
        code = getattr(error, "sqlite_errorcode", 0)
        kind = code & _PRIMARY
        if kind == sqlite3.SQLITE_FULL or (kind in _NO_ACCESS and is_full(self.path.parent)):
            return NoSpace(self.path.parent)
        if kind in _DAMAGE and code != sqlite3.SQLITE_CORRUPT_VTAB:
            # A keyword index out of step is no damage of the file: `verify --repair` mends it.
            self.damage = LedgerDamaged(self.path, str(error))
            return self.damage
        return LedgerError(f"{doing}: {error}.")

    def close(self) -> None:
        """Close every connection; the WAL is folded into the file. Safe to call twice."""
        with self._lock:
            for connection in self._all:
                connection.close()
            self._all.clear()
            self._idle.clear()
            self._writer = None

    # -- opening -------------------------------------------------------------------------------

    def _connect(self, *, query_only: bool = False) -> sqlite3.Connection:
        try:
            connection = self._configured("ro" if self._read_only else "rwc", query_only=query_only)
        except sqlite3.Error as error:
            judged = self._judged(error, f"The ledger {self.path} cannot be opened")
            if isinstance(judged, NoSpace) and self._read_only and self.wal_bytes() == 0:
                # Even reading takes a few pages beside the file. Nobody has written since it was closed, and
                # nobody can: it may be read as it lies there.
                connection = self._configured("ro&immutable=1", query_only=True)
            else:
                judged.hint = judged.hint or "Check that the state folder is on a local disk and writable."
                raise judged from error
        self._all.append(connection)
        return connection

    def _configured(self, mode: str, *, query_only: bool) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"file:{quoted(self.path)}?mode={mode}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=10.0,
            cached_statements=256,
        )
        try:
            connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA cache_size = -32768")  # KiB
            connection.execute(f"PRAGMA mmap_size = {_MAPPED}")
            connection.create_function("vector_sum", 2, vector_sum, deterministic=True)
            if not query_only and not self._read_only:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT}")
            if self._each:
                connection.execute(self._each)
            if query_only or self._read_only:
                connection.execute("PRAGMA query_only = ON")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _migrate(self, package: str) -> None:
        ((version,),) = self.read("PRAGMA user_version")
        steps = _migrations(package)
        newest = max(steps)
        if version > newest:
            raise LedgerTooNew(
                f"The ledger {self.path} has schema {version}; this program knows {newest}.",
                hint="Use the newer version of ingestor that wrote it, or restore the backup that was made before the "
                "upgrade (before-upgrade.tar) into an empty state folder.",
            )
        if self._writer is None:
            if version < newest:
                raise LedgerError(
                    f"The ledger {self.path} has the older schema {version}.",
                    hint="Run `ingestor run` once to upgrade it.",
                )
            return
        if 0 < version < newest and (problems := self.quick_check()):
            raise LedgerDamaged(self.path, problems[0])  # a new schema is laid on a sound file only
        for number in range(version + 1, newest + 1):
            # One transaction a step: a crash in between leaves the step before, whole.
            self._writer.executescript(
                f"BEGIN IMMEDIATE;\n{steps[number]}\n"
                f"PRAGMA application_id = {_APPLICATION_ID};\nPRAGMA user_version = {number};\nCOMMIT;"
            )


def schema_of(path: Path) -> int:
    """The schema of a file, which is only read; 0 where it cannot be told: opening it says why."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{quoted(path)}?mode=ro", uri=True)) as connection:
            ((version,),) = connection.execute("PRAGMA user_version").fetchall()
    except sqlite3.Error:
        return 0
    return int(version)


def newest_schema(package: str) -> int:
    """What ``Database`` brings a file to."""
    return max(_migrations(package))


def _migrations(package: str) -> dict[int, str]:
    folder = resources.files("ingestor.ledger") / package
    return {
        int(entry.name.split("_", 1)[0]): entry.read_text(encoding="utf-8")
        for entry in folder.iterdir()
        if entry.name.endswith(".sql")
    }


def quoted(path: Path) -> str:
    """A path as it stands in a ``file:`` address."""
    return str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
