"""The rules for sources that tell what changed (a journal) instead of listing everything."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from connectors.base import Grant
from connectors.memory import MemorySource
from ingestor.chunking.cutter import SemanticCutter
from ingestor.model import Filters, Outcome, Reader
from ingestor.parsing.pool import InlineParser
from ingestor.sync.engine import SyncEngine
from tests.support.world import SOURCE, World

BODY = "Document {0} says something of its own. The second sentence of {0} is here as well.\n"
FLAMINGOS = "Flamingos are pink birds and stand on one leg for most of the day.\n"

Made = Callable[[int], tuple[World, MemorySource]]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    worlds = list[World]()

    def make(count: int) -> tuple[World, MemorySource]:
        (tmp_path / "state").mkdir()
        source = MemorySource(SOURCE, journal=True)
        for n in range(count):
            source.put(f"p{n}", BODY.format(f"number{n}"))
        world = World(tmp_path, tmp_path / "state", source=source)
        worlds.append(world)
        world.sync()
        return world, source

    yield make
    for world in worlds:
        world.close()


def test_r4_a_part_of_the_source_moves_no_cursor(made: Made) -> None:
    """A hint looks at one item; what the journal says of the others is still to come."""
    world, source = made(3)
    source.put("p0", FLAMINGOS)
    source.put("p1", BODY.format("penguin"))
    world.run("p1")
    assert world.found("flamingos") == []
    world.sync()
    assert world.found("flamingos") == ["ingestor:docs/p0"]


def test_r4_what_could_not_be_read_is_told_again(made: Made) -> None:
    """The journal names a change once; the cursor stays before it until it was read."""
    world, source = made(3)
    source.put("p0", FLAMINGOS)
    source.unreadable("p0")
    assert world.run().outcome is Outcome.PARTIAL
    source.unreadable("p0", yes=False)
    world.sync()
    assert world.found("flamingos") == ["ingestor:docs/p0"]


def test_r4_a_deletion_that_could_not_be_confirmed_is_told_again(made: Made) -> None:
    """It is no delete while nobody can say so, and one as soon as somebody can."""
    world, source = made(3)
    source.remove("p0")
    source.unreadable("p0")
    world.run()
    assert "p0" in world.doc_ids()
    source.unreadable("p0", yes=False)
    world.sync()
    assert world.doc_ids().keys() == {"p1", "p2"}


def test_r5_a_document_moved_onto_another_leaves_its_own_place(made: Made) -> None:
    """The path that is still there keeps its document (R11); nothing stays behind under the old one."""
    world, source = made(3)
    source.remove("p1")
    source.move("p0", "p1")
    before = world.doc_ids()["p1"]
    world.sync()
    assert world.doc_ids().keys() == {"p1", "p2"}
    assert world.doc_ids()["p1"] == before
    assert world.found("number0") == ["ingestor:docs/p1"]


def test_r7_a_move_counts_as_the_journal_tells_of_it_last(made: Made) -> None:
    """Who lost the right to read after the move finds nothing once the move is told."""
    world, source = made(3)
    source.move("p0", "q0")
    source.permit("q0", Grant(place="board", principals=frozenset({"group:board"})))
    world.sync()
    public = Reader(principals=frozenset({"public"}))
    assert world.ledger.search.keyword("number1", 5, public, Filters())
    assert not world.ledger.search.keyword("number0", 5, public, Filters())
    assert world.ledger.search.keyword("number0", 5, Reader(principals=frozenset({"group:board"})), Filters())


def test_r5_the_last_word_of_a_journal_counts(made: Made) -> None:
    """An item that was edited and then deleted is gone."""
    world, source = made(3)
    source.put("p1", FLAMINGOS)
    source.remove("p1")
    world.sync()
    assert world.doc_ids().keys() == {"p0", "p2"}


def test_r5_a_held_plan_of_a_journal_can_be_approved(made: Made) -> None:
    """Approval asks the source for everything, so that absence can be proven."""
    world, source = made(30)
    for n in range(20):
        source.remove(f"p{n}")
    assert world.run().outcome is Outcome.HELD
    plan = world.ledger.sync.memory(SOURCE).plan
    assert plan is not None
    report = world.run(approve=plan)
    assert (report.outcome, report.counts.deleted) == (Outcome.OK, 20)
    world.healthy()


def test_r4_what_vanished_under_its_fetch_is_told_again(made: Made) -> None:
    """It was listed and gone when it was read: should it be back, the journal would not say so by itself."""
    world, source = made(3)
    source.put("p0", FLAMINGOS)
    source.vanishing("p0")
    world.run()
    assert world.found("flamingos") == []
    source.vanishing("p0", yes=False)
    world.sync()
    assert world.found("flamingos") == ["ingestor:docs/p0"]


def test_r6_a_journal_is_gone_on_with_while_it_can_be_trusted(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cursor is handed on until the last listing of everything is a day old; a clock that ran backwards counts
    as doubt."""
    world, source = made(3)
    cursors = list[str | None]()
    listing = source.list
    monkeypatch.setattr(source, "list", lambda scope, cursor: cursors.append(cursor) or listing(scope, cursor))
    now = time.time()
    for later, trusted in ((3600.0, True), (86_000.0, True), (86_500.0, False), (86_600.0, True), (-3600.0, False)):
        monkeypatch.setattr(time, "time", lambda later=later: now + later)
        world.sync()
        assert (cursors.pop() is not None) == trusted, later


def test_another_parser_reads_what_a_journal_does_not_tell(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that parses in another way lists everything once, and then goes on with the journal."""
    world, source = made(3)
    cursors = list[str | None]()
    listing = source.list
    monkeypatch.setattr(source, "list", lambda scope, cursor: cursors.append(cursor) or listing(scope, cursor))
    monkeypatch.setattr(InlineParser, "recipe", lambda _self, _name, _media_type: "another")
    world.engine = SyncEngine(
        source=source, ledger=world.ledger.sync, parser=InlineParser(), cutter=SemanticCutter(), pulse=world.pulse
    )
    assert world.sync().counts.bytes_read > 0
    assert world.sync().counts.bytes_read == 0
    assert [cursor is None for cursor in cursors] == [True, False]


def test_a_dry_run_of_a_journal_foresees_no_deletions(made: Made) -> None:
    """What a journal does not name is not missing."""
    world, source = made(3)
    source.put("p0", FLAMINGOS)
    source.remove("p1")
    found, _ = world.engine.foresee()
    assert [item.item_id for item in found.missing] == ["p1"]
    assert (len(found.changed), found.unchanged) == (1, 1)
