"""The ledger's questions to itself: nothing is found in a sound one, and only damage in another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from connectors.base import ItemId
from ingestor.ledger import checks
from ingestor.ledger.ledger import Ledger
from ingestor.model import GenerationState, ModelId, Remove, UnitId
from tests.support.ledger_rows import RUN, put

MODEL = ModelId("m")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path)
    ledger.sources.put("s", "files", {}, "registered")
    ledger.index.add_generation(MODEL, "generation-a", GenerationState.SERVING)
    for number in range(20):
        put(ledger, f"i{number}", f"text {number}")
    yield ledger
    ledger.close()


def remove(ledger: Ledger, item: str) -> None:
    known = ledger.sync.known("s", ItemId(""))[ItemId(item)]
    ledger.sync.apply("s", RUN, [Remove(doc=known.doc, item_id=ItemId(item))])


def execute(ledger: Ledger, sql: str) -> None:
    with ledger.sync._db.write() as tx:
        tx.execute("PRAGMA defer_foreign_keys = ON")
        assert tx.execute(sql).rowcount


def test_a_sound_ledger_has_no_problems(ledger: Ledger) -> None:
    """Edits, deletions and returns leave nothing that contradicts itself."""
    put(ledger, "i1", "another text")
    remove(ledger, "i2")
    put(ledger, "i2", "text 2")
    assert ledger.upkeep.row_problems() == []
    assert ledger.upkeep.keyword_problems() == []


def test_what_a_purge_leaves_for_maintenance_is_no_damage(ledger: Ledger) -> None:
    """Emptied chunk rows wait for the acknowledged delete and then for the next maintenance."""
    ledger.sources.remove("s", purge=True)
    ledger.finish_removals()
    (generation,) = ledger.index.generations()
    while rows := ledger.index.pending(generation.generation_id, 100):
        ledger.index.settle(generation.generation_id, rows)
    assert ledger.upkeep.row_problems() == []


def test_walks_do_not_stop_at_a_page(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Damage on the last page is found, too, and each problem says how much of it there is."""
    monkeypatch.setattr(checks, "_PAGE", 3)
    execute(ledger, "UPDATE chunk SET text = 'nobody wrote this' WHERE id > 17")
    execute(ledger, "UPDATE index_state SET wanted = x'00' WHERE chunk IN (2, 19)")
    problems = {(problem.damage, problem.count) for problem in ledger.upkeep.row_problems()}
    assert problems == {("stale", 3), ("stale", 2)}
    assert all(str(problem).startswith(str(problem.count)) for problem in ledger.upkeep.row_problems())


def test_repair_takes_out_only_what_contradicts_itself(ledger: Ledger) -> None:
    """The source of a document that was taken out is named; the others stay as they are."""
    execute(ledger, "DELETE FROM layout WHERE doc = 5")
    assert ledger.upkeep.repair_rows() == ["s"]
    assert ledger.upkeep.row_problems() == []
    assert ledger.upkeep.keyword_problems() == []
    assert len(ledger.sync.known("s", ItemId(""))) == 19
    assert ledger.upkeep.repair_rows() == []


def test_a_repair_of_a_sound_ledger_changes_nothing(ledger: Ledger) -> None:
    """Its rows are those that were there."""
    before = ledger.sync._db.read("SELECT * FROM index_state"), ledger.sync._db.read("SELECT * FROM cut")
    assert ledger.upkeep.repair_rows() == []
    assert (ledger.sync._db.read("SELECT * FROM index_state"), ledger.sync._db.read("SELECT * FROM cut")) == before


def test_a_vector_that_is_none_is_found(ledger: Ledger) -> None:
    """Of another size, not finite, or not of length 1."""
    vectors = ledger.vectors(MODEL)
    assert vectors.unsound() == []
    sound = np.full((6, 4), 0.5, dtype=np.float32)
    vectors.add([UnitId(number) for number in range(1, 7)], sound)
    assert vectors.unsound() == []
    vectors.add([UnitId(10)], np.zeros((1, 4), dtype=np.float32))
    with vectors._db.write() as tx:
        tx.execute("UPDATE vector SET v = x'00' WHERE unit = 2")
        tx.execute("UPDATE vector SET v = x'ff7fff7fff7fff7f' WHERE unit = 3")
    assert sorted(vectors.unsound()) == [2, 3, 10]


def test_a_vector_of_no_unit_is_known_as_such(ledger: Ledger) -> None:
    """The number of a unit that was forgotten."""
    assert ledger.upkeep.unknown_units([UnitId(1), UnitId(999)]) == [999]
