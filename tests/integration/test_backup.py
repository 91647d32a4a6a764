"""Backups of a ledger that is written to, and what comes back from them: real files, real SQLite, no index."""

from __future__ import annotations

import io
import sqlite3
import tarfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest

from ingestor import faultpoint, wire, wire_service
from ingestor.errors import LedgerTooNew, UserError
from ingestor.ledger.database import LedgerDamaged
from ingestor.ledger.ledger import LEDGER_FILE, Ledger
from ingestor.model import Filters, GenerationState, ModelId, Reader, UnitId
from ingestor.service.archive import MANIFEST, BackupDamaged
from ingestor.service.backup import backup
from ingestor.service.restore import restore
from tests.support.damage import damage
from tests.support.ledger_rows import put

MODEL = ModelId("stub")


def quiet(_progress: wire.Progress) -> None:
    """A report that nobody watches."""


def filled(state: Path, documents: int = 30) -> Ledger:
    """A ledger with a serving generation, every unit embedded."""
    state.mkdir()
    ledger = Ledger(state)
    ledger.sources.put("s", "files", {"path": "/x"}, "registered")
    ledger.index.add_generation(MODEL, "generation-a", GenerationState.SERVING)
    for number in range(documents):
        put(ledger, f"item-{number}", f"the text of document {number} about harbours")
    embed(ledger)
    return ledger


def embed(ledger: Ledger) -> int:
    """Give every chunk that lacks them its vectors; the number of new ones."""
    generation = next(g for g in ledger.index.generations() if g.state is not GenerationState.CONDEMNED)
    vectors, made = ledger.vectors(MODEL), 0
    while waiting := ledger.index.unembedded(generation.generation_id, 100):
        missing = vectors.missing([unit for _, units in waiting for unit in units])
        if missing:
            vectors.add(missing, np.full((len(missing), 8), 8**-0.5, dtype=np.float32))
        ledger.index.mark_ready(generation.generation_id, [row for row, _ in waiting])
        made += len(missing)
    return made


def take(ledger: Ledger, path: Path, *, overwrite: bool = False) -> wire_service.BackupReply:
    return backup(ledger, wire_service.BackupRequest(path=str(path), overwrite=overwrite), quiet)


def bring_back(archive: Path, state: Path) -> wire_service.RestoreReply:
    state.mkdir()
    return restore(state, archive, quiet, location="generation-new")


def found(ledger: Ledger, words: str) -> list[str]:
    return [hit.text for hit in ledger.search.hits(ledger.search.keyword(words, 500, Reader(), Filters()), Reader())]


def sound(ledger: Ledger) -> bool:
    upkeep = ledger.upkeep
    return not [*upkeep.quick_check(), *upkeep.keyword_problems(), *upkeep.row_problems()]


@contextmanager
def churn(ledger: Ledger) -> Iterator[list[int]]:
    """Documents that come, change and go, and vectors that follow, as fast as it goes; counts the commits."""
    end, commits = threading.Event(), [0]

    def work() -> None:
        number = 0
        while not end.is_set():
            number += 1
            put(ledger, f"churn-{number % 40}", f"churning text number {number} of the harbour crew")
            commits[0] += 1
            if number % 3 == 0:
                commits[0] += bool(embed(ledger))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield commits
    finally:
        end.set()
        thread.join()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    ledger = filled(tmp_path / "origin")
    take(ledger, tmp_path / "backup.tar")
    ledger.close()
    return tmp_path / "backup.tar"


# -- what comes back ---------------------------------------------------------------------------------------


def test_a_restored_ledger_is_the_one_that_was_backed_up(tmp_path: Path) -> None:
    """Search finds the same, nothing is embedded again, and a new store is wanted in full."""
    ledger = filled(tmp_path / "a")
    take(ledger, tmp_path / "backup.tar")
    before = found(ledger, "harbours")
    ledger.close()
    reply = bring_back(tmp_path / "backup.tar", tmp_path / "b")
    assert (reply.sources, reply.documents) == (1, 30)
    restored = Ledger(tmp_path / "b")
    assert found(restored, "harbours") == before
    assert sound(restored)
    (generation,) = restored.index.generations()
    assert (generation.location, generation.state) == ("generation-new", GenerationState.BUILDING)
    assert embed(restored) == 0
    assert len(restored.index.pending(generation.generation_id, 100)) == 30
    restored.close()


