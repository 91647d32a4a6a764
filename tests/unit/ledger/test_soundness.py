"""Damage in the ledger's files: found before anything is written, and what follows from it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from ingestor.errors import LedgerError
from ingestor.ledger.database import Database, LedgerDamaged
from ingestor.ledger.ledger import LEDGER_FILE, Ledger
from ingestor.model import GenerationState, ModelId
from tests.support.damage import damage
from tests.support.ledger_rows import put

MODEL = ModelId("m")


def filled(state: Path) -> Ledger:
    ledger = Ledger(state)
    ledger.sources.put("s", "files", {}, "registered")
    generation = ledger.index.add_generation(MODEL, "generation-a", GenerationState.SERVING)
    for number in range(20):
        put(ledger, f"i{number}", f"text {number}")
    waiting = ledger.index.unembedded(generation.generation_id, 100)
    units = [unit for _, chunk in waiting for unit in chunk]
    ledger.vectors(MODEL).add(units, np.full((len(units), 4), 0.5, dtype=np.float32))
    ledger.index.mark_ready(generation.generation_id, [row for row, _ in waiting])
    return ledger


def closed(state: Path, *, clean: bool) -> Path:
    """The file of a filled ledger whose last process ended well or not."""
    ledger = filled(state)
    ledger.mark_clean(clean)
    ledger.close()
    return state / LEDGER_FILE


def test_a_damaged_ledger_is_refused_after_an_unclean_end(tmp_path: Path) -> None:
    """In a sentence that names restore; not a byte of the file is changed."""
    path = closed(tmp_path, clean=False)
    damage(path, "chunk")
    before = path.read_bytes()
    ledger = Ledger(tmp_path)
    with pytest.raises(LedgerDamaged, match="ingestor restore"):
        ledger.ensure_sound()
    ledger.close()
    assert path.read_bytes() == before


def test_after_a_clean_end_nothing_is_checked(tmp_path: Path) -> None:
    """A check reads every byte, and a clean end is the rule."""
    damage(closed(tmp_path, clean=True), "chunk")
    ledger = Ledger(tmp_path)
    assert ledger.ensure_sound() == ()
    ledger.close()


def test_a_sound_ledger_passes(tmp_path: Path) -> None:
    """An unclean end alone is no damage: that is what the write-ahead log is for."""
    closed(tmp_path, clean=False)
    ledger = Ledger(tmp_path)
    assert ledger.ensure_sound() == []
    ledger.close()


@pytest.mark.parametrize("how", ["table", "header"])
def test_damaged_vectors_are_set_aside_and_embedded_again(tmp_path: Path, how: str) -> None:
    """They are work and no truth: every chunk waits for its vectors anew, and the bad file is kept for a look."""
    closed(tmp_path, clean=False)
    (path,) = tmp_path.glob("vectors-*.sqlite3")
    if how == "table":
        damage(path, "vector")
    else:
        path.write_bytes(b"no database" * 1000)
    ledger = Ledger(tmp_path)
    assert ledger.ensure_sound() == [path]
    (generation,) = ledger.index.generations()
    waiting = ledger.index.unembedded(generation.generation_id, 100)
    assert len(waiting) == 20
    assert len(ledger.vectors(MODEL).missing([unit for _, units in waiting for unit in units])) == 20
    assert path.with_suffix(".damaged").exists()
    ledger.close()


def test_damage_that_is_met_at_work_ends_all_writing(tmp_path: Path) -> None:
    """From the first page that cannot be true on, every write is refused."""
    path = closed(tmp_path, clean=True)
    damage(path, "chunk")
    ledger = Ledger(tmp_path)
    assert ledger.damage is None
    with pytest.raises(LedgerDamaged):
        put(ledger, "i1", "another text")
    assert ledger.damage is not None
    with pytest.raises(LedgerDamaged):
        ledger.upkeep.set_setting("a", "b")
    ledger.close()


def test_a_keyword_index_out_of_step_is_no_damage_of_the_file(tmp_path: Path) -> None:
    """`verify --repair` mends it, so the ledger has to stay writable."""
    ledger = filled(tmp_path)
    with ledger.sync._db.write() as tx:
        tx.execute("INSERT INTO keyword (keyword, rowid, text) VALUES ('delete', 1, 'text 0')")
    assert ledger.upkeep.keyword_problems()
    assert ledger.damage is None
    ledger.upkeep.rebuild_keyword()
    assert not ledger.upkeep.keyword_problems()
    ledger.close()


def test_a_new_schema_is_not_laid_on_a_damaged_file(tmp_path: Path) -> None:
    """An upgrade would write into it."""
    path = closed(tmp_path, clean=True)
    with closing(sqlite3.connect(path)) as db:
        db.execute("ALTER TABLE generation DROP COLUMN dead")
        db.execute("PRAGMA user_version = 1")
    damage(path, "chunk")
    before = path.read_bytes()
    with pytest.raises(LedgerDamaged):
        Ledger(tmp_path)
    assert path.read_bytes() == before


def test_an_error_that_is_none_of_these_is_a_sentence(tmp_path: Path) -> None:
    """SQLite's own exceptions never leave the ledger."""
    db = Database(tmp_path / "x.sqlite3", "migrations")
    with pytest.raises(LedgerError, match="no such table"):
        db.read("SELECT * FROM absent")
    with pytest.raises(LedgerError, match="no such table"), db.write() as tx:
        tx.execute("SELECT * FROM absent")
    db.close()
