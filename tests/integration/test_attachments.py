"""Attachments of mails are documents that live, move, hide and die with their mail."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import closing

import pytest

from connectors.base import Grant, ItemId
from connectors.memory import MemorySource
from ingestor.chunking.cutter import SemanticCutter
from ingestor.errors import ParseFailure, ParseReason
from ingestor.ledger.ledger import LEDGER_FILE
from ingestor.model import Document, Filters, Outcome, ParseRequest, Reader
from ingestor.parsing.attachments import MOST
from ingestor.parsing.parse import parse
from ingestor.sync.attachments import DEPTH
from ingestor.sync.engine import SyncEngine
from tests.support.faults_corpus import mail
from tests.support.world import SOURCE, World

REPORT = b"# Report\n\nThe flamingo budget is settled. It lasts until May.\n"
NOTES = b"Penguins were discussed at length."
TWO = (("report.md", REPORT), ("notes.txt", NOTES))


class Parser:
    """Notes the names that it was asked for; fails for content that holds ``failing``."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.failing = b""
        self.transient = False
        self.version = "1"

    def recipe(self, name: str, media_type: str | None) -> str:
        return self.version

    def submit(self, request: ParseRequest) -> Future[Document]:
        self.asked.append(request.name)
        future: Future[Document] = Future()
        if self.failing and self.failing in request.content and not request.name.endswith(".eml"):
            future.set_exception(
                ParseFailure(ParseReason.CRASHED, "It broke.", hint="Mend it.", transient=self.transient)
            )
        else:
            try:
                future.set_result(parse(request))
            except ParseFailure as failure:
                future.set_exception(failure)
        return future

    def close(self) -> None:
        """Nothing runs."""


@pytest.fixture
def parser(world: World) -> Parser:
    """In the place of the world's own."""
    made = Parser()
    world.engine = SyncEngine(
        source=world.source, ledger=world.ledger.sync, parser=made, cutter=SemanticCutter(), pulse=world.pulse
    )
    return made


def put(world: World, place: str, subject: str = "Offer", attachments: Sequence[tuple[str, bytes]] = TWO) -> None:
    path = world.root / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(mail(subject, [1], attachments))


def test_an_attachment_is_a_document_that_names_its_mail(world: World) -> None:
    """It has its own title and uri; its link opens the mail, which the hit names."""
    put(world, "box/offer.eml")
    report = world.sync()
    assert report.counts.added == 1
    (scored,) = world.ledger.search.keyword("flamingo", 5, Reader(), Filters())
    (hit,) = world.ledger.search.hits([scored], Reader())
    assert (hit.title, hit.uri) == ("Report", "ingestor:docs/box/offer.eml#attachment=report.md")
    assert hit.url.endswith("/box/offer.eml")
    assert hit.parent is not None
    assert (hit.parent.uri, hit.parent.title) == ("ingestor:docs/box/offer.eml", "Offer")
    (mail_itself,) = world.ledger.search.hits(
        world.ledger.search.keyword("notes.txt", 5, Reader(), Filters()), Reader()
    )
    assert (mail_itself.title, mail_itself.parent) == ("Offer", None)
    assert "Attachments: report.md, notes.txt" in mail_itself.text


def test_a_second_run_reads_and_parses_nothing(world: World, parser: Parser) -> None:
    """R9: an unchanged mail is not opened for what is attached to it."""
    put(world, "offer.eml")
    world.sync()
    before, parser.asked = world.dump(), []
    again = world.sync()
    assert (again.counts.unchanged, again.counts.bytes_read, parser.asked) == (1, 0, [])
    assert world.dump() == before


def test_one_more_in_front_renames_nothing_and_parses_nothing_else(world: World, parser: Parser) -> None:
    """Of a mail that changed only the attachments that did are parsed; the others keep their documents."""
    put(world, "offer.eml")
    world.sync()
    world.drain()
    ids, parser.asked = world.doc_ids(), []
    put(world, "offer.eml", attachments=[("new.txt", b"Something new."), *TWO])
    assert world.sync().counts.updated == 1
    assert parser.asked == ["offer.eml", "new.txt"]
    assert ids.items() <= world.doc_ids().items()
    put(world, "offer.eml", attachments=[("notes.txt", b"Walruses were discussed instead.")])
    world.sync()
    assert world.doc_ids() == {item: ids[item] for item in ("offer.eml", "offer.eml#attachment=notes.txt")}
    assert (world.found("flamingo"), world.found("penguins")) == ([], [])
    assert world.found("walruses") == ["ingestor:docs/offer.eml#attachment=notes.txt"]
    world.healthy()


