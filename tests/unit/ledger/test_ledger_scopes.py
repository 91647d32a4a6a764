"""Which collection of a generation the rows of a source belong to, and what becomes of a scope that nobody is in."""

from __future__ import annotations

import gzip
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from ingestor.ledger.ledger import LEDGER_FILE, Ledger
from ingestor.model import ChunkId, GenerationId, GenerationState, ModelId, PendingRow
from tests.data.make_ledger import FOLDER
from tests.support.ledger_rows import put


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """Two sources of one scope with a passage each, all written."""
    made = Ledger(tmp_path)
    made.sources.put("s", "files", {}, "registered", "acme")
    made.sources.put("t", "files", {}, "registered", "acme")
    made.index.add_generation(ModelId("m"), "g", GenerationState.SERVING)
    put(made, "a", "some words")
    put(made, "b", "other words", source="t")
    written(made)
    yield made
    made.close()


def serving(ledger: Ledger) -> GenerationId:
    return next(g.generation_id for g in ledger.index.generations() if g.state is GenerationState.SERVING)


def written(ledger: Ledger) -> list[PendingRow]:
    """What the projector does with an index that never fails; the rows that it was given."""
    generation = serving(ledger)
    ledger.index.mark_ready(generation, [row for row, _ in ledger.index.unembedded(generation, 100)])
    done: list[PendingRow] = []
    while rows := ledger.index.pending(generation, 100):
        ledger.index.settle(generation, rows)
        done += rows
    assert ledger.index.settled(generation)
    return done


def told(rows: Sequence[PendingRow]) -> list[tuple[str, bool, bool]]:
    return [(row.scope, row.alive, row.everything) for row in rows]


def scopes(ledger: Ledger) -> list[frozenset[str]]:
    return [generation.scopes for generation in ledger.index.generations()]


def test_a_move_deletes_in_one_collection_and_writes_in_the_other(ledger: Ledger) -> None:
    """In that order; nothing is embedded, and what stays in the scope is not touched."""
    ledger.sources.put("s", "files", {}, "registered", "zeta")
    assert not ledger.index.settled(serving(ledger))
    assert ledger.index.backlog(serving(ledger)) == (0, 2)
    assert told(written(ledger)) == [("acme", False, False), ("zeta", True, False)]
    assert scopes(ledger) == [{"acme", "zeta"}]
    ledger.sources.put("s", "files", {}, "registered", "zeta")
    assert written(ledger) == []


def test_a_scope_that_nobody_is_in_is_dropped_whole(ledger: Ledger) -> None:
    """Before anything else, and with all that had to be deleted in it."""
    for name in ("s", "t"):
        ledger.sources.put(name, "files", {}, "registered")
    assert told(written(ledger)) == [("acme", False, True), ("", True, False), ("", True, False)]
    assert scopes(ledger) == [frozenset()]


def test_a_drop_that_came_too_late_forgets_nothing(ledger: Ledger) -> None:
    """Somebody came into the scope before its drop was acknowledged: it stays known, and his rows are written then."""
    for name in ("s", "t"):
        ledger.sources.put(name, "files", {}, "registered")
    drop = ledger.index.pending(serving(ledger), 10)
    ledger.sources.put("s", "files", {}, "registered", "acme")
    ledger.index.settle(serving(ledger), drop)
    assert scopes(ledger) == [{"acme"}]
    assert sorted(told(written(ledger))) == [("", False, False), ("", True, False), ("acme", True, False)]


@pytest.mark.parametrize("purge", [False, True])
def test_a_removed_source_leaves_its_scope_when_it_has_given_up_all(purge: bool, ledger: Ledger) -> None:
    """The scope of others stays; that of the last one goes, once."""
    for name, scope in (("t", "zeta"), ("s", "acme")):
        ledger.sources.put(name, "files", {}, "registered", scope)
    written(ledger)
    ledger.sources.remove("s", purge=purge)
    assert not any(row.everything for row in ledger.index.pending(serving(ledger), 10))
    ledger.finish_removals()
    assert told(written(ledger)) == [("acme", False, True)]
    ledger.finish_removals()
    assert written(ledger) == []
    assert scopes(ledger) == [{"zeta"}]


def test_a_new_generation_has_the_scopes_of_the_sources(ledger: Ledger) -> None:
    """And one that is given up has none."""
    made = ledger.index.add_generation(ModelId("n"), "h", GenerationState.BUILDING)
    assert (made.scopes, scopes(ledger)) == ({"acme"}, [{"acme"}, {"acme"}])
    ledger.sources.put("s", "files", {}, "registered", "zeta")
    assert scopes(ledger) == [{"acme", "zeta"}, {"acme", "zeta"}]
    ledger.index.set_generation(made.generation_id, GenerationState.CONDEMNED)
    assert scopes(ledger) == [{"acme", "zeta"}, frozenset()]


def test_what_stands_in_the_wrong_scope_is_deleted_there(ledger: Ledger) -> None:
    """Known or not; where it belongs it stays as it is. A scope that nobody noted is dropped."""
    (row,) = (row for row in ledger.index.expected(serving(ledger), ChunkId(""), 10) if row.source == "s")
    for scope in ("", "nobody"):
        ledger.index.unsettle(serving(ledger), [row.chunk_id, ChunkId("intruder")], scope)
    assert told(written(ledger)) == [("nobody", False, True), ("", False, False), ("", False, False)]
    assert len(ledger.index.expected(serving(ledger), ChunkId(""), 10)) == 2


def test_an_upgrade_writes_nothing(tmp_path: Path) -> None:
    """What was written before there were scopes is where it was, and what had to be deleted has to be deleted there."""
    path = tmp_path / LEDGER_FILE
    path.write_bytes(gzip.decompress((FOLDER / "ledger-schema-10.sqlite3.gz").read_bytes()))
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("INSERT INTO stray (generation, chunk_id) VALUES (1, 'intruder')")
        ((settled,),) = db.execute("SELECT count(*) FROM index_state WHERE written IS wanted AND alive = 1").fetchall()
    with closing(Ledger(tmp_path)) as ledger:
        assert [(row.scope, row.origin) for row in ledger.sources.all()] == [("", "registered")]
        generation = serving(ledger)
        (stray,) = ledger.index.pending(generation, 10)
        assert (stray.chunk_id, stray.scope, stray.alive) == ("intruder", "", False)
        assert len(ledger.index.expected(generation, ChunkId(""), 10)) == settled > 0
