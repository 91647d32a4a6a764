"""Which documents a search is about: sources, paths, kinds and times, for whom."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestor.ledger.ledger import Ledger
from ingestor.model import DocId, Filters, Reader
from tests.support.ledger_rows import put

OWNER = Reader()
STAFF = Reader(principals=frozenset({"group:staff"}))
STRANGER = Reader(principals=frozenset({"user:eve"}))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path)
    for name in ("s", "t"):
        made.sources.put(name, "files", {}, "registered")
    yield made
    made.close()


def found(ledger: Ledger, filters: Filters, reader: Reader = OWNER) -> set[str]:
    """By words, by chunk row and by a walk: all three have to agree."""
    scored = ledger.search.keyword("words", 100, reader, filters)
    every = [one.chunk for one in ledger.search.all_candidates(OWNER, Filters(), 100)]
    rows = {row for row, _ in scored}
    assert {one.chunk for one in ledger.search.candidates(every, reader, filters)} == rows
    assert {one.chunk for one in ledger.search.all_candidates(reader, filters, 100)} == rows
    return {hit.uri.removeprefix("ingestor:") for hit in ledger.search.hits(scored, reader)}


@pytest.mark.parametrize(
    ("path", "items"),
    [
        ("hr", {"s/hr/a.md", "s/hr/old/b.md", "t/hr"}),
        ("hr/", {"s/hr/a.md", "s/hr/old/b.md", "t/hr"}),
        ("./hr/old", {"s/hr/old/b.md"}),
        ("hr/a.md", {"s/hr/a.md"}),
        ("hr/a", set()),
        ("mail.eml", {"s/mail.eml", "s/mail.eml#attachment=x.pdf"}),
        ("Büro", {"s/B%C3%BCro/c.md"}),
        ("/srv/s/hr", {"s/hr/a.md", "s/hr/old/b.md"}),
        ("/srv/s/hr/a.md", {"s/hr/a.md"}),
        ("/srv/s/Büro", {"s/B%C3%BCro/c.md"}),
        ("/srv", {"s/hr/a.md", "s/hr/old/b.md", "s/B%C3%BCro/c.md"}),
        ("/", {"s/hr/a.md", "s/hr/old/b.md", "s/B%C3%BCro/c.md"}),
        ("https://wiki.example.org", {"t/hr"}),
        ("https://wiki.example", set()),
        ("ingestor:s/hr", {"s/hr/a.md", "s/hr/old/b.md"}),
        ("ingestor:t/hr", {"t/hr"}),
        ("ingestor:t", {"t/hr"}),
        ("h_", set()),
        ("%", set()),
        ("'; DROP TABLE chunk; --", set()),
    ],
)
def test_a_path_is_a_file_or_all_beneath_a_folder(ledger: Ledger, path: str, items: set[str]) -> None:
    """As the source names it, as an absolute path or address, as the uri of a hit; never a part of a name."""
    for item in ("hr/a.md", "hr/old/b.md", "B%C3%BCro/c.md"):
        put(ledger, item, f"words of {item}", url=f"file:///srv/s/{item}")
    for item in ("hrx/d.md", "mail.eml", "mail.eml#attachment=x.pdf"):
        put(ledger, item, f"words of {item}")
    put(ledger, "hr", "words of a wiki", source="t", url="https://wiki.example.org/HR")
    assert found(ledger, Filters(paths=(path,))) == items


def test_of_several_values_one_is_enough_and_of_several_filters_all_count(ledger: Ledger) -> None:
    """Also where no document is of that kind."""
    put(ledger, "a/1", "words one", kind="pdf")
    put(ledger, "a/2", "words two", kind="text")
    put(ledger, "b/3", "words three", kind="docx", source="t")
    assert found(ledger, Filters(kinds=("pdf", "docx"))) == {"s/a/1", "t/b/3"}
    assert found(ledger, Filters(kinds=("pdf", "docx"), paths=("a", "c"))) == {"s/a/1"}
    assert found(ledger, Filters(kinds=("text",), sources=("t",))) == set()


def test_when_the_content_changed(ledger: Ledger) -> None:
    """By the source's clock, ends included; what has none counts from when it was taken in; of the present content."""
    put(ledger, "old", "words of old", modified_at=100.0)
    put(ledger, "new", "words of new", modified_at=200.0)
    put(ledger, "now", "words of now")
    assert found(ledger, Filters(since=200.0)) == {"s/new", "s/now"}
    assert found(ledger, Filters(until=200.0)) == {"s/old", "s/new"}
    assert found(ledger, Filters(since=101.0, until=199.0)) == set()
    put(ledger, "old", "words anew", modified_at=150.0)
    assert found(ledger, Filters(since=101.0, until=199.0)) == {"s/old"}
    (hit,) = ledger.search.hits(ledger.search.keyword("anew", 1, OWNER, Filters()), OWNER)
    assert (hit.changed_at, hit.kind) == (150.0, "text")


def test_a_filter_shows_nobody_more(ledger: Ledger) -> None:
    """Whichever it is: the reader's own documents among those it names."""
    put(ledger, "a/open", "words of all", readers=("public", "group:staff"), modified_at=100.0)
    put(ledger, "a/board", "words of the board", readers=("group:board",), modified_at=100.0)
    for filters in (
        Filters(sources=("s",)),
        Filters(paths=("a",)),
        Filters(paths=("ingestor:s/a",)),
        Filters(kinds=("text",)),
        Filters(since=1.0),
        Filters(until=1000.0),
    ):
        assert found(ledger, filters) == {"s/a/open", "s/a/board"}
        assert found(ledger, filters, STAFF) == {"s/a/open"}
        assert found(ledger, filters, STRANGER) == set()


def test_a_source_of_hidden_documents_is_not_there(ledger: Ledger) -> None:
    """A name tells something too; the owner sees every source, an empty one as well."""
    put(ledger, "a", "words", readers=("group:staff",))
    assert ledger.search.sources(OWNER) == ["s", "t"]
    assert ledger.search.sources(STAFF) == ["s"]
    assert ledger.search.sources(STRANGER) == []
    ledger.sources.remove("s")
    assert ledger.search.sources(STAFF) == []


def test_the_passages_of_a_document_are_for_its_readers(ledger: Ledger) -> None:
    """In order; nothing for others, and nothing of what is not there."""
    put(ledger, "a", "words", readers=("group:staff",))
    (hit,) = ledger.search.hits(ledger.search.keyword("words", 1, OWNER, Filters()), OWNER)
    assert [one.text for one in ledger.search.passages(hit.document_id, -1, 5, STAFF)] == ["words"]
    assert ledger.search.passages(hit.document_id, 1, 5, STAFF) == []
    assert ledger.search.passages(hit.document_id, 0, 5, STRANGER) == []
    assert ledger.search.passages(DocId("nobody"), 0, 5, OWNER) == []
