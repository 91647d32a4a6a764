"""What documents are tagged with: found by, shown with, and gone with their document."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from connectors.base import NOBODY, WHOLE, Grant, ItemId, ItemRef, Version
from ingestor.ledger.ledger import Ledger
from ingestor.model import Filters, GenerationState, Hash, Hit, ModelId, Move, PutFailure, Reader, Recipe, Remove, Touch
from ingestor.model.tags import fold, tidy, tidy_author
from tests.support.ledger_rows import RUN, put

OWNER = Reader()
STAFF = Reader(principals=frozenset({"group:staff"}))
PUBLIC = Reader(principals=frozenset({"public"}))


def tagged(ledger: Ledger, *tags: str, reader: Reader = OWNER) -> set[str]:
    """Items with these tags: by words, by chunk row and by a walk, which have to agree."""
    filters = Filters(tags=tags)
    every = [one.chunk for one in ledger.search.all_candidates(OWNER, Filters(), 100)]
    rows = {row for row, _ in ledger.search.keyword("words", 100, reader, filters)}
    assert {one.chunk for one in ledger.search.candidates(every, reader, filters)} == rows
    assert {one.chunk for one in ledger.search.all_candidates(reader, filters, 100)} == rows
    return {hit.uri.removeprefix("ingestor:s/") for hit in ledger.search.hits([(row, 0.0) for row in rows], reader)}


def hit(ledger: Ledger, words: str, reader: Reader = OWNER) -> Hit:
    (found,) = ledger.search.hits(ledger.search.keyword(words, 1, reader, Filters()), reader)
    return found


def ref(item: str, *, tags: tuple[str, ...] | None = None, grant: Grant | None = None) -> ItemRef:
    granted = grant or Grant(place=f"place of {item}", principals=frozenset({"public"}))
    return ItemRef(item_id=ItemId(item), name=item, version=Version("2"), grant=granted, tags=tags)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ((), ()),
        (("b", "a"), ("a", "b")),
        (("Zoo", "zoo", "ZOO"), ("Zoo",)),
        (("  two \n words\t",), ("two words",)),
        (("", "  ", "\x07"), ()),
        (("x" * 201, "y" * 200), ("y" * 200,)),
        (("half \ud800 a pair", "bell\x07s"), ("bell s", "half a pair")),
        (("\u0645\u06cc\u200c\u062e", "\u202ebackwards"), ("backwards", "\u0645\u06cc\u200c\u062e")),
        (("Zu\u0308rich", "Z\u00fcrich"), ("Zu\u0308rich",)),
        (tuple(f"t{n:03}" for n in range(300)), tuple(f"t{n:03}" for n in range(200))),
    ],
)
def test_tags_are_kept_tidy(given: tuple[str, ...], kept: tuple[str, ...]) -> None:
    """Each once, whatever its case and its form of Unicode, in order; names, not texts, and no endless list."""
    assert tidy(given) == kept
    assert tidy(kept) == kept


def test_an_author_is_one_line() -> None:
    """Whatever a wiki calls its users."""
    assert tidy_author(None) == ""
    assert tidy_author(" Ann\nof the \x1b[1mharbour ") == "Ann of the [1mharbour"
    assert fold("GRÜSSE  an\talle") == fold("grüße an alle")


def test_of_several_tags_a_document_has_all(ledger: Ledger) -> None:
    """The source's and its own alike, in any case; never a part of a name."""
    put(ledger, "a", "words of a", tags=("Zoo birds", "Pink"))
    put(ledger, "b", "words of b", tags=("zoo BIRDS",), says=("Draft",))
    put(ledger, "c", "words of c")
    assert tagged(ledger, "ZOO birds") == {"a", "b"}
    assert tagged(ledger, "zoo  birds", "draft") == {"b"}
    assert tagged(ledger, "pink", "draft") == set()
    assert tagged(ledger, "zoo") == set()
    assert tagged(ledger, "%") == set()
    assert tagged(ledger, "") == set()
    assert hit(ledger, "words of b").tags == ("Draft", "zoo BIRDS")
    assert hit(ledger, "words of c").tags == ()


