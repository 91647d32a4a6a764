"""Who may read (R7), and sources that are taken out: on record first, the rest follows whoever dies meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.base import WHOLE, Grant, ItemId, ItemRef, Version
from ingestor.errors import UnknownId
from ingestor.ledger.ledger import Ledger
from ingestor.model import Filters, Move, Reader, Rebind
from tests.support.ledger_rows import RUN, put

PUBLIC = Reader(principals=frozenset({"public"}))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path)
    made.sources.put("s", "files", {"permissions": ["public", "group:staff"]}, "configured")
    made.sources.put("t", "files", {}, "registered")
    yield made
    made.close()


def found(ledger: Ledger, words: str, reader: Reader = PUBLIC) -> list[str]:
    scored = ledger.search.keyword(words, 100, reader, Filters())
    return [hit.uri for hit in ledger.search.hits(scored, reader)]


def ref(item: str, place: str, *readers: str) -> ItemRef:
    grant = Grant(place=place, principals=frozenset(readers))
    return ItemRef(item_id=ItemId(item), name=item, version=Version("2"), grant=grant)


@pytest.mark.parametrize("operation", ["rebind", "move"])
def test_r7_a_place_shows_nothing_to_those_whom_the_item_did_not_see_there(ledger: Ledger, operation: str) -> None:
    """A place that granted to everybody when something last stood there does not do so for who comes now."""
    put(ledger, "a", "the salaries of all", readers=())
    put(ledger, "b", "the canteen", readers=("public",))
    doc = ledger.sync.known("s", WHOLE)[ItemId("a")].doc
    there = ref("c" if operation == "move" else "a", "place of b", "group:staff")
    op = Move(doc=doc, item_id=ItemId("a"), ref=there) if operation == "move" else Rebind(doc=doc, ref=there)
    ledger.sync.apply("s", RUN, [op])
    assert found(ledger, "salaries") == []


def test_r7_what_the_configuration_no_longer_grants_ends_at_once(ledger: Ledger) -> None:
    """Whether or not the source can be listed; what it still grants goes on."""
    put(ledger, "a", "the salaries of all", readers=("public", "group:staff"))
    put(ledger, "b", "of another source", source="t")
    ledger.sources.put("s", "files", {"permissions": ["group:staff"]}, "configured")
    assert found(ledger, "salaries") == []
    assert found(ledger, "salaries", Reader(principals=frozenset({"group:staff"}))) == ["ingestor:s/a"]
    assert found(ledger, "another") == ["ingestor:t/b"]
    ledger.sources.put("s", "files", {"permissions": "posix"}, "configured")
    assert found(ledger, "salaries", Reader(principals=frozenset({"group:staff"}))) == []


def test_a_removed_source_is_in_no_search_and_takes_in_nothing(ledger: Ledger) -> None:
    """From the moment of its removal, before any of its documents was taken out."""
    put(ledger, "a", "some words", source="t")
    known = ledger.sync.known("t", WHOLE)[ItemId("a")]
    ledger.sources.remove("t")
    assert found(ledger, "words") == []
    with pytest.raises(UnknownId):
        ledger.sync.apply("t", RUN, [Rebind(doc=known.doc, ref=ref("a", "p", "public"))])


def test_a_removal_that_was_broken_off_is_finished_by_the_next_process(tmp_path: Path, ledger: Ledger) -> None:
    """Its documents leave the index, and with purge their text leaves the ledger."""
    put(ledger, "a", "some words", source="t")
    put(ledger, "b", "other words")
    ledger.sources.remove("t", purge=True)
    ledger.close()
    again = Ledger(tmp_path)
    again.finish_removals()
    assert again.sync._db.read("SELECT text FROM chunk ORDER BY id") == [("",), ("other words",)]
    assert again.sync._db.read("SELECT text FROM unit") == [("other words",)]
    assert again.upkeep.row_problems() == []
    assert again.upkeep.keyword_problems() == []
    again.sources.remove("s")
    again.finish_removals()
    assert again.sync._db.read("SELECT text FROM chunk WHERE text != ''") == [("other words",)]
    again.close()


def test_threads_that_come_and_go_leave_no_connections(ledger: Ledger) -> None:
    """Each search that crosses the socket has a thread of its own; a service answers for months."""
    for _ in range(20):
        thread = threading.Thread(target=ledger.queries.live_chunks)
        thread.start()
        thread.join()
    assert len(ledger.sync._db._all) <= 3
