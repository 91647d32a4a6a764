"""Where a chunk stands in its document."""

from __future__ import annotations

from ingestor.ledger.ledger import Ledger
from ingestor.ledger.past import PastReads
from tests.support.ledger_rows import put


def rows(ledger: Ledger, *texts: str) -> list[int]:
    known = dict(ledger.sync._db.read("SELECT text, id FROM chunk"))
    return [known[text] for text in texts]


def test_a_place_is_that_of_the_chunk_in_its_document(ledger: Ledger) -> None:
    """Of those that are asked for alone; documents count for themselves."""
    texts = [f"passage {number}. " for number in range(6)]
    put(ledger, "a", *texts)
    put(ledger, "b", "another document")
    second, fifth, other = rows(ledger, texts[1], texts[4], "another document")
    found = ledger.search.places([fifth, second, other])
    assert {row: place for row, (_, place) in found.items()} == {second: 1, fifth: 4, other: 0}
    assert found[second][0] == found[fifth][0] != found[other][0]
    assert ledger.search.places([]) == {}


def test_an_edit_moves_what_stands_behind_it(ledger: Ledger) -> None:
    """What the newest revision no longer holds stands nowhere; as of the time before, everything stands as it did."""
    put(ledger, "a", "one. ", "two. ", "three. ")
    before = rows(ledger, "one. ", "two. ", "three. ")
    then = PastReads(ledger.sync._db, ledger.queries, ledger.sync._db.read("SELECT max(seq) FROM commits")[0][0])
    put(ledger, "a", "new. ", "one. ", "three. ")
    after = rows(ledger, "new. ", "one. ", "three. ")
    assert after[1:] == [before[0], before[2]]
    every = [*before, after[0]]
    assert {row: place for row, (_, place) in ledger.search.places(every).items()} == {
        row: place for place, row in enumerate(after)
    }
    assert {row: place for row, (_, place) in then.places(every).items()} == {
        row: place for place, row in enumerate(before)
    }