def test_backups_taken_under_load_are_of_one_moment(tmp_path: Path) -> None:
    """However the commits fall: no chunk counts as embedded without its vectors, no vector is of a unit that the
    ledger does not know, everything agrees, and the commits go on meanwhile."""
    ledger = filled(tmp_path / "a")
    with churn(ledger) as commits:
        for number in range(8):
            before = commits[0]
            while commits[0] < before + 5:  # so that each falls elsewhere
                pass
            take(ledger, tmp_path / f"{number}.tar")
    ledger.close()
    for number in range(8):
        bring_back(tmp_path / f"{number}.tar", tmp_path / f"r{number}")
        restored = Ledger(tmp_path / f"r{number}")
        assert sound(restored)
        known = {row for (row,) in restored.sync._db.read("SELECT id FROM unit")}
        assert set(restored.vectors(MODEL).units()) <= known
        settled = restored.sync._db.read("SELECT count(*) FROM index_state WHERE ready = 0")
        assert settled[0][0] >= 30
        new = embed(restored)
        (pending,) = restored.sync._db.read("SELECT count(*) FROM unit")
        assert new <= 4, f"{new} of {pending[0]} units had no vector: more than what waited to be embedded"
        restored.close()


def test_what_counted_as_embedded_has_its_vectors_in_the_backup(tmp_path: Path) -> None:
    """The ledger's own marks, before the restore takes them back."""
    ledger = filled(tmp_path / "a")
    copies = tmp_path / "copies"
    with churn(ledger):
        for number in range(10):
            folder = copies / str(number)
            folder.mkdir(parents=True)
            ledger.copy(folder)
    ledger.close()
    for folder in copies.iterdir():
        copy = Ledger(folder)
        assert copy.vectors(MODEL).missing(sorted(copy.upkeep.settled_unit_ids())) == []
        copy.close()


def test_nothing_is_committed_between_the_snapshots(tmp_path: Path) -> None:
    """A document that comes just then, with its vectors, is in all of the copies or in none."""
    ledger = filled(tmp_path / "a", 3)
    comers: list[threading.Thread] = []

    def come() -> None:
        put(ledger, f"late-{len(comers)}", f"the text that came late, number {len(comers)}")
        embed(ledger)

    def between(name: str) -> None:
        if name == "backup.snapshot":
            comers.append(threading.Thread(target=come))
            comers[-1].start()
            comers[-1].join(0.3)  # it comes through now, or it waits for the last snapshot

    faultpoint.install(between)
    try:
        (tmp_path / "copies").mkdir()
        ledger.copy(tmp_path / "copies")
    finally:
        faultpoint.install(None)
    for comer in comers:
        comer.join()
    assert len(comers) == 2
    assert len(found(ledger, "late")) == 2
    copy = Ledger(tmp_path / "copies")
    assert found(copy, "late") == []
    assert copy.vectors(MODEL).missing(sorted(copy.upkeep.settled_unit_ids())) == []
    assert len(list(copy.vectors(MODEL).units())) == 3
    copy.close()
    ledger.close()


def test_the_archive_is_a_plain_tar_for_its_owner_alone(archive: Path) -> None:
    """Files that any SQLite opens, and a manifest that names them."""
    assert archive.stat().st_mode & 0o777 == 0o600
    with tarfile.open(archive) as tar:
        names = tar.getnames()
        assert names[-2:] == [LEDGER_FILE, MANIFEST]
        assert len(names) == 3
    assert [path.name for path in archive.parent.iterdir() if "partial" in path.name] == []


# -- refusals ----------------------------------------------------------------------------------------------


def test_a_file_in_the_way_is_overwritten_only_when_told(tmp_path: Path) -> None:
    """And a folder never."""
    ledger = filled(tmp_path / "a", 1)
    take(ledger, tmp_path / "b.tar")
    with pytest.raises(UserError, match="--force"):
        take(ledger, tmp_path / "b.tar")
    take(ledger, tmp_path / "b.tar", overwrite=True)
    with pytest.raises(UserError, match="not a file"):
        take(ledger, tmp_path, overwrite=True)
    with pytest.raises(UserError, match="no folder"):
        take(ledger, tmp_path / "missing" / "b.tar")
    ledger.close()


