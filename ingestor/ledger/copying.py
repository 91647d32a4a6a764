"""Copies of the ledger's files as of one moment, while the ledger is written to.

Every file is read in a snapshot of its own, and the snapshots are taken while no transaction of the ledger
can begin. So the copies fit each other: what counts as embedded has its vectors, and no vector belongs to
a unit that the ledger does not know (its number would later be given to another text).
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ingestor.errors import LedgerError
from ingestor.faultpoint import reached
from ingestor.ledger.database import Database, LedgerDamaged, quoted
from ingestor.space import NoSpace

_STEP_PAGES = 2_000  # 8 MB between two looks at whether to go on

Copied = Callable[[int, int], None]
"""(bytes copied, bytes in all); what it raises ends the copying."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Copy:
    """A copied file: where it is now, and the schema that it has."""

    path: Path
    schema: int


def copy_files(ledger: Database, vectors: Sequence[Path], into: Path, copied: Copied = lambda *_: None) -> list[Copy]:
    """Copy the ledger's file and those of vectors into the folder ``into``, names kept; each copy is checked.

    Writers wait only while the snapshots are taken, a few milliseconds. The snapshots last as long as the
    copying, during which the write-ahead logs grow by what is written. Raises ``LedgerDamaged`` when a file is not
    whole: a backup of damage would take the place of a good one.
    """
    with ExitStack() as open_files:
        with ledger.write():  # nothing of the ledger changes until every snapshot is taken
            # Vectors first: they go only after the ledger dropped their units, and come only after it had them.
            sources = [(path, open_files.enter_context(_snapshot(path))) for path in (*vectors, ledger.path)]
        return _copy_all(sources, into, copied)


def copy_closed(paths: Sequence[Path], into: Path, copied: Copied = lambda *_: None) -> list[Copy]:
    """The same of files that no process writes to, whatever schema they have. Nothing is changed in them."""
    with ExitStack() as open_files:
        return _copy_all([(path, open_files.enter_context(_snapshot(path))) for path in paths], into, copied)


def _copy_all(sources: Sequence[tuple[Path, sqlite3.Connection]], into: Path, copied: Copied) -> list[Copy]:
    total = sum(_bytes(source) for _, source in sources)
    copies, before = [], 0
    for path, source in sources:
        copies.append(_copy(path, source, into / path.name, copied, before, total))
        before += _bytes(source)
        source.execute("COMMIT")  # each snapshot goes as soon as it is not needed any more
    return copies


@contextmanager
def _snapshot(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection inside a read transaction: it sees the file as it is now, whatever is written later."""
    try:
        connection = sqlite3.connect(
            f"file:{quoted(path)}?mode=rw", uri=True, isolation_level=None, check_same_thread=False
        )
    except sqlite3.Error as error:
        raise LedgerError(f"{path} cannot be read: {error}.") from error
    with contextlib.closing(connection):
        connection.execute("PRAGMA query_only = ON")
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
        reached("backup.snapshot")
        yield connection


def _copy(path: Path, source: sqlite3.Connection, target: Path, copied: Copied, before: int, total: int) -> Copy:
    def step(_status: int, remaining: int, pages: int) -> None:
        copied(before + (pages - remaining) * page_bytes, total)

    (page_bytes,) = source.execute("PRAGMA page_size").fetchone()
    try:
        with contextlib.closing(sqlite3.connect(target, isolation_level=None)) as copy:
            copy.execute("PRAGMA synchronous = OFF")  # whoever packs the copies makes them durable
            source.backup(copy, pages=_STEP_PAGES, progress=step, sleep=0)
            problems = [row for (row,) in copy.execute("PRAGMA quick_check(1)") if row != "ok"]
            (schema,) = copy.execute("PRAGMA user_version").fetchone()
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
            raise NoSpace(target.parent) from error
        problems, schema = [str(error)], 0
    if problems:
        raise LedgerDamaged(path, problems[0])
    return Copy(path=target, schema=schema)


def _bytes(connection: sqlite3.Connection) -> int:
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    return int(pages) * int(size)