def test_attachments_of_one_name_are_told_apart(world: World) -> None:
    """By their number; a name that no path may have is as good as any other."""
    put(world, "offer.eml", attachments=[("a.txt", b"Aardvark."), ("a.txt", b"Baboon."), ("../ä/b;2.txt", b"Cat.")])
    world.sync()
    assert world.found("aardvark") == ["ingestor:docs/offer.eml#attachment=a.txt"]
    assert world.found("baboon") == ["ingestor:docs/offer.eml#attachment=a.txt;2"]
    assert world.found("cat") == ["ingestor:docs/offer.eml#attachment=b%3B2.txt"]


def test_a_moved_mail_takes_its_attachments_along(world: World, parser: Parser) -> None:
    """The same documents at another place: nothing is parsed, nothing is embedded."""
    put(world, "a/offer.eml")
    world.sync()
    world.drain()
    ids, parser.asked = world.doc_ids(), []
    (world.root / "a").rename(world.root / "b")
    assert world.sync().counts.moved == 1
    assert world.doc_ids() == {item.replace("a/", "b/", 1): doc_id for item, doc_id in ids.items()}
    assert (parser.asked, world.drain()[0]) == ([], 0)
    assert {row[2]["uri"] for row in world.index.rows.values()} == {f"ingestor:docs/{item}" for item in world.doc_ids()}
    world.healthy()


def test_a_deleted_mail_takes_them_with_it_and_brings_them_back(world: World) -> None:
    """A plan that waits covers them; what returns is the same documents, with nothing embedded again."""
    put(world, "offer.eml")
    world.write("other.md", "Other words. They stay.\n")
    world.sync()
    world.drain()
    ids = world.doc_ids()
    content = (world.root / "offer.eml").read_bytes()
    (world.root / "offer.eml").unlink()
    assert world.sync().counts.deleted == 1
    assert list(world.doc_ids()) == ["other.md"]
    assert world.found("flamingo") == []
    (world.root / "offer.eml").write_bytes(content)
    world.sync()
    assert world.doc_ids() == ids
    assert world.drain()[0] == 0
    for path in world.root.iterdir():
        path.unlink()
    held = world.run()
    assert held.outcome is Outcome.HELD
    assert world.doc_ids() == ids
    plan = world.ledger.sync.memory(SOURCE).plan
    assert plan is not None
    assert plan.items == ("offer.eml", "other.md")
    assert world.run(approve=plan).counts.deleted == 2
    assert world.doc_ids() == {}
    world.healthy()


def test_they_do_not_count_for_the_guard(world: World) -> None:
    """Fifty attachments more do not let a mass deletion of documents pass as a small one."""
    put(world, "offer.eml", attachments=[(f"{n}.txt", b"Number %d." % n) for n in range(50)])
    for n in range(11):
        world.write(f"p{n}.md", f"Page {n} has its own words. And more of them.\n")
    world.sync()
    memory = world.ledger.sync.memory(SOURCE)
    assert (memory.live, memory.live_peak) == (12, 12)
    for n in range(11):
        (world.root / f"p{n}.md").unlink()
    assert world.run().outcome is Outcome.HELD