def test_a_tag_named_twice_is_shown_once(ledger: Ledger) -> None:
    """By the source and by the document; it stays while one of them names it."""
    put(ledger, "a", "words", tags=("Zoo",), says=("zoo",))
    assert len(hit(ledger, "words").tags) == 1
    put(ledger, "a", "other words", tags=("Zoo",))
    assert (hit(ledger, "words").tags, tagged(ledger, "zoo")) == (("Zoo",), {"a"})
    put(ledger, "a", "more words", tags=())
    assert (hit(ledger, "words").tags, tagged(ledger, "zoo")) == ((), set())


def test_a_ref_that_does_not_say_leaves_what_is_known(ledger: Ledger) -> None:
    """As of a listing that shows no categories; one that says so changes them, and nothing in any index."""
    generation = ledger.index.add_generation(ModelId("m"), "g", GenerationState.SERVING)
    put(ledger, "a", "words", tags=("Zoo",), says=("own",))
    states = ledger.sync._db.read("SELECT * FROM index_state")
    known = ledger.sync.known("s", WHOLE)[ItemId("a")]
    assert known.tags == ("Zoo",)
    ledger.sync.apply("s", RUN, [Touch(doc=known.doc, item_id=known.item_id, ref=ref("a"))])
    assert hit(ledger, "words").tags == ("own", "Zoo")
    ledger.sync.apply("s", RUN, [Touch(doc=known.doc, item_id=known.item_id, ref=ref("a", tags=("Park", "Zoo")))])
    assert hit(ledger, "words").tags == ("own", "Park", "Zoo")
    assert ledger.sync.known("s", WHOLE)[ItemId("a")].tags == ("Park", "Zoo")
    before = ledger.sync._db.read("SELECT * FROM document_tag")
    ledger.sync.apply("s", RUN, [Touch(doc=known.doc, item_id=known.item_id, ref=ref("a", tags=("zoo", "Park")))])
    assert hit(ledger, "words").tags == ("own", "Park", "zoo")
    ledger.sync.apply("s", RUN, [Touch(doc=known.doc, item_id=known.item_id, ref=ref("a", tags=("Park", "zoo")))])
    assert len(ledger.sync._db.read("SELECT * FROM document_tag")) == len(before) + 1
    assert ledger.sync._db.read("SELECT * FROM index_state") == states
    assert ledger.index.backlog(generation.generation_id) == (1, 0)


def test_tags_follow_a_move_and_leave_with_the_document(ledger: Ledger) -> None:
    """A return brings those of its return."""
    put(ledger, "a", "words", tags=("Zoo",), says=("own",))
    known = ledger.sync.known("s", WHOLE)[ItemId("a")]
    ledger.sync.apply("s", RUN, [Move(doc=known.doc, item_id=ItemId("a"), ref=ref("b"))])
    assert tagged(ledger, "zoo", "own") == {"b"}
    ledger.sync.apply("s", RUN, [Remove(doc=known.doc, item_id=ItemId("b"))])
    assert ledger.sync._db.read("SELECT count(*) FROM document_tag WHERE died IS NULL") == [(0,)]
    assert ledger.upkeep.row_problems() == []


def test_what_cannot_be_parsed_keeps_what_its_source_says(ledger: Ledger) -> None:
    """And not what its content said before."""
    put(ledger, "a", "words", tags=("Zoo",), says=("own",))
    known = ledger.sync.known("s", WHOLE)[ItemId("a")]
    failure = PutFailure(
        ref=ref("a"),
        doc=known.doc,
        content_hash=Hash(b"x"),
        recipe=Recipe("r"),
        reason="corrupt",
        message="",
        hint="",
        attempts=1,
        retry_at=None,
        seen_at=0.0,
    )
    ledger.sync.apply("s", RUN, [failure])
    assert ledger.sync._db.read("SELECT tag FROM document_tag WHERE died IS NULL") == [("Zoo",)]


