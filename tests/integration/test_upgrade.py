"""An upgrade over a state that a program of before left behind: nothing is lost, and the way back is kept."""

from __future__ import annotations

import gzip
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ingestor.errors import LedgerError, LedgerTooNew
from ingestor.ledger.database import LedgerDamaged, newest_schema
from ingestor.ledger.ledger import LEDGER_FILE, Ledger
from ingestor.model import Reader
from ingestor.service import backup as backups
from ingestor.service import upgrading
from ingestor.service.archive import read_manifest, unpack
from ingestor.service.restore import restore
from ingestor.service.upgrading import BEFORE_UPGRADE, upgrade
from tests.data.make_ledger import FOLDER, MODEL, schema
from tests.support.damage import damage
from tests.support.served import Served

NEWEST = newest_schema("migrations")
_ALL = sorted(FOLDER.glob("ledger-schema-*.gz"), key=lambda path: (len(path.name), path.name))  # 10 comes after 9
OLDER = [path for path in _ALL if f"schema-{NEWEST}." not in path.name]
each_older = pytest.mark.parametrize("fixture", OLDER, ids=lambda path: path.name.split(".")[0])


def lay(fixture: Path, state: Path) -> Path:
    """The state folder as a program of that schema left it; the ledger's file."""
    state.mkdir(mode=0o700, exist_ok=True)
    Ledger(state).close()
    scratch = Ledger(state)
    scratch.vectors(MODEL)
    scratch.close()
    (vectors,) = state.glob("vectors-*.sqlite3")
    vectors.write_bytes(gzip.decompress((FOLDER / "vectors-schema-1.sqlite3.gz").read_bytes()))
    (state / LEDGER_FILE).write_bytes(gzip.decompress(fixture.read_bytes()))
    return state / LEDGER_FILE


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "state"
    lay(OLDER[0], folder)
    yield folder
    assert not list(folder.glob("*.partial*"))


def found(folder: Path) -> list[str]:
    ledger = Ledger(folder)
    try:
        scored = ledger.search.keyword("ferry noon", 5, Reader(), ())
        return [hit.text for hit in ledger.search.hits(scored, Reader())]
    finally:
        ledger.close()


