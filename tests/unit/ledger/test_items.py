"""What the ledger says of items that live and of documents that left."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.base import WHOLE, Grant, ItemId, ItemRef, Scope, Version
from ingestor.ledger.ledger import Ledger
from ingestor.model import Deceased, KnownItem, Move, Op, Remove, RunId, Touch
from tests.support.ledger_rows import put

RUN = RunId("r")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path)
    for name in ("s", "other"):
        made.sources.put(name, "files", {}, "registered")
    yield made
    made.close()


def placed(ledger: Ledger, item: str, file_key: str | None, *, source: str = "s") -> KnownItem:
    """An item of that file."""
    put(ledger, item, f"text of {item}", source=source)
    known = ledger.sync.known(source, Scope(item))[ItemId(item)]
    ref = ItemRef(
        item_id=known.item_id, name=item, version=Version("v"), size=40, file_key=file_key, grant=Grant(place="p")
    )
    ledger.sync.apply(source, RUN, [Touch(doc=known.doc, item_id=known.item_id, ref=ref)])
    return ledger.sync.known(source, Scope(item))[ItemId(item)]


@pytest.mark.parametrize(
    ("scope", "names"),
    [
        ("a", ["a/b", "a/b/c", "a/d"]),
        ("a/b", ["a/b", "a/b/c"]),
        ("a/b/c", ["a/b/c"]),
        ("", ["a/b", "a/b/c", "a/d", "a0", "b"]),
    ],
)
def test_a_scope_is_itself_and_what_stands_beneath(ledger: Ledger, scope: str, names: list[str]) -> None:
    """And nothing that merely begins with the same letters."""
    for name in ("a/b", "a/b/c", "a/d", "a0", "b"):
        put(ledger, name, name)
    put(ledger, "a/x", "of another source", source="other")
    assert sorted(ledger.sync.known("s", Scope(scope))) == names


def test_files_are_found_wherever_they_stand(ledger: Ledger) -> None:
    """Hard links both; nothing of another source, whose file keys mean other files."""
    first, second = placed(ledger, "a/1", "77"), placed(ledger, "b/2", "77")
    placed(ledger, "c", "78")
    placed(ledger, "d", None)
    placed(ledger, "e", "77", source="other")
    found = sorted(ledger.sync.of_files("s", {"77", "99"}), key=lambda item: item.item_id)
    assert found == [first, second]
    assert ledger.sync.of_files("s", ()) == []


def test_a_document_that_left_is_told_with_what_may_find_it_again(ledger: Ledger) -> None:
    """Its last content and when it left; a document that stands elsewhere, or is back, did not leave."""
    for name in ("gone", "moved", "stays"):
        put(ledger, name, name)
    known = ledger.sync.known("s", WHOLE)
    gone, moved = known[ItemId("gone")], known[ItemId("moved")]
    before = time.time()
    elsewhere = ItemRef(item_id=ItemId("there"), name="there", version=Version("v"), grant=Grant(place="p"))
    ops: list[Op] = [
        Remove(doc=gone.doc, item_id=gone.item_id),
        Move(doc=moved.doc, item_id=moved.item_id, ref=elsewhere),
    ]
    ledger.sync.apply("s", RUN, ops)
    (dead,) = ledger.sync.deceased("s")
    assert before - 1 <= dead.died_at <= time.time()
    assert replace(dead, died_at=0.0) == Deceased(doc=gone.doc, item_id=ItemId("gone"), content_hash=gone.content_hash)
    assert ledger.sync.deceased("other") == []
