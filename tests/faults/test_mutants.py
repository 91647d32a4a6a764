"""Each rule broken on purpose: the check that should notice does. Unbroken, the same check passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Change, Checkpoint, Scope
from connectors.errors import ListingIncomplete
from connectors.memory import MemorySource
from ingestor.chunking.cutter import SemanticCutter
from ingestor.errors import IndexUnavailable, IngestorError
from ingestor.index.projector import Projector
from ingestor.ledger.index import IndexStates
from ingestor.ledger.sync import _Writer
from ingestor.model import Document, GenerationId, Passage, PendingRow
from ingestor.sync import diff, engine
from ingestor.sync.deletions import Proof, Root
from ingestor.sync.engine import SyncEngine
from ingestor.sync.identity import Matching
from tests.support.faults_corpus import markdown
from tests.support.faults_trees import everyday, small_tree
from tests.support.faults_world import SOURCE, Death, World, hooked
from tests.support.memory_index import MemoryIndex

pytestmark = pytest.mark.slow

# -- checks: small scenarios that a sound program passes --------------------------------------------------


def tree(place: Path, **parts: Any) -> World:
    (place / "root").mkdir(parents=True)
    return World(place / "root", place / "states", **parts)


def edits(place: Path) -> None:
    """A day's edits; then ledger, keyword index and vector index are f(source)."""
    world = tree(place)
    small_tree(world.root)
    world.everything()
    everyday(world.root)
    world.everything()
    world.check_index(world.check_ledger())


def deaths_beside_the_index(place: Path) -> None:
    """A death around each write of the index, and a document that leaves while its row may be written."""
    for point in ("index.write", "index.write.done", "index.settle"):
        world = tree(place / point)
        small_tree(world.root)
        assert world.dies(Death(1, point=point), world.everything)
        (world.root / "a.md").unlink()
        world.everything()
        world.check_index(world.check_ledger())


def a_rename_during_the_write(place: Path) -> None:
    """What is wanted of a row changes between its write and its settling."""
    world = tree(place)
    small_tree(world.root)
    renames = [lambda: ((world.root / "a.md").rename(world.root / "z.md"), world.sync())]

    def rename_once(name: str) -> None:
        if name == "index.settle" and renames:
            renames.pop()()

    with hooked(rename_once):
        world.everything()
    world.check_index(world.check_ledger())


def no_answer(place: Path) -> None:
    """A write without an answer, which the index did not do."""
    failures = ["upsert", "delete"]

    def fail(operation: str) -> None:
        if operation in failures:
            failures.remove(operation)
            raise IndexUnavailable("no answer")

    world = tree(place, index=MemoryIndex(fail=fail))
    small_tree(world.root)
    world.everything()
    (world.root / "a.md").unlink()
    world.everything()
    world.check_index(world.check_ledger())


def a_death_with_a_journal(place: Path) -> None:
    """A source that tells only what changed since the cursor, and a death at each commit."""
    for at in range(1, 20):
        source = MemorySource(SOURCE, journal=True)
        source.put("first", markdown("First", [1]))
        world = tree(place / str(at), source=source)
        world.everything()
        source.put("second", markdown("Second", [2]))
        world.dies(Death(at, point="ledger.commit"), world.everything)
        world.everything()
        world.check_ledger()


class BreaksOff(MemorySource):
    """A listing that ends in the middle, with nothing said about the rest."""

    broken = False

    def list(self, scope: Scope, cursor: str | None) -> Iterator[Change | Checkpoint]:
        for number, change in enumerate(super().list(scope, cursor)):
            if self.broken and number == 7:
                raise ListingIncomplete("the connection was cut")
            yield change


def a_broken_listing(place: Path) -> None:
    """What a listing did not come to is still there."""
    source = BreaksOff(SOURCE)
    for number in range(9):
        source.put(f"{number}", markdown("N", [number]))
    world = tree(place, source=source)
    world.everything()
    world.everything()
    source.broken = True
    world.sync()
    assert len(world.doc_ids()) == 9


def a_second_run(place: Path) -> None:
    """Nothing is read where nothing changed."""
    world = tree(place)
    small_tree(world.root)
    world.everything()
    assert world.sync().counts.bytes_read == 0


def an_insertion(place: Path) -> None:
    """Text that moves because other text came before it is not written to the index again."""
    world = tree(place)
    path = world.root / "a.md"
    path.write_text(markdown("A", list(range(40))))
    world.everything()
    rows = len(world.index.rows)
    path.write_text("A new beginning, which is a paragraph of its own.\n\n" + path.read_text())
    world.index.calls.clear()
    world.everything()
    world.check_index(world.check_ledger())
    assert sum(len(ids) for operation, ids in world.index.calls if operation == "upsert") < rows / 2


def a_renamed_folder(place: Path) -> None:
    """Documents keep their ids, and none of their units is embedded again."""
    world = tree(place)
    small_tree(world.root)
    world.everything()
    before, embedded = world.doc_ids(), world.embedder.embedded
    (world.root / "c").rename(world.root / "x")
    world.everything()
    assert {item.replace("c/", "x/"): doc_id for item, doc_id in before.items()} == world.doc_ids()
    assert world.embedder.embedded == embedded


# -- mutants ------------------------------------------------------------------------------------------------


