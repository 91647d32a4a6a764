"""The keyword index: which words find what, for whom, and what is left out of a query."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.base import ItemId
from ingestor.ledger.database import Database
from ingestor.ledger.ledger import Ledger
from ingestor.ledger.search import SearchReads
from ingestor.model import Candidate, Filters, Reader, Regrant, Remove
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
    scored = ledger.search.keyword(words, 100, reader, Filters(sources=sources))
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


@pytest.mark.parametrize(
    ("query", "items"),
    [
        ('"delays the refund"', {"s/a"}),
        ('"the delays refund"', set()),
        ("“Delays the refund”", {"s/a"}),
        ('"refund of deliv"*', {"s/b"}),
        ('"delays the refund" boat', {"s/a", "s/c"}),
        ('say "" or "?" of a boat', {"s/c"}),
        ("deliv*", {"s/b"}),
        ("deliv", set()),
        ("ERR-40*", {"s/a"}),
        ("ERR-401", set()),
        ("v2.3*", {"s/a"}),
        ("v2.3", {"s/a"}),
        ("v2.3.1", {"s/a"}),
        ("v2.3.10", set()),
        ("snake_ca*", {"s/a"}),
        ("parseHTTPRe*", {"s/c"}),
        ("parseHTTPReply", {"s/c"}),
        ("--dry-run", {"s/c"}),
        ("2*boat", {"s/c"}),
        ("**boat**", {"s/c"}),
        ("os.path.join()", {"s/c"}),
        ("ana@example.org", {"s/c"}),
        ("/etc/ingestor/a.toml", {"s/b"}),
        ("3f2504e0-4f89-11d3-9a0c-0305e82c3301", {"s/b"}),
        ('NEAR(boat "', {"s/c"}),
        ("text:boat", set()),
        ("boat NOT parseHTTPReply", {"s/c"}),
    ],
)
def test_phrases_beginnings_and_identifiers(ledger: Ledger, query: str, items: set[str]) -> None:
    """Quotation marks hold words together, a star stands for any ending, and no sign is a command of FTS5."""
    put(ledger, "a", "Error ERR-4012 of v2.3.1 in snake_case delays the refund.")
    put(
        ledger, "b", "A refund of delivery costs, set in /etc/ingestor/a.toml; id 3f2504e0-4f89-11d3-9a0c-0305e82c3301."
    )
    put(ledger, "c", "A boat calls parseHTTPReply and os.path.join, with --dry-run; ask ana@example.org.")
    assert found(ledger, query) == items
    assert {row for row, _ in ledger.search.keyword(query, 9, Reader(), Filters())} == {
        row for word in ledger.search.held(query, rows_of(ledger).values()) for row in word.chunks
    }


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


def test_a_passage_is_found_by_the_headings_above_it(ledger: Ledger) -> None:
    """It need not repeat them; and one that says the word itself comes first."""
    put(ledger, "below", "Money comes back within a week.", section=("Refunds", "Europe"))
    put(ledger, "says", "In Europe it takes a week for money to come.")
    put(ledger, "other", "Money comes back within a month.", section=("Refunds", "Asia"))
    scored = ledger.search.keyword("europe", 9, Reader(), ())
    assert [hit.uri for hit in ledger.search.hits(scored, Reader())] == ["ingestor:s/says", "ingestor:s/below"]
    row = rows_of(ledger)
    europe, refunds = ledger.search.held("europe refunds", list(row.values()))
    assert (list(europe.chunks), list(europe.context)) == ([row["says"]], [row["below"]])
    assert sorted(refunds.context) == sorted([row["below"], row["other"]])
    assert europe.context_rarity > refunds.context_rarity > 0
    assert ledger.upkeep.keyword_problems() == []


def test_an_edited_heading_rewrites_no_passage(ledger: Ledger) -> None:
    """What stands below it keeps its chunk, is found by the new words and no more by the old, and only the heading
    has to be embedded."""
    put(ledger, "a", "Money comes back within a week.", section=("Refunds", "Europe"))
    before = rows_of(ledger)
    applied = put(ledger, "a", "Money comes back within a week.", section=("Refunds", "Benelux"))
    assert (applied.chunks_added, applied.chunks_removed, applied.units_new) == (0, 0, 1)
    assert rows_of(ledger) == before
    assert (found(ledger, "europe"), found(ledger, "benelux")) == (set(), {"s/a"})
    assert ledger.upkeep.keyword_problems() == []
    assert ledger.upkeep.row_problems() == []


def test_a_word_above_many_passages_is_not_looked_for_there(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """The title of a long document stands above all of it, and says of none of its passages that it answers."""
    monkeypatch.setattr("ingestor.ledger.queries._COUNT_FROM", 0)
    monkeypatch.setattr("ingestor.ledger.queries._COMMON", 0.5)
    put(ledger, "a", "The harbour has a quay.", section=("Harbour",))
    for name in "bcd":
        put(ledger, name, f"Text {name} of another thing.", section=("Harbour",))
    assert found(ledger, "harbour") == {"s/a"}
    (harbour,) = ledger.search.held("harbour", list(rows_of(ledger).values()))
    assert list(harbour.context) == []


def test_a_sample_is_of_what_lives(ledger: Ledger) -> None:
    """Neither replaced text nor that of a removed source; no more documents than were asked for."""
    put(ledger, "a", "original words")
    put(ledger, "a", "replaced text")
    put(ledger, "b", "other text")
    put(ledger, "c", "text of t", source="t")
    ledger.sources.remove("t")
    assert sorted(ledger.search.sample(9)) == ["other text", "replaced text"]
    assert len(ledger.search.sample(1)) == 1


def rows_of(ledger: Ledger) -> dict[str, int]:
    """The chunk row of each item of one chunk."""
    every = ledger.search.all_candidates(Reader(), Filters(), 100)
    hits = [ledger.search.hits([(one.chunk, 0.0)], Reader())[0].uri for one in every]
    return {uri.removeprefix("ingestor:s/"): one.chunk for uri, one in zip(hits, every, strict=True)}


def test_which_chunks_hold_which_word(ledger: Ledger) -> None:
    """Of those that were named only; a rarer word weighs more, and one that stands nowhere the most."""
    put(ledger, "a", "The pump in the harbour leaks.")
    put(ledger, "b", "A harbour without any.")
    put(ledger, "c", "The harbours of the north.")
    row = rows_of(ledger)
    asked = [row["a"], row["b"]]
    pump, harbour, lighthouse = ledger.search.held("the pump of a harbour lighthouse", asked)
    assert list(pump.chunks) == [row["a"]]
    assert sorted(harbour.chunks) == sorted(asked)
    assert list(lighthouse.chunks) == []
    assert lighthouse.rarity > pump.rarity > harbour.rarity > 0


def test_a_code_is_held_as_a_phrase(ledger: Ledger) -> None:
    """As it is looked for."""
    put(ledger, "a", "The code ERR-4012 is rare.")
    put(ledger, "b", "The number 4012 stands here, and err there.")
    row = rows_of(ledger)
    (code,) = ledger.search.held("ERR-4012", list(row.values()))
    assert list(code.chunks) == [row["a"]]


def test_nothing_is_held_where_nothing_is_asked(ledger: Ledger) -> None:
    """No words, or no chunks."""
    put(ledger, "a", "some words")
    assert ledger.search.held("?!", [1]) == []
    assert [list(word.chunks) for word in ledger.search.held("words", [])] == [[]]


def test_common_words_are_neither_looked_for_nor_held(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """While rarer ones remain; a query of common words alone keeps one of them."""
    monkeypatch.setattr("ingestor.ledger.queries._COUNT_FROM", 0)
    monkeypatch.setattr("ingestor.ledger.queries._COMMON", 0.5)
    put(ledger, "a", "pump harbour")
    put(ledger, "b", "harbour quay north")
    put(ledger, "c", "harbour quay")
    row = rows_of(ledger)
    assert [list(word.chunks) for word in ledger.search.held("harbour pump", list(row.values()))] == [[row["a"]]]
    assert len(ledger.search.held("harbour quay", list(row.values()))) == 1


def test_the_rarest_words_are_ranked_as_far_as_it_takes_no_longer(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However large the corpus: of words that are all rare enough the commoner ones are left out when all of them
    together stand in too many passages."""
    monkeypatch.setattr("ingestor.ledger.queries._COUNT_FROM", 0)
    monkeypatch.setattr("ingestor.ledger.queries._COMMON", 1.0)
    monkeypatch.setattr("ingestor.ledger.queries._MOST_MATCHES", 3)
    put(ledger, "a", "pump harbour")
    put(ledger, "b", "harbour quay")
    put(ledger, "c", "quay")
    assert found(ledger, "harbour quay pump") == {"s/a", "s/b"}
    assert found(ledger, "quay") == {"s/b", "s/c"}