def test_r7_a_tag_is_told_of_with_its_document_alone(ledger: Ledger) -> None:
    """To who may see that; the same tag of hidden and of shown documents finds the shown ones."""
    put(ledger, "open", "words of all", tags=("Merger",))
    put(ledger, "board", "words of the board", tags=("Merger", "Takeover"), readers=("group:board",))
    assert tagged(ledger, "merger") == {"open", "board"}
    assert tagged(ledger, "merger", reader=PUBLIC) == {"open"}
    assert tagged(ledger, "takeover", reader=PUBLIC) == set()
    known = ledger.sync.known("s", WHOLE)[ItemId("open")]
    ledger.sync.apply("s", RUN, [Touch(doc=known.doc, item_id=known.item_id, ref=ref("open", grant=NOBODY))])
    assert tagged(ledger, "merger", reader=PUBLIC) == set()


def test_a_search_of_the_past_goes_by_the_tags_of_then(ledger: Ledger) -> None:
    """And shows these; for who may see the document then and now."""
    put(ledger, "a", "words", tags=("Zoo",), readers=("group:staff",))
    known = ledger.sync.known("s", WHOLE)[ItemId("a")]
    then = time.time()
    ledger.sync.apply("s", RUN, [Touch(doc=known.doc, item_id=known.item_id, ref=ref("a", tags=("Park",)))])
    past = ledger.past(then)
    staff, zoo, park = STAFF, Filters(tags=("zoo",)), Filters(tags=("park",))
    assert past.keyword("words", 5, staff, park) == []
    # The place of the ref above grants to the public; the narrowing since hides the past from the staff.
    assert past.keyword("words", 5, staff, zoo) == []
    found = past.keyword("words", 5, OWNER, zoo)
    assert [one.tags for one in past.hits(found, OWNER)] == [("Zoo",)]
    assert [row for row, _ in found] == [one.chunk for one in past.all_candidates(OWNER, zoo, 5)]
    assert past.keyword("words", 5, PUBLIC, zoo) == []


def test_who_wrote_what_came_back_is_not_told_of_the_time_before(ledger: Ledger) -> None:
    """The same words by another hand are the same revision, of which only the present author is known; a move is none."""
    put(ledger, "a", "words", author="Ann")
    doc = ledger.sync.known("s", WHOLE)[ItemId("a")].doc

    def authors(at: float) -> list[str]:
        past = ledger.past(at)
        return [one.author for one in past.hits(past.keyword("words", 5, OWNER, Filters()), OWNER)]

    first = time.time()
    ledger.sync.apply("s", RUN, [Touch(doc=doc, item_id=ItemId("a"), ref=ref("a", grant=NOBODY))])
    second = time.time()
    assert authors(first) == authors(second) == ["Ann"]
    ledger.sync.apply("s", RUN, [Remove(doc=doc, item_id=ItemId("a"))])
    put(ledger, "b", "words", author="Bob", doc=doc)
    assert (authors(first), authors(second), authors(time.time())) == ([""], [""], ["Bob"])


def test_what_was_replaced_goes_after_retention_and_a_purge_takes_all(tmp_path: Path) -> None:
    """Of tags and authors nothing is left in any row."""
    ledger = Ledger(tmp_path, retention_s=0.0)
    ledger.sources.put("s", "files", {}, "registered")
    put(ledger, "a", "words", tags=("Oldtag", "Kept"), author="Ann")
    put(ledger, "a", "other words", tags=("Kept",), author="Ann")
    put(ledger, "b", "more words", tags=("Gonetag",), author="Bob")
    known = ledger.sync.known("s", WHOLE)[ItemId("b")]
    ledger.sync.apply("s", RUN, [Remove(doc=known.doc, item_id=ItemId("b"))])
    ledger.upkeep.forget_expired(time.time() + 1)
    assert ledger.sync._db.read("SELECT tag FROM document_tag") == [("Kept",)]
    assert set(ledger.sync._db.read("SELECT author FROM revision")) == {("Ann",), ("",)}
    ledger.sources.remove("s", purge=True)
    ledger.finish_removals()
    assert ledger.sync._db.read("SELECT tag FROM document_tag") == []
    assert ledger.sync._db.read("SELECT author FROM revision") == []
    ledger.close()