def test_a_backup_that_is_interrupted_leaves_the_old_one(tmp_path: Path) -> None:
    """Killed before the rename: the earlier file stands, and the next backup clears what was left."""
    ledger = filled(tmp_path / "a", 1)
    take(ledger, tmp_path / "b.tar")
    before = (tmp_path / "b.tar").read_bytes()

    def die(name: str) -> None:
        if name == "backup.rename":
            raise KeyboardInterrupt

    faultpoint.install(die)
    try:
        with pytest.raises(KeyboardInterrupt):
            take(ledger, tmp_path / "b.tar", overwrite=True)
    finally:
        faultpoint.install(None)
    assert (tmp_path / "b.tar").read_bytes() == before
    (tmp_path / "b.tar.partial").write_bytes(b"left by a kill")
    take(ledger, tmp_path / "b.tar", overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b.tar"]
    ledger.close()


def test_a_damaged_ledger_makes_no_backup(tmp_path: Path) -> None:
    """It would take the place of a good one."""
    filled(tmp_path / "a", 200).close()
    damage(tmp_path / "a" / LEDGER_FILE, "chunk")
    ledger = Ledger(tmp_path / "a")
    with pytest.raises(LedgerDamaged):
        take(ledger, tmp_path / "b.tar")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a"]
    ledger.close()


def test_a_state_folder_with_a_ledger_is_not_restored_into(archive: Path, tmp_path: Path) -> None:
    """Nothing is overwritten."""
    with pytest.raises(UserError, match="holds a ledger already"):
        restore(tmp_path / "origin", archive, quiet, location="generation-new")


@pytest.mark.parametrize("kept", [0.1, 0.6, 0.99])
def test_a_truncated_backup_is_refused(archive: Path, tmp_path: Path, kept: float) -> None:
    """The manifest comes last, so a backup without its end is known as such; the state folder stays empty."""
    whole = archive.read_bytes()
    with tarfile.open(archive) as tar:
        end = tar.getmember(MANIFEST).offset
    archive.write_bytes(whole[: int(end * kept)])
    with pytest.raises((BackupDamaged, UserError)):
        bring_back(archive, tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []


def test_a_backup_with_a_flipped_byte_is_refused(archive: Path, tmp_path: Path) -> None:
    """Each file is compared with the hash that it was written with."""
    with tarfile.open(archive) as tar:
        place = tar.getmember(LEDGER_FILE).offset_data + 5_000
    content = bytearray(archive.read_bytes())
    content[place] ^= 1
    archive.write_bytes(content)
    with pytest.raises(BackupDamaged, match="not as it was written"):
        bring_back(archive, tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []


def test_what_is_no_backup_is_a_sentence(tmp_path: Path) -> None:
    """A text file, another tar, a file that is not there."""
    (tmp_path / "text").write_text("hello")
    with tarfile.open(tmp_path / "other.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("x"), io.BytesIO())
    for number, name in enumerate(("text", "other.tar", "missing")):
        with pytest.raises((BackupDamaged, UserError), match="no backup"):
            bring_back(tmp_path / name, tmp_path / f"new{number}")


def test_an_archive_cannot_write_elsewhere(archive: Path, tmp_path: Path) -> None:
    """Names with folders in them are not ours, whatever the manifest says."""
    with tarfile.open(archive) as tar:
        manifest = tar.extractfile(MANIFEST)
        assert manifest is not None
        text = manifest.read().replace(LEDGER_FILE.encode(), b"../evil.sqlite3")
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        for name, content in (("../evil.sqlite3", b"x"), (MANIFEST, text)):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    with pytest.raises(BackupDamaged):
        bring_back(tmp_path / "evil.tar", tmp_path / "new")
    assert not (tmp_path / "evil.sqlite3").exists()


def test_a_backup_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    """And leaves the state folder empty."""
    filled(tmp_path / "a", 1).close()
    ledger = Ledger(tmp_path / "a")
    with closing(sqlite3.connect(tmp_path / "a" / LEDGER_FILE)) as db:
        db.execute("PRAGMA user_version = 999")
    take(ledger, tmp_path / "b.tar")
    ledger.close()
    with pytest.raises(LedgerTooNew):
        bring_back(tmp_path / "b.tar", tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []


def test_an_interrupted_restore_leaves_no_ledger_and_can_be_repeated(archive: Path, tmp_path: Path) -> None:
    """The ledger's file comes last: either all of the backup is there or none of it counts."""
    points = iter(range(10))

    def die(name: str) -> None:
        if name == "restore.rename" and next(points) == 1:
            raise KeyboardInterrupt

    faultpoint.install(die)
    try:
        with pytest.raises(KeyboardInterrupt):
            bring_back(archive, tmp_path / "new")
    finally:
        faultpoint.install(None)
    assert not Ledger.exists(tmp_path / "new")
    assert restore(tmp_path / "new", archive, quiet, location="generation-new").documents == 30


def test_vectors_without_their_ledger_are_not_taken_for_ours(tmp_path: Path) -> None:
    """Units are numbered by their ledger. Where it was moved away, a new one gives the numbers to other texts."""
    filled(tmp_path / "a", 3).close()
    (tmp_path / "a" / LEDGER_FILE).unlink()
    anew = Ledger(tmp_path / "a")
    assert anew.vectors(MODEL).missing([UnitId(1)]) == [1]
    anew.close()
