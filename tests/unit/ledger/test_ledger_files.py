"""The ledger's files: opening, migrating, transactions, the clock of commits, reading beside a writer."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import numpy as np
import pytest

from ingestor.errors import LedgerError, LedgerTooNew, UnknownId, UserError
from ingestor.ledger.ledger import LEDGER_FILE, Ledger
from ingestor.model import ModelId, SourceState, UnitId
from tests.support.ledger_rows import put


def test_a_ledger_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    """Nothing is written into what this program does not understand."""
    Ledger(tmp_path).close()
    with sqlite3.connect(tmp_path / LEDGER_FILE) as db:
        db.execute("PRAGMA user_version = 999")
    db.close()
    with pytest.raises(LedgerTooNew, match="999"):
        Ledger(tmp_path)


def test_a_file_that_is_no_ledger_is_a_sentence(tmp_path: Path) -> None:
    """With what to do about it, and without a traceback's vocabulary."""
    (tmp_path / LEDGER_FILE).write_bytes(b"this is not a database, however one looks at it" * 100)
    with pytest.raises(LedgerError, match=r"damaged.*ingestor restore"):
        Ledger(tmp_path)


def test_reading_needs_a_ledger(tmp_path: Path) -> None:
    """A read-only command makes no files."""
    with pytest.raises(LedgerError, match="no ledger"):
        Ledger(tmp_path, read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_a_reader_sees_commits_of_a_writer_and_cannot_write(tmp_path: Path) -> None:
    """`status` reads beside the service, without a lock."""
    writer = Ledger(tmp_path)
    reader = Ledger(tmp_path, read_only=True)
    writer.sources.put("a", "files", {"path": "/x"}, "registered")
    assert [row.name for row in reader.sources.all()] == ["a"]
    with pytest.raises(LedgerError, match="reading only"):
        reader.sources.set_state("a", SourceState.HELD)
    reader.close()
    writer.close()


def test_a_failed_transaction_leaves_nothing(tmp_path: Path) -> None:
    """All or none, and the next transaction is unharmed."""
    ledger = Ledger(tmp_path)
    db = ledger.sources._db
    with pytest.raises(ZeroDivisionError), db.write() as tx:
        tx.execute("INSERT INTO setting (key, value) VALUES ('a', '1')")
        raise ZeroDivisionError
    assert ledger.upkeep.setting("a") is None
    ledger.upkeep.set_setting("a", "2")
    assert ledger.upkeep.setting("a") == "2"
    ledger.close()


def test_writers_of_many_threads_take_turns(tmp_path: Path) -> None:
    """One connection writes; nobody gets 'database is locked', and no commit number is given twice."""
    ledger = Ledger(tmp_path)
    db = ledger.sources._db
    numbers: list[int] = []

    def work() -> None:
        for _ in range(20):
            with db.write() as tx:
                numbers.append(tx.seq)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(1, 81))
    ledger.close()


def test_the_clock_of_commits_never_runs_backwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that jumps back gives equal times, never earlier ones."""
    ledger = Ledger(tmp_path)
    times = iter([1000.0, 500.0, 2000.0])
    monkeypatch.setattr("ingestor.ledger.database.time.time", lambda: next(times))
    seen = []
    for _ in range(3):
        with ledger.sources._db.write() as tx:
            seen.append(tx.at)
    assert seen == [1000.0, 1000.0, 2000.0]
    ledger.close()


def test_closing_leaves_one_file_and_may_be_repeated(tmp_path: Path) -> None:
    """The write-ahead log is folded in, so that copying the folder copies everything."""
    ledger = Ledger(tmp_path)
    ledger.sources.put("a", "files", {}, "registered")
    ledger.close()
    ledger.close()
    assert [path.name for path in tmp_path.iterdir()] == [LEDGER_FILE]


def test_sources_are_named_once(tmp_path: Path) -> None:
    """A name is free again when its source was removed; a kind never changes under a name."""
    ledger = Ledger(tmp_path)
    assert ledger.sources.put("a", "files", {"path": "/x"}, "registered")
    assert not ledger.sources.put("a", "files", {"path": "/y"}, "registered")
    with pytest.raises(UserError, match="kind files"):
        ledger.sources.put("a", "mediawiki", {}, "registered")
    ledger.sources.remove("a")
    with pytest.raises(UnknownId):
        ledger.sources.row_id("a")
    assert ledger.sources.put("a", "mediawiki", {}, "registered")
    ledger.close()


def test_a_held_plan_has_the_id_of_its_items(tmp_path: Path) -> None:
    """So a script approves exactly what it was shown."""
    ledger = Ledger(tmp_path)
    ledger.sources.put("a", "files", {}, "registered")
    for item in ("x", "y"):
        put(ledger, item, f"text of {item}", source="a")
    first = ledger.sources.hold("a", "Too many.", ["x", "y"])
    same = ledger.sources.hold("a", "Too many.", ["y", "x"])
    other = ledger.sources.hold("a", "Too many.", ["x"])
    assert first is not None
    assert same is not None
    assert other is not None
    assert first.plan_id == same.plan_id != other.plan_id
    assert other.created_at == first.created_at
    assert ledger.sources.hold("a", "", []) is None
    assert ledger.sources.plan("a") is None
    ledger.close()


def test_vectors_come_back_as_they_were_added(tmp_path: Path) -> None:
    """Half precision, in the order asked for, repeats included; adding twice changes nothing."""
    ledger = Ledger(tmp_path)
    vectors = ledger.vectors(ModelId("m"))
    rows = np.random.default_rng(1).standard_normal((5, 8)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    vectors.add([UnitId(n) for n in range(5)], rows)
    vectors.add([UnitId(0)], -rows[:1])
    got = vectors.get([UnitId(4), UnitId(0), UnitId(4)])
    assert np.allclose(got, rows[[4, 0, 4]], atol=1e-3)
    assert vectors.missing([UnitId(7), UnitId(2), UnitId(7)]) == [7]
    with pytest.raises(KeyError):
        vectors.get([UnitId(9)])
    assert list(vectors.units()) == [0, 1, 2, 3, 4]
    ledger.close()


def test_a_vector_with_a_value_that_is_no_number_is_refused(tmp_path: Path) -> None:
    """It would poison every score it enters, and Chroma would refuse the whole batch."""
    ledger = Ledger(tmp_path)
    with pytest.raises(ValueError, match="half precision"):
        ledger.vectors(ModelId("m")).add([UnitId(1)], np.array([[np.nan, 1.0]], dtype=np.float32))
    ledger.close()