def test_a_narrowed_mail_hides_them_in_the_same_commit(tmp_path_factory: pytest.TempPathFactory) -> None:
    """R7: what is attached is shown to whom the mail is shown, before anything is read, and so is its mention."""
    state = tmp_path_factory.mktemp("state")
    source = MemorySource(SOURCE)
    staff, boss = frozenset({"group:staff"}), frozenset({"user:boss"})
    source.put("box/offer.eml", mail("Offer", [1], TWO), grant=Grant(place="box", principals=staff))
    world = World(state, state, source=source)
    world.sync()

    def seen(*principals: str) -> list[str]:
        reader = Reader(principals=frozenset(principals))
        return [
            hit.uri
            for hit in world.ledger.search.hits(world.ledger.search.keyword("penguins", 5, reader, Filters()), reader)
        ]

    assert len(seen("group:staff")) == 1
    source.put("box/offer.eml", mail("Offer", [1], TWO), grant=Grant(place="safe", principals=boss))
    world.pulse.stop_after = 2  # before anything is fetched
    assert world.run().outcome is Outcome.SUSPENDED
    assert (seen("group:staff"), len(seen("user:boss"))) == ([], 1)
    world.ledger.close()


def test_a_bad_attachment_waits_alone(world: World, parser: Parser) -> None:
    """In quarantine under its own name, while the mail and the others are found; no run tries it again."""
    parser.failing = b"flamingo"
    put(world, "offer.eml")
    report = world.run()
    assert (report.outcome, report.counts.added, report.counts.failed) == (Outcome.PARTIAL, 1, 1)
    (aside,) = world.ledger.quarantine.all()
    assert (aside.item_id, aside.reason) == ("offer.eml#attachment=report.md", "crashed")
    assert aside.hint
    assert len(world.found("penguins")) == 1
    parser.asked = []
    assert world.run().outcome is Outcome.OK
    assert parser.asked == []
    world.healthy()


def test_what_may_pass_is_tried_again_without_the_others(world: World, parser: Parser) -> None:
    """Up to three times: the mail is read for it, nothing else is parsed, and the mail counts as unchanged."""
    parser.failing, parser.transient = b"flamingo", True
    put(world, "offer.eml", attachments=[("in.eml", mail("Inner", [2], TWO)), ("other.txt", b"Other.")])
    world.run()
    for attempt in (2, 3):
        _due(world)
        parser.asked = []
        report = world.run()
        assert parser.asked == ["offer.eml", "Inner.eml", "report.md"]
        assert (report.counts.unchanged, report.counts.updated, report.counts.failed) == (1, 0, 1)
        (aside,) = world.ledger.quarantine.all()
        assert aside.attempts == attempt
    assert aside.retry_at is None
    world.ledger.quarantine.retry({aside.document_id})  # a person may ask for a fourth
    parser.failing = b""
    world.sync()
    assert world.ledger.quarantine.all() == []
    assert len(world.found("flamingo")) == 1


def _due(world: World) -> None:
    with closing(sqlite3.connect(world.state / LEDGER_FILE)) as db, db:
        assert db.execute("UPDATE quarantine SET retry_at = 1 WHERE retry_at IS NOT NULL").rowcount == 1


def test_a_new_parser_parses_them_again(world: World, parser: Parser) -> None:
    """As it does any other document; what is still the same is not embedded again."""
    put(world, "offer.eml")
    world.sync()
    world.drain()
    parser.version, parser.asked = "2", []
    world.sync()
    assert sorted(parser.asked) == ["notes.txt", "offer.eml", "report.md"]
    assert world.drain()[0] == 0


def test_a_mail_that_cannot_be_read_any_more_has_no_attachments(world: World) -> None:
    """They are not what the source holds any more, like its own passages."""
    put(world, "offer.eml")
    world.sync()
    (world.root / "offer.eml").write_bytes(b"\n\nno header at all")
    assert world.run().counts.failed == 1
    assert list(world.doc_ids()) == ["offer.eml"]
    assert world.found("flamingo") == []
    world.healthy()


def test_copies_in_two_mails_are_two_documents_embedded_once(world: World) -> None:
    """As copies in two folders are."""
    put(world, "one.eml", "One")
    world.sync()
    embedded = world.drain()[0]
    put(world, "two.eml", "Two")
    world.sync()
    assert len(world.doc_ids()) == 6
    assert world.drain()[0] < embedded - 2  # what is new are the lines of the mail itself