@each_older
def test_a_service_takes_over_what_an_older_one_left(fixture: Path, tmp_path: Path) -> None:
    """After a kill, too, with the last commit still in the log beside the file. The backup has the old schema and all
    that was in the ledger; restored, it is what it was; the service goes on with the rest."""
    laid, killed = lay(fixture, tmp_path / "laid"), tmp_path / "state"
    with closing(sqlite3.connect(laid)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA wal_autocheckpoint = 0")
        with db:
            db.execute("UPDATE source SET note = 'the last commit'")
        shutil.copytree(laid.parent, killed)
    assert (killed / f"{LEDGER_FILE}-wal").stat().st_size > 0
    before = schema(laid)

    served = Served(killed)
    try:
        assert served.search("ferry noon", "keyword").hits[0].title == "Title of ferry.md"
        assert [row.note for row in served.ledger.sources.all()] == ["the last commit"]
        (tmp_path / "docs").mkdir()
        (tmp_path / "docs" / "a.md").write_text("# A\n\nA zebra.\n")
        served.add(tmp_path / "docs", "docs")
        served.sync("docs")
        assert served.search("zebra", "keyword").hits
    finally:
        served.close()
    assert schema(killed / LEDGER_FILE) == NEWEST
    assert {schema(path) for path in killed.glob("vectors-*.sqlite3")} == {newest_schema("vector_migrations")}

    archive = killed / BEFORE_UPGRADE
    assert archive.stat().st_mode & 0o777 == 0o600
    assert {file.name: file.schema_version for file in read_manifest(archive).files}[LEDGER_FILE] == before
    (tmp_path / "unpacked").mkdir()
    unpack(archive, tmp_path / "unpacked")
    with closing(sqlite3.connect(tmp_path / "unpacked" / LEDGER_FILE)) as db:
        assert db.execute("SELECT note FROM source").fetchall() == [("the last commit",)]
    (tmp_path / "restored").mkdir()
    restore(tmp_path / "restored", archive, lambda _: None, location="generation-new")
    assert found(tmp_path / "restored") == found(killed)[:1]


def test_a_state_of_today_is_left_as_it_is(state: Path, tmp_path: Path) -> None:
    """No backup at a usual start, and none in a new state folder; the one that is kept stays."""
    upgrade(state, backup=True)
    kept = (state / BEFORE_UPGRADE).stat()
    upgrade(state, backup=True)
    assert (state / BEFORE_UPGRADE).stat() == kept
    (tmp_path / "new").mkdir()
    upgrade(tmp_path / "new", backup=True)
    assert list((tmp_path / "new").iterdir()) == []


def test_without_room_nothing_is_changed(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence says how much is needed and how to go without; then it goes without."""
    before = (state / LEDGER_FILE).read_bytes()
    monkeypatch.setattr(backups, "free", lambda _: 1024)
    with pytest.raises(LedgerError, match=r"MiB are free.*backup_before_upgrade = false"):
        upgrade(state, backup=True)
    assert (state / LEDGER_FILE).read_bytes() == before
    upgrade(state, backup=False)
    assert schema(state / LEDGER_FILE) == NEWEST
    assert not (state / BEFORE_UPGRADE).exists()


def test_an_upgrade_that_was_interrupted_keeps_the_backup_of_how_it_began(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some files or steps were done by then; and a backup that did not come to its end is made again."""

    def dies(*_: object) -> None:
        raise RuntimeError("killed")

    began = schema(state / LEDGER_FILE)
    with monkeypatch.context() as patch:
        patch.setattr(backups, "pack", dies)
        with pytest.raises(RuntimeError):
            upgrade(state, backup=True)
    assert schema(state / LEDGER_FILE) == began

    def half(folder: Path) -> None:
        step = (FOLDER.parents[2] / "ingestor/ledger/migrations/0002_dead_entries.sql").read_text()
        with closing(sqlite3.connect(folder / LEDGER_FILE)) as db:
            db.executescript(f"{step}; PRAGMA user_version = 2;")
        dies()

    with monkeypatch.context() as patch:
        patch.setattr(upgrading.Ledger, "upgrade", half)
        with pytest.raises(RuntimeError):
            upgrade(state, backup=True)
    assert schema(state / LEDGER_FILE) == began + 1
    upgrade(state, backup=True)
    assert schema(state / LEDGER_FILE) == NEWEST
    schemas = {file.name: file.schema_version for file in read_manifest(state / BEFORE_UPGRADE).files}
    assert schemas[LEDGER_FILE] == began


def test_the_next_upgrade_replaces_the_backup_of_the_one_before(state: Path) -> None:
    """One is kept."""
    upgrade(state, backup=True)
    lay(OLDER[-1], state)
    upgrade(state, backup=True)
    schemas = {file.name: file.schema_version for file in read_manifest(state / BEFORE_UPGRADE).files}
    assert schemas[LEDGER_FILE] == NEWEST - 1
    assert len(list(state.glob("*.tar"))) == 1


def test_a_damaged_ledger_is_neither_backed_up_nor_upgraded(state: Path) -> None:
    """The backup would take the place of a good one."""
    began = schema(state / LEDGER_FILE)
    damage(state / LEDGER_FILE, "unit")
    with pytest.raises(LedgerDamaged):
        upgrade(state, backup=True)
    assert schema(state / LEDGER_FILE) == began
    assert not list(state.glob("*.tar"))


def test_a_downgrade_is_refused_with_the_way_back(tmp_path: Path) -> None:
    """By a service, before anything is written, and by what only reads."""
    (tmp_path / "state").mkdir(mode=0o700)
    Ledger(tmp_path / "state").close()
    with closing(sqlite3.connect(tmp_path / "state" / LEDGER_FILE)) as db:
        db.execute(f"PRAGMA user_version = {NEWEST + 1}")
    with pytest.raises(LedgerTooNew, match=rf"schema {NEWEST + 1}; this program knows {NEWEST}.*{BEFORE_UPGRADE}"):
        Served(tmp_path / "state")
    with pytest.raises(LedgerTooNew, match=BEFORE_UPGRADE):
        Ledger(tmp_path / "state", read_only=True)
