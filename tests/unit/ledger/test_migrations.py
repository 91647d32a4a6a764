"""Ledgers of earlier programs are opened by this one, and nothing of them is lost."""

from __future__ import annotations

import gzip
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from connectors.base import WHOLE, ItemId
from ingestor.errors import LedgerError
from ingestor.ledger.database import _migrations
from ingestor.ledger.ledger import LEDGER_FILE, Ledger
from ingestor.ledger.vectors import Vectors
from ingestor.model import Filters, GenerationState, Outcome, Reader, RunId
from tests.data.make_ledger import FOLDER, LENGTH, MODEL, revision, schema

NEWEST = max(_migrations("migrations"))
VECTORS = sorted(FOLDER.glob("vectors-schema-*.gz"))
LEDGERS = sorted(FOLDER.glob("ledger-schema-*.gz"), key=lambda path: (len(path.name), path.name))  # 10 comes after 9


def laid(fixture: Path, state: Path) -> Path:
    """The ledger of that schema with the vectors of its time, as its program left them."""
    scratch = Ledger(state)
    scratch.vectors(MODEL)
    scratch.close()
    (vectors,) = state.glob("vectors-*.sqlite3")
    vectors.write_bytes(gzip.decompress((FOLDER / "vectors-schema-1.sqlite3.gz").read_bytes()))
    (state / LEDGER_FILE).write_bytes(gzip.decompress(fixture.read_bytes()))
    return state / LEDGER_FILE


def test_every_schema_has_a_fixture() -> None:
    """Who adds a migration adds the ledger that it makes: python -m tests.data.make_ledger."""
    found = {int(number) for path in FOLDER.iterdir() for number in re.findall(r"^ledger-schema-(\d+)\.", path.name)}
    assert found == set(range(1, NEWEST + 1))
    vectors = {int(n) for path in FOLDER.iterdir() for n in re.findall(r"^vectors-schema-(\d+)\.", path.name)}
    assert vectors == set(_migrations("vector_migrations"))


@pytest.mark.parametrize("fixture", LEDGERS, ids=lambda path: path.name.split(".")[0])
def test_an_older_ledger_is_brought_to_the_present_schema(fixture: Path, tmp_path: Path) -> None:
    """What was in it is in it, everything agrees with everything, and work goes on with it."""
    path = laid(fixture, tmp_path)
    ledger = Ledger(tmp_path)
    assert schema(path) == NEWEST
    upkeep = ledger.upkeep
    assert [*upkeep.quick_check(), *upkeep.keyword_problems(), *upkeep.row_problems()] == []
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []

    known = ledger.sync.known("handbook", WHOLE)
    assert sorted(known) == ["broken.pdf", "ferry.md", "tide.md"]
    assert known[ItemId("broken.pdf")].failed
    assert [gone.item_id for gone in ledger.sync.deceased("handbook")] in ([], ["gone.md"])  # retention runs out
    memory = ledger.sync.memory("handbook")
    assert (memory.cursor, memory.identity) == ("c1", "root-1")
    assert memory.plan is not None
    assert memory.plan.items == ("tide.md",)
    assert memory.grants == {"root": frozenset({"group:staff"})}
    (last,) = ledger.runs.last("handbook", 5)
    assert (last.outcome, last.counts.added) == (Outcome.HELD, 3)

    staff, stranger = Reader(principals=frozenset({"group:staff"})), Reader(principals=frozenset({"public"}))
    (hit,) = ledger.search.hits(ledger.search.keyword("ferry noon", 5, staff, Filters()), staff)
    assert (hit.revision, hit.section, hit.page, hit.lines) == (2, ("Harbour", "Ferries"), 3, (1, 2))
    # Kept from schema 10 on.
    assert (hit.tags, hit.author) in (((), ""), (("All about ferry.md", "Harbour", "timetable"), "Ann"))
    assert ledger.search.keyword("ferry noon", 5, stranger, Filters()) == []

    (generation,) = ledger.index.generations()
    assert generation.state is GenerationState.SERVING
    assert ledger.index.backlog(generation.generation_id) == (0, 2)  # tombstones
    assert ledger.index.churn(generation.generation_id)[1] == 2
    units = sorted(ledger.upkeep.settled_unit_ids())
    assert ledger.vectors(MODEL).get(units).shape == (2, LENGTH)

    assert [month.spent.documents for month in ledger.usage.months()] in ([], [5])  # accounts are kept from schema 6 on

    ledger.sync.apply("handbook", RunId("later"), [revision(ledger, "tide.md", "The tide comes twice a day, third.")])
    assert ledger.index.backlog(generation.generation_id) == (1, 3)
    ledger.close()


@pytest.mark.parametrize("fixture", VECTORS, ids=lambda path: path.name.split(".")[0])
def test_older_vectors_are_brought_to_the_present_schema(fixture: Path, tmp_path: Path) -> None:
    """They are what they were, and each is known by its checksum from then on."""
    path = tmp_path / "vectors.sqlite3"
    path.write_bytes(gzip.decompress(fixture.read_bytes()))
    with closing(Vectors(path, MODEL)) as vectors:
        units = list(vectors.units())
        assert np.allclose(vectors.get(units), LENGTH**-0.5, atol=1e-3)
        assert vectors.unsound() == []
    assert schema(path) == max(_migrations("vector_migrations"))
    with closing(sqlite3.connect(path)) as db, db:
        other = np.eye(LENGTH, dtype="<f2")[0].tobytes()
        db.execute("UPDATE vector SET v = ? WHERE unit = ?", (other, units[0]))
    with closing(Vectors(path, MODEL)) as vectors:
        assert vectors.unsound() == units[:1]


def test_an_older_ledger_is_not_read_without_being_upgraded(tmp_path: Path) -> None:
    """`status` writes nothing, so it says what to do instead."""
    if NEWEST > 1:
        laid(LEDGERS[0], tmp_path)
        with pytest.raises(LedgerError, match="older schema 1"):
            Ledger(tmp_path, read_only=True)


def test_a_migration_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that fails in its middle leaves the schema before it, and the next try starts from there."""
    path = laid(LEDGERS[-1], tmp_path)
    steps = {**_migrations("migrations"), NEWEST + 1: "CREATE TABLE half (a); CREATE TABLE half (a);"}
    monkeypatch.setattr("ingestor.ledger.database._migrations", lambda _package: steps)
    with pytest.raises(LedgerError, match="half"):
        Ledger(tmp_path)
    monkeypatch.undo()
    assert schema(path) == NEWEST
    ledger = Ledger(tmp_path)
    assert ledger.sources._db.read("SELECT count(*) FROM sqlite_master WHERE name = 'half'") == [(0,)]
    ledger.close()