def test_mails_in_mails_end_somewhere(world: World) -> None:
    """Each message is a document with attachments; what lies deeper than that is set aside, not forgotten."""
    inner = mail("Level 9", [9], [("deep.txt", b"Out of reach.")])
    for level in range(8, 0, -1):
        inner = mail(f"Level {level}", [level], [(f"{level}.eml", inner)])
    (world.root / "chain.eml").write_bytes(inner)
    assert world.run().counts.failed == 1
    ids = world.doc_ids()
    assert len(ids) == DEPTH + 2
    (aside,) = world.ledger.quarantine.all()
    assert aside.reason == "expansion"
    assert aside.item_id == "chain.eml" + "".join(f"#attachment=Level%20{n}.eml" for n in range(2, DEPTH + 3))
    world.healthy()


def test_more_attachments_than_are_taken_are_told_of(world: World) -> None:
    """One entry in quarantine stands for all that were left out."""
    put(world, "many.eml", attachments=[(f"{n}.txt", b"Number %d." % n) for n in range(MOST + 7)])
    assert world.run().counts.failed == 1
    (aside,) = world.ledger.quarantine.all()
    assert (aside.item_id, aside.reason) == ("many.eml#attachment=7%20more%20attachments", "too_large")
    assert len(world.doc_ids()) == MOST + 2
    assert world.run().outcome is Outcome.OK


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM item WHERE item_id = 'offer.eml'",
        "UPDATE binding SET acl = (SELECT max(id) FROM acl) WHERE item_id LIKE '%notes.txt'",
        "UPDATE item SET item_id = 'elsewhere.eml#attachment=notes.txt' WHERE item_id LIKE '%notes.txt'",
        "DELETE FROM layout WHERE doc = (SELECT doc FROM item WHERE item_id LIKE '%notes.txt')",
    ],
    ids=["orphan", "other readers", "other place", "torn"],
)
def test_verify_finds_an_attachment_that_lost_its_mail(world: World, damage: str) -> None:
    """An attachment without its mail, or shown to others, is a finding; mended, it is the same document again."""
    put(world, "offer.eml")
    world.sync()
    ids = world.doc_ids()
    with closing(sqlite3.connect(world.state / LEDGER_FILE)) as db, db:
        db.execute("INSERT INTO acl (source, place) SELECT id, 'another' FROM source")
        assert db.execute(damage).rowcount == 1
    assert world.ledger.upkeep.row_problems() != []
    assert world.ledger.upkeep.repair_rows() == [SOURCE]
    assert world.ledger.upkeep.row_problems() == []
    world.sync()
    assert world.doc_ids() == ids
    world.healthy()


def test_the_name_of_an_attachment_is_forgotten_with_the_rest(world: World) -> None:
    """Past retention nothing says what was attached to what is gone."""
    put(world, "offer.eml")
    world.write("other.md", "Other words. They stay.\n")
    world.sync()
    (world.root / "offer.eml").unlink()
    world.sync()
    world.ledger.upkeep.forget_expired(now=4e9)
    parts = "SELECT count(*) FROM document WHERE part IS NOT NULL"
    assert world.ledger.sync._db.read(parts) == [(0,)]
    assert world.ledger.sync.attached(1) == []


def test_an_item_with_a_parent_that_is_listed_too_names_it(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The file of a wiki page is an item of its own: the hit names the page, to those who may see it."""
    state = tmp_path_factory.mktemp("state")
    source = MemorySource(SOURCE)
    everyone, few = frozenset({"public", "user:ann"}), frozenset({"user:ann"})
    source.put("page", "The page about ferries.", grant=Grant(place="page", principals=few))
    source.put("page/plan.txt", "Timetable of penguins.", grant=Grant(place="files", principals=everyone))
    world = World(state, state, source=source)
    world.sync()
    for reader, parent in (
        (Reader(principals=few), "ingestor:docs/page"),
        (Reader(principals=frozenset({"public"})), None),
    ):
        (hit,) = world.ledger.search.hits(world.ledger.search.keyword("penguins", 5, reader, Filters()), reader)
        assert (hit.parent.uri if hit.parent is not None else None) == parent
        assert hit.url == "memory:page/plan.txt"
    assert world.ledger.sync.known(SOURCE, "")[ItemId("page/plan.txt")].parent == "page"  # type: ignore[arg-type]
    world.ledger.close()
