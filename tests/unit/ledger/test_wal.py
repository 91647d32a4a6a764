"""The write-ahead log stays short, however much is written and read."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestor.ledger import database
from ingestor.ledger.database import Database

COMMITS = 2_000
LIMIT = 1024 * 1024
ROOM = 8 * LIMIT
"""The limit is looked at every hundred commits, here a megabyte, and a look may meet a reader that stays too long.
Left to itself the log would grow to 25 MiB."""


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setattr(database, "_WAL_LIMIT", LIMIT)
    db = Database(tmp_path / "x.sqlite3", "migrations")
    with db.write() as tx:
        tx.executemany("INSERT INTO setting VALUES (?, ?)", [(str(n), "x" * 100) for n in range(5_000)])
    yield db
    db.close()


def commit(db: Database, number: int) -> None:
    with db.write() as tx:
        tx.execute("UPDATE setting SET value = ? WHERE key = ?", (f"{number}" + "y" * 4_000, str(number % 500)))


def test_searches_that_overlap_without_a_pause_do_not_let_the_log_grow(db: Database) -> None:
    """SQLite begins its log anew only at a moment without readers; where there is none of itself, one is made."""
    end, largest = threading.Event(), 0

    def read() -> None:
        while not end.is_set():
            db.read("SELECT count(*) FROM setting WHERE value LIKE '%z%'")

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(COMMITS):
        commit(db, number)
        largest = max(largest, db.wal_bytes())
    end.set()
    for reader in readers:
        reader.join()
    assert largest < ROOM


def test_a_long_reader_lengthens_the_log_only_while_it_reads(db: Database) -> None:
    """A backup's snapshot is one: no commit fails meanwhile, and afterwards the log is cut to its limit."""
    snapshot = db._connect(query_only=True)
    snapshot.execute("BEGIN")
    assert snapshot.execute("SELECT count(*) FROM setting").fetchone() == (5_000,)
    for number in range(COMMITS // 4):
        commit(db, number)
    during = db.wal_bytes()
    assert snapshot.execute("SELECT count(*) FROM setting WHERE value LIKE '%y%'").fetchone() == (0,)
    snapshot.execute("COMMIT")
    for number in range(200):
        commit(db, number)
    assert during > LIMIT
    assert db.wal_bytes() <= LIMIT * 2


def test_pages_of_a_walk_hold_no_snapshot(db: Database) -> None:
    """Long walks go by key in short reads, so that one that is left half-way holds up nothing."""
    for number in range(COMMITS // 4):
        commit(db, number)
        db.read("SELECT key FROM setting WHERE key > ? ORDER BY key LIMIT 100", (str(number),))
    assert db.wal_bytes() < ROOM


def test_a_moment_with_many_readers_keeps_no_descriptors_for_ever(db: Database) -> None:
    """A few connections are kept for the next ones; the others go with their reader."""
    together = threading.Barrier(12)

    def read() -> None:
        with db._reader() as connection:
            together.wait(30)
            assert connection.execute("SELECT count(*) FROM setting").fetchone() == (5_000,)

    readers = [threading.Thread(target=read) for _ in range(12)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert len(db._idle) == database._IDLE_KEPT
    assert len(db._all) == database._IDLE_KEPT + 1  # and the writer's
    assert db.read("SELECT count(*) FROM setting") == [(5_000,)]
