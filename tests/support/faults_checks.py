"""Small scenarios that a sound program passes, one for each rule that a mutant may break."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Change, Checkpoint, Fetched, ItemRef, Scope, Watcher
from connectors.errors import ItemUnreadable, ListingIncomplete
from connectors.memory import MemorySource
from ingestor.errors import IndexUnavailable, LedgerError
from ingestor.model import Outcome, PutRevision, Trigger
from tests.support.faults_corpus import markdown, word
from tests.support.faults_trees import everyday, small_tree
from tests.support.faults_world import SOURCE, Death, World, hooked
from tests.support.memory_index import MemoryIndex
from tests.support.served import PATIENCE_S, Served, served


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


def deaths_at_commits(place: Path) -> None:
    """A death at each commit of an edit: whatever is on the disk then agrees with itself."""
    at, died = 0, True
    while died:
        at += 1
        world = tree(place / str(at))
        path = world.root / "a.md"
        path.write_text(markdown("A", [1]))
        world.sync()
        path.write_text(markdown("A", [2]))
        died = world.dies(Death(at, point="ledger.commit"), world.sync)
        world.check_rows()
        assert world.found(word(1)) ^ world.found(word(2)) == {"a.md"}
        world.sync()
        world.check_ledger()
        world.close()


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


def a_mass_deletion(place: Path) -> None:
    """What a person has to look at waits for one, whatever comes in its place."""
    source = MemorySource(SOURCE)
    for number in range(20):
        source.put(f"{number}", markdown("N", [number]))
    world = tree(place, source=source)
    world.everything()
    for number in range(11):
        source.remove(f"{number}")
        source.put(f"other {number}", markdown("Other", [100 + number]))
    for _ in range(2):
        assert world.sync().outcome is Outcome.HELD
        assert len(world.doc_ids()) == 31


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


# -- R6 -----------------------------------------------------------------------------------------------------


class ChangesWhileListed(MemorySource):
    """While its first listing comes to its end, too late to be in it, one more item comes."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.changed = threading.Event()

    def list(self, scope: Scope, cursor: str | None) -> Iterator[Change | Checkpoint]:
        yield from super().list(scope, cursor)
        if not self.changed.is_set():
            self.put("late", markdown("Late", [2]))
            self.changed.set()


def an_edit_during_the_first_scan(place: Path) -> None:
    """What changes while a source is first looked at is told by the watcher, which was armed before."""
    source = ChangesWhileListed(SOURCE)
    source.put("early", markdown("Early", [1]))
    (place / "root").mkdir(parents=True)
    with served(place / "state", source=lambda _: source) as service:
        service.service.watch()
        service.add(place / "root", SOURCE)
        assert source.changed.wait(PATIENCE_S)
        # Served after every hint that was given before.
        service.service.runner(SOURCE).request(Trigger.WATCH, (Scope("early"),)).result(PATIENCE_S)
        assert service.documents(SOURCE).keys() == service.listed(SOURCE)


class Silent(MemorySource):
    """Nobody can watch it."""

    def watcher(self) -> Watcher | None:
        return None


def a_change_that_nobody_told(place: Path) -> None:
    """Without any hint the next scan of the whole finds what changed."""
    source = Silent(SOURCE)
    source.put("first", markdown("First", [1]))
    (place / "root").mkdir(parents=True)
    settings = f'[[source]]\nname = "{SOURCE}"\nkind = "files"\npath = "{place / "root"}"\nschedule = "1s"\n'
    with contextlib.closing(Served(place / "state", lambda _: source, settings=settings)) as service:
        service.service.watch()
        service.until(lambda: "first" in service.documents(SOURCE), "the first scan")
        source.put("second", markdown("Second", [2]))
        next_run = service.service._schedule.next_run
        service.until(lambda: "second" in service.documents(SOURCE) or next_run(SOURCE) is None, "the next scan")
        assert "second" in service.documents(SOURCE)


# -- R8 -----------------------------------------------------------------------------------------------------


class BadSpots(MemorySource):
    """Some items are listed and cannot be read."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.bad: set[str] = set()

    def fetch(self, ref: ItemRef) -> Fetched:
        if ref.item_id in self.bad:
            raise ItemUnreadable("The disk gave an error.", place=ref.item_id)
        return super().fetch(ref)


def spots(place: Path, count: int) -> tuple[World, BadSpots]:
    source = BadSpots(SOURCE)
    world = tree(place, source=source)
    for number in range(count):
        source.put(f"{number:02}", markdown("N", [number]))
    return world, source


def one_bad_item(place: Path) -> None:
    """An item that cannot be read costs itself and no other."""
    world, source = spots(place, 5)
    source.bad = {"04"}
    assert world.sync().outcome is Outcome.PARTIAL
    assert world.doc_ids().keys() == {"00", "01", "02", "03"}
    world.close()


def a_broken_disk(place: Path) -> None:
    """A source that cannot be read at all is not believed about what is gone either."""
    world, source = spots(place, 30)
    world.everything()
    for number in range(1, 30):
        source.put(f"{number:02}", markdown("Edited", [100 + number]))
        source.bad.add(f"{number:02}")
    source.remove("00")
    assert world.sync().outcome is Outcome.FAILED
    assert len(world.doc_ids()) == 30
    world.close()


def a_ledger_that_refuses(place: Path) -> None:
    """An error of the ledger ends the run before anything that comes after it."""
    world, source = spots(place, 5)
    world.everything()
    source.put("01", markdown("Edited", [100]))
    source.remove("00")
    apply, ended = world.ledger.sync.apply, False

    def refuse(name: str, run: Any, ops: Any) -> Any:
        if any(isinstance(op, PutRevision) for op in ops):
            raise LedgerError("The ledger cannot be written.")
        return apply(name, run, ops)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.ledger.sync, "apply", refuse)
        try:
            world.sync_all()
        except LedgerError:
            ended = True
    assert ended
    assert len(world.doc_ids()) == 5
    world.close()
