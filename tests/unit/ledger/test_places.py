"""Where a chunk stands in its document."""

from __future__ import annotations

from connectors.base import Grant, ItemId, ItemRef, Scope, Version
from ingestor.ledger.ledger import Ledger
from ingestor.ledger.past import PastReads
from ingestor.model import Hash, Passage, PutRevision, Recipe, Unit
from tests.support.ledger_rows import RUN


def put_row(ledger: Ledger, item: str, texts: list[str]) -> list[int]:
    """A document of these passages; their chunk rows, in order."""
    passages, start = list[Passage](), 0
    for text in texts:
        end = start + len(text)
        unit = Unit(text=text, start=start, end=end, weight=len(text))
        passages.append(Passage(start=start, end=end, text=text, units=(unit,), length=len(text), section=()))
        start = end
    whole = "".join(texts)
    known = ledger.sync.known("s", Scope("")).get(ItemId(item))
    op = PutRevision(
        ref=ItemRef(
            item_id=ItemId(item),
            name=item,
            version=Version(whole),
            grant=Grant(place=item, principals=frozenset({"public"})),
        ),
        doc=known.doc if known else None,
        content_hash=Hash(whole.encode()),
        recipe=Recipe("r"),
        title="",
        kind="text",
        passages=tuple(passages),
        has_lines=False,
        seen_at=0.0,
    )
    ledger.sync.apply("s", RUN, [op])
    rows = {text: row for row, text in ledger.sync._db.read("SELECT id, text FROM chunk ORDER BY id")}
    return [rows[text] for text in texts]


def test_a_place_is_that_of_the_chunk_in_its_document(ledger: Ledger) -> None:
    """Of those that are asked for alone; documents count for themselves."""
    rows = put_row(ledger, "a", [f"passage {number}. " for number in range(6)])
    (other,) = put_row(ledger, "b", ["another document"])
    found = ledger.search.places([rows[4], rows[1], other])
    assert {row: place for row, (_, place) in found.items()} == {rows[1]: 1, rows[4]: 4, other: 0}
    assert found[rows[1]][0] == found[rows[4]][0] != found[other][0]
    assert ledger.search.places([]) == {}


def test_an_edit_moves_what_stands_behind_it(ledger: Ledger) -> None:
    """What the newest revision no longer holds stands nowhere; as of the time before, everything stands as it did."""
    before = put_row(ledger, "a", ["one. ", "two. ", "three. "])
    then = PastReads(ledger.sync._db, ledger.queries, ledger.sync._db.read("SELECT max(seq) FROM commits")[0][0])
    after = put_row(ledger, "a", ["new. ", "one. ", "three. "])
    assert after[1:] == [before[0], before[2]]
    every = [*before, after[0]]
    assert {row: place for row, (_, place) in ledger.search.places(every).items()} == {
        row: place for place, row in enumerate(after)
    }
    assert {row: place for row, (_, place) in then.places(every).items()} == {
        row: place for place, row in enumerate(before)
    }