def test_tags_of_no_live_document_are_found_and_taken_out(ledger: Ledger) -> None:
    """Whatever a bad disk or a hand with a database tool leaves."""
    put(ledger, "a", "words", tags=("Zoo",))
    with ledger.sync._db.write() as tx:
        tx.execute("INSERT INTO document (doc_id, source) VALUES ('d', 1)")
        tx.execute(
            "INSERT INTO document_tag (doc, origin, tag, folded, born)"
            " SELECT id, 'source', 'x', 'x', 1 FROM document WHERE doc_id = 'd'"
        )
    assert [problem.damage for problem in ledger.upkeep.row_problems()] == ["orphan"]
    ledger.upkeep.repair_rows()
    assert ledger.upkeep.row_problems() == []
    assert tagged(ledger, "zoo") == {"a"}


def test_who_made_a_revision(ledger: Ledger) -> None:
    """Each its own; one that was taken in before authors were asked for learns it from the same version only."""
    put(ledger, "a", "words one", author="Ann")
    assert hit(ledger, "words").author == "Ann"
    put(ledger, "a", "words two", author="Bob")
    assert hit(ledger, "words").author == "Bob"
    past = ledger.traces.document(hit(ledger, "words").document_id, OWNER)
    assert past is not None
    assert [revision.author for revision in past.revisions] == ["Ann", "Bob"]
    put(ledger, "b", "text", author=None)
    assert hit(ledger, "text").author == ""
    put(ledger, "b", "text", author="Cem")
    assert hit(ledger, "text").author == "Cem"
    put(ledger, "b", "text", author="Dora")
    assert hit(ledger, "text").author == "Cem"


def test_r7_what_returns_elsewhere_tells_nothing_of_where_it_was(ledger: Ledger) -> None:
    """The same content at another place has the author and the address of that place."""
    put(ledger, "a", "words", author="Ann", readers=("group:board",))
    known = ledger.sync.known("s", WHOLE)[ItemId("a")]
    ledger.sync.apply("s", RUN, [Remove(doc=known.doc, item_id=ItemId("a"))])
    put(ledger, "b", "words", author="Bob", doc=known.doc)
    assert [(one.uri, one.author, one.revision) for one in [hit(ledger, "words", PUBLIC)]] == [
        ("ingestor:s/b", "Bob", 1)
    ]
    past = ledger.traces.document(hit(ledger, "words").document_id, OWNER)
    assert past is not None
    assert [revision.author for revision in past.revisions] == ["Bob"]


def test_r7_who_made_a_revision_is_for_those_who_could_see_it(ledger: Ledger) -> None:
    """A history tells its reader of revisions that he could not see then, and not whose they were."""
    put(ledger, "a", "words one", author="Ann", readers=("group:board",))
    put(ledger, "a", "words two", author="Bob", readers=("group:board",))
    ledger.sync.apply("s", RUN, [])
    known = ledger.sync.known("s", WHOLE)[ItemId("a")]
    wide = Grant(place="wide", principals=frozenset({"public"}))
    ledger.sync.apply("s", RUN, [Touch(doc=known.doc, item_id=known.item_id, ref=ref("a", grant=wide))])
    past = ledger.traces.document(hit(ledger, "words").document_id, PUBLIC)
    assert past is not None
    assert [revision.author for revision in past.revisions] == ["", "Bob"]
