"""The keyword index: which words find what, for whom, and what is left out of a query."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.base import ItemId
from ingestor.ledger.ledger import Ledger
from ingestor.model import Reader, Regrant, Remove
from tests.support.ledger_rows import RUN, put


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path)
    for name in ("s", "t"):
        made.sources.put(name, "files", {}, "registered")
    yield made
    made.close()


def found(
    ledger: Ledger, words: str, *, principals: tuple[str, ...] | None = None, sources: tuple[str, ...] = ()
) -> set[str]:
    reader = Reader(principals=None if principals is None else frozenset(principals))
    scored = ledger.search.keyword(words, 100, reader, sources)
    return {hit.uri.removeprefix("ingestor:") for hit in ledger.search.hits(scored, reader)}


@pytest.mark.parametrize(
    "query",
    [
        "ERR-4012",
        "err 4012",
        "what is ERR-4012?",
        "v2.3.1",
        "snake_case",
        "refund",
        "refunds",
        "Zürich",
        "zurich",
        '"quoted',
        "a AND (b",
        "*",
    ],
)
def test_words_as_people_write_them(ledger: Ledger, query: str) -> None:
    """Codes, versions and identifiers are found, endings and accents do not matter, no input is an error."""
    put(ledger, "a", "Error ERR-4012 came with v2.3.1 of snake_case in Zürich; it delays refunds.")
    put(ledger, "b", "Nothing of the kind.")
    result = found(ledger, query)
    assert result == (set() if query in {'"quoted', "a AND (b", "*"} else {"s/a"})


def test_a_code_is_a_phrase(ledger: Ledger) -> None:
    """Its parts standing elsewhere do not make it."""
    put(ledger, "a", "The code ERR-4012 is rare.")
    put(ledger, "b", "The number 4012 stands here, and err there.")
    assert found(ledger, "ERR-4012") == {"s/a"}


def test_what_was_removed_or_replaced_is_not_found(ledger: Ledger) -> None:
    """From the commit on."""
    put(ledger, "a", "original words")
    put(ledger, "a", "replaced text")
    assert found(ledger, "original") == set()
    known = ledger.sync.known("s", ItemId(""))[ItemId("a")]
    ledger.sync.apply("s", RUN, [Remove(doc=known.doc, item_id=ItemId("a"))])
    assert found(ledger, "replaced") == set()
    assert ledger.upkeep.keyword_problems() == []


def test_only_what_the_reader_may_see(ledger: Ledger) -> None:
    """Fail closed: no principals, no hits; and a change of the place's grant is one operation."""
    put(ledger, "open", "shared secret words", readers=("public",))
    put(ledger, "staff", "shared secret words", readers=("group:staff", "user:ana"))
    put(ledger, "nobody", "shared secret words", readers=())
    assert found(ledger, "secret") == {"s/open", "s/staff", "s/nobody"}
    assert found(ledger, "secret", principals=("public",)) == {"s/open"}
    assert found(ledger, "secret", principals=("public", "user:ana")) == {"s/open", "s/staff"}
    assert found(ledger, "secret", principals=()) == set()
    ledger.sync.apply("s", RUN, [Regrant(place="place of open", principals=frozenset())])
    assert found(ledger, "secret", principals=("public",)) == set()


def test_only_the_sources_asked_for(ledger: Ledger) -> None:
    """And a removed source is in none."""
    put(ledger, "a", "some words")
    put(ledger, "a", "some words", source="t")
    assert found(ledger, "words") == {"s/a", "t/a"}
    assert found(ledger, "words", sources=("t",)) == {"t/a"}
    ledger.sources.remove("t")
    assert found(ledger, "words") == {"s/a"}


def test_a_keyword_index_out_of_step_is_noticed_and_mended(ledger: Ledger) -> None:
    """A row too many, and a row too few."""
    put(ledger, "a", "some words")
    db = ledger.sources._db
    with db.write() as tx:
        tx.execute("INSERT INTO keyword (rowid, text) VALUES (999, 'stray words')")
    assert ledger.upkeep.keyword_problems()
    ledger.upkeep.rebuild_keyword()
    assert ledger.upkeep.keyword_problems() == []
    with db.write() as tx:
        tx.execute("INSERT INTO keyword (keyword, rowid, text) SELECT 'delete', id, text FROM chunk")
    assert ledger.upkeep.keyword_problems()
    ledger.upkeep.rebuild_keyword()
    assert found(ledger, "words") == {"s/a"}