def test_how_common_a_word_is_is_counted_once_a_minute(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands in a tenth of all passages takes long to count, and stands in every other question."""
    monkeypatch.setattr("ingestor.ledger.queries._COUNT_FROM", 0)
    put(ledger, "a", "pump harbour")
    counted: list[object] = []
    read = Database.read

    def watched(db: Database, sql: str, parameters: tuple[object, ...] | dict[str, object] = ()) -> list[tuple[object]]:
        if "SELECT count(*) FROM (SELECT 1 FROM keyword" in sql:
            counted.append(parameters)
        return read(db, sql, parameters)

    monkeypatch.setattr(Database, "read", watched)
    for _ in range(2):
        ledger.search.keyword("pump harbour", 9, Reader(), Filters())
    assert len(counted) == len(set(counted)) > 0
    monkeypatch.setattr("ingestor.ledger.queries._COUNT_KEPT_S", 0.0)
    ledger.search.keyword("pump harbour", 9, Reader(), Filters())
    assert len(counted) == 2 * len(set(counted))


@pytest.mark.parametrize("few", [0, 20_000], ids=["asked of each match", "listed"])
@pytest.mark.parametrize("over", [1, 4], ids=["ranked again", "best of all"])
def test_each_reader_gets_his_best(ledger: Ledger, monkeypatch: pytest.MonkeyPatch, over: int, few: int) -> None:
    """In whatever way it is found out what he sees, as many as he asked for and the same ones, in the same order."""
    monkeypatch.setattr("ingestor.ledger.search._OVER", over)
    monkeypatch.setattr("ingestor.ledger.search._FEW", few)
    for number in range(12):
        readers = ("public", "user:ana") if number % 3 == 2 else ("user:ana",) if number % 3 else ()
        put(ledger, f"{number:02}", "harbour " * (number + 1) + "with other words of the quay", readers=readers)
    every = [row for row, _ in ledger.search.keyword("harbour", 99, Reader(), Filters())]
    names = {row: name for name, row in rows_of(ledger).items()}
    for principals, modulo in ((("public",), (2,)), (("user:ana",), (1, 2)), ((), ())):
        wanted = [row for row in every if int(names[row]) % 3 in modulo]
        reader = Reader(principals=frozenset(principals))
        for limit in (1, 3, 99):
            rows = [row for row, _ in ledger.search.keyword("harbour", limit, reader, Filters())]
            assert rows == wanted[:limit]
            named = Filters(paths=tuple(f"{n:02}" for n in range(6)))
            below = [row for row in wanted if int(names[row]) < 6]
            assert [row for row, _ in ledger.search.keyword("harbour", limit, reader, named)] == below[:limit]


def test_all_that_a_reader_sees(ledger: Ledger) -> None:
    """A walk over everything shows to each reader what a look-up of single chunks would."""
    put(ledger, "open", "words of all", readers=("public",))
    put(ledger, "staff", "words of some", readers=("group:staff", "user:ana"))
    put(ledger, "nobody", "words of none", readers=())
    row = rows_of(ledger)
    for principals, seen in (
        (("public",), {"open"}),
        (("public", "user:ana"), {"open", "staff"}),
        (("user:ana", "group:staff"), {"staff"}),
        ((), set()),
    ):
        reader = Reader(principals=frozenset(principals))
        walked = [one.chunk for one in ledger.search.all_candidates(reader, Filters(), 100)]
        assert sorted(walked) == sorted(row[name] for name in seen)
        assert sorted(one.chunk for one in ledger.search.candidates(row.values(), reader, Filters())) == sorted(walked)
        assert ledger.search.all_candidates(reader, Filters(sources=("t",)), 100) == []


def test_a_walk_is_taken_again_when_anything_was_committed(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not before: an edit, a grant that changes, a source that is removed show at once, to each reader his own."""
    put(ledger, "a", "words of all")
    put(ledger, "b", "words of some", readers=("group:staff",))
    put(ledger, "c", "words of t", source="t")
    public, staff = (Reader(principals=frozenset({name})) for name in ("public", "group:staff"))
    walks: list[str] = []
    walk = SearchReads._candidates

    def watched(reads: SearchReads, where: str, parameters: dict[str, object]) -> list[Candidate]:
        walks.append(where)
        return walk(reads, where, parameters)

    monkeypatch.setattr(SearchReads, "_candidates", watched)

    def seen(reader: Reader) -> int:
        return len(ledger.search.all_candidates(reader, Filters(), 100))

    assert [seen(public), seen(staff), seen(public), seen(staff)] == [2, 1, 2, 1]
    assert len(walks) == 2
    ledger.sync.apply("s", RUN, [Regrant(place="place of b", principals=frozenset({"public"}))])
    assert [seen(public), seen(staff)] == [3, 0]
    ledger.sources.remove("t")
    assert [seen(public), seen(staff)] == [2, 0]
    put(ledger, "d", "more", readers=("group:staff",))
    assert [seen(public), seen(staff), len(walks)] == [2, 1, 8]
    for number in range(9):
        ledger.search.all_candidates(public, Filters(), number)
    assert len(ledger.search._walked) == 3


@pytest.mark.parametrize("question", ["held", "walk"])
def test_no_walk_through_what_was_not_asked(ledger: Ledger, monkeypatch: pytest.MonkeyPatch, question: str) -> None:
    """The keyword index is run once a word, and a restricted reader's chunks are found from the grants."""
    put(ledger, "a", "some words")
    plans: list[str] = []
    read = Database.read

    def watched(db: Database, sql: str, parameters: tuple[object, ...] | dict[str, object] = ()) -> list[tuple[object]]:
        plans.extend(str(row[3]) for row in read(db, "EXPLAIN QUERY PLAN " + sql, parameters))
        return read(db, sql, parameters)

    monkeypatch.setattr(Database, "read", watched)
    if question == "held":
        ledger.search.held("words", [1, 2])
    else:
        ledger.search.all_candidates(Reader(principals=frozenset({"public"})), Filters(), 10)
    assert plans
    assert [plan for plan in plans if "VIRTUAL TABLE INDEX 0:=" in plan] == []
    if question == "walk":
        assert [plan for plan in plans if plan.startswith(("SCAN cut", "SCAN chunk", "SCAN binding"))] == []


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