def keep_keyword_rows(patch: pytest.MonkeyPatch) -> None:
    end_cuts = _Writer._end_cuts

    def keeping(self: _Writer, cuts: Any, *, urgent: bool = False) -> None:
        execute = self._tx.execute

        def without_delete(sql: str, parameters: Any = ()) -> Any:
            return execute("SELECT 1" if "'delete'" in sql else sql, () if "'delete'" in sql else parameters)

        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(self._tx, "execute", without_delete)
            end_cuts(self, cuts, urgent=urgent)

    patch.setattr(_Writer, "_end_cuts", keeping)


def forget_what_is_wanted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(_Writer, "_rewant", lambda _self, _doc: None)


def forget_tombstones(patch: pytest.MonkeyPatch) -> None:
    end_cuts = _Writer._end_cuts

    def without(self: _Writer, cuts: Any, *, urgent: bool = False) -> None:
        end_cuts(self, cuts, urgent=urgent)
        for cut in cuts.values():  # what was never acknowledged was never written, one might think
            self._tx.execute("DELETE FROM index_state WHERE chunk = ? AND written IS NULL", (cut.chunk,))

    patch.setattr(_Writer, "_end_cuts", without)


def settle_first(patch: pytest.MonkeyPatch) -> None:
    write = Projector._write

    def settled(self: Projector, rows: Sequence[PendingRow]) -> None:
        self._ledger.settle(GenerationId(1), rows)
        write(self, rows)

    patch.setattr(Projector, "_write", settled)


def settle_whatever_is_wanted(patch: pytest.MonkeyPatch) -> None:
    def settle(self: IndexStates, generation: GenerationId, rows: Sequence[PendingRow]) -> None:
        with self._db.write() as tx:
            for row in rows:
                chunk = "(SELECT id FROM chunk WHERE chunk_id = ?)"
                tx.execute(
                    f"UPDATE index_state SET written = wanted WHERE alive = 1 AND chunk = {chunk}", (row.chunk_id,)
                )
                tx.execute(f"DELETE FROM index_state WHERE alive = 0 AND chunk = {chunk}", (row.chunk_id,))

    patch.setattr(IndexStates, "settle", settle)


def believe_silence(patch: pytest.MonkeyPatch) -> None:
    write = Projector._write

    def believing(self: Projector, rows: Sequence[PendingRow]) -> None:
        try:
            write(self, rows)
        except IndexUnavailable:
            return

    patch.setattr(Projector, "_write", believing)


def save_the_cursor_first(patch: pytest.MonkeyPatch) -> None:
    whole_list = SyncEngine._list

    def saving(self: SyncEngine, *args: Any) -> Any:
        listing = whole_list(self, *args)
        self._ledger.save_bookmark(
            SOURCE, cursor=listing.checkpoints[-1].cursor, identity=listing.identity_after, proven_at=None
        )
        return listing

    patch.setattr(SyncEngine, "_list", saving)


def believe_any_listing(patch: pytest.MonkeyPatch) -> None:
    def prove(missing: Any, _checkpoints: Any, **_: Any) -> Proof:
        return Proof(root=Root.HOLDS, provable=tuple(missing), unproven=())

    patch.setattr(engine, "prove", prove)


def ignore_narrowings(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SyncEngine, "_regrant", lambda *_: None)
    bind = _Writer._acl

    def first_grant(self: _Writer, grant: Any) -> int:
        return bind(self, replace(grant, place="everywhere"))

    patch.setattr(_Writer, "_acl", first_grant)


def always_read(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(diff, "must_read", lambda *_: True)


def number_lines(patch: pytest.MonkeyPatch) -> None:
    cut = SemanticCutter.cut

    def with_lines(self: SemanticCutter, document: Document) -> tuple[Passage, ...]:
        return tuple(replace(passage, page=passage.lines and passage.lines[0]) for passage in cut(self, document))

    patch.setattr(SemanticCutter, "cut", with_lines)


def match_nothing(patch: pytest.MonkeyPatch) -> None:
    def nothing(missing: Any, fresh: Any, *_: Any, **__: Any) -> Matching:
        return Matching(matches=(), missing=tuple(missing), fresh=tuple(fresh))

    patch.setattr(engine, "match_by_file", nothing)
    patch.setattr(engine, "match_by_hash", nothing)


@dataclass(frozen=True)
class Mutant:
    rule: str
    break_it: Callable[[pytest.MonkeyPatch], None]
    check: Callable[[Path], None]


MUTANTS = [
    Mutant("R1", keep_keyword_rows, edits),
    Mutant("R1", forget_what_is_wanted, edits),
    Mutant("R2", forget_tombstones, deaths_beside_the_index),
    Mutant("R2", settle_first, deaths_beside_the_index),
    Mutant("R2", settle_whatever_is_wanted, a_rename_during_the_write),
    Mutant("R3", believe_silence, no_answer),
    Mutant("R4", save_the_cursor_first, a_death_with_a_journal),
    Mutant("R5", believe_any_listing, a_broken_listing),
    Mutant("R7", ignore_narrowings, edits),
    Mutant("R9", always_read, a_second_run),
    Mutant("R10", number_lines, an_insertion),
    Mutant("R11", match_nothing, a_renamed_folder),
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.rule}-{mutant.break_it.__name__}")
def test_a_broken_rule_is_noticed(mutant: Mutant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check passes on the program as it is, and fails on the program with this rule broken."""
    mutant.check(tmp_path / "sound")
    mutant.break_it(monkeypatch)
    with pytest.raises((AssertionError, IngestorError)):
        mutant.check(tmp_path / "broken")
