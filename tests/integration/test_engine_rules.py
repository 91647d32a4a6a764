"""The rules of DESIGN as a run keeps them: each test fails when its rule is broken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.base import Checkpoint, ItemId, ItemRef, Scope, Unreadable, Upserted, within
from connectors.errors import ItemUnreadable, SourceUnavailable
from connectors.files.config import FilesConfig
from connectors.files.source import FilesSource
from connectors.memory import MemorySource
from ingestor.chunking.cutter import SemanticCutter
from ingestor.model import Document, Filters, Outcome, Passage, Reader
from tests.support.world import SOURCE, World

BODY = "Document {} says something of its own. The second sentence of {} is here as well.\n"


def fill(world: World, count: int) -> None:
    for n in range(count):
        world.write(f"d{n % 4}/p{n}.md", BODY.format(f"number{n}", n))


def test_r1_a_revision_changes_with_its_keyword_rows(world: World) -> None:
    """What an edit replaced is found by no search from the moment of its commit; what is new is."""
    world.write("a.md", "Flamingos are pink. They stand on one leg.\n")
    world.sync()
    world.write("a.md", "Penguins are not. They stand on one leg.\n")
    world.sync()
    assert world.found("flamingos") == []
    assert world.found("penguins") == ["ingestor:docs/a.md"]
    world.healthy()


def test_r10_tags_and_authors_embed_and_write_nothing(tmp_path: Path) -> None:
    """A label is no edit: nothing is read, parsed, embedded or written to Chroma, and search knows it at once."""
    source = MemorySource(SOURCE)
    world = World(tmp_path / "none", tmp_path, source=source)
    source.put("a.md", "---\ntags: [own]\n---\nFlamingos are pink.\n", author="Ann")
    source.put("b.md", "Penguins are not.\n")
    world.sync()
    world.drain()
    source.tag("a.md", "Zoo", "Birds")
    report = world.sync()
    assert (report.counts.unchanged, report.counts.updated, report.counts.bytes_read) == (2, 0, 0)
    assert world.drain() == (0, 0)
    assert world.found("flamingos", tags=("zoo", "birds", "own")) == ["ingestor:docs/a.md"]
    source.put("a.md", "---\ntags: [own]\n---\nFlamingos are pink.\n", author="Bob")
    source.tag("a.md", "Birds")
    report = world.sync()
    assert (report.counts.unchanged, report.counts.updated) == (2, 0)
    assert world.drain() == (0, 0)
    assert world.found("flamingos", tags=("zoo",)) == []
    dump = world.dump()
    assert world.sync().counts.unchanged == 2
    assert world.dump() == dump
    world.healthy()
    world.close()


def test_r4_the_bookmark_comes_after_everything_else(world: World) -> None:
    """A run that is stopped in its middle has not moved the bookmark, and the next one carries on."""
    fill(world, 30)
    world.pulse.stop_after = 45
    report = world.run()
    assert report.outcome is Outcome.SUSPENDED
    assert world.ledger.sync.memory(SOURCE).proven_at is None
    committed = len(world.doc_ids())
    assert 0 < committed < 30
    world.pulse.stop_after = None
    again = world.sync()
    assert (again.counts.added, again.counts.unchanged) == (30 - committed, committed)


def test_r5_a_mass_deletion_is_held_until_a_person_says_so(world: World) -> None:
    """Held documents are still found; approval deletes what a fresh listing still lacks, and no more."""
    fill(world, 40)
    world.sync()
    for n in range(30):
        (world.root / f"d{n % 4}/p{n}.md").unlink()
    report = world.run()
    assert report.outcome is Outcome.HELD
    assert (report.counts.deleted, len(world.doc_ids())) == (0, 40)
    assert world.found("number3") == ["ingestor:docs/d3/p3.md"]
    world.write("d3/p3.md", BODY.format("number3", 3))
    plan = world.ledger.sync.memory(SOURCE).plan
    assert plan is not None
    approved = world.run(approve=plan)
    assert (approved.outcome, approved.counts.deleted) == (Outcome.OK, 29)
    assert world.found("number3") == ["ingestor:docs/d3/p3.md"]
    assert world.found("number5") == []
    assert world.ledger.sync.memory(SOURCE).plan is None


def replace_most(world: World) -> None:
    """11 of 20 files go, and as many others come."""
    for n in range(11):
        (world.root / f"d{n % 4}/p{n}.md").unlink()
        world.write(f"d{n % 4}/other{n}.md", BODY.format(f"other{n}", n))


def test_r5_what_came_instead_does_not_release_a_plan(world: World) -> None:
    """Documents that are kept though their files are gone are no measure of how many there were."""
    fill(world, 20)
    world.sync()
    replace_most(world)
    first, again, third = world.run(), world.run(), world.run()
    assert (first.outcome, again.outcome, third.outcome) == (Outcome.HELD, Outcome.HELD, Outcome.HELD)
    assert len(world.doc_ids()) == 31
    assert world.run(approve=world.ledger.sources.plan(SOURCE)).counts.deleted == 11
    (world.root / "d0/other8.md").unlink()
    assert world.sync().counts.deleted == 1


def test_r5_what_an_interrupted_run_took_in_does_not_release_its_deletions(world: World) -> None:
    """Nor is what was taken in before the deletions came to be judged, by a run that died or gave way to a hint."""
    fill(world, 20)
    world.sync()
    replace_most(world)
    world.pulse.stop_after = 20 + 11
    assert world.run().outcome is Outcome.SUSPENDED
    assert len(world.doc_ids()) > 25
    world.pulse.stop_after = None
    assert world.run("d0/p12.md").outcome is Outcome.OK  # the hint that it gave way to
    assert world.run().outcome is Outcome.HELD


def test_r5_files_that_return_dissolve_the_plan(world: World) -> None:
    """A share that comes back after an outage needs no approval, and nothing is embedded again."""
    fill(world, 40)
    world.sync()
    world.drain()
    (world.root / "d0").rename(world.root.parent / "away")
    (world.root / "d1").rename(world.root.parent / "away1")
    (world.root / "d2").rename(world.root.parent / "away2")
    assert world.run().outcome is Outcome.HELD
    for n, name in enumerate(("away", "away1", "away2")):
        (world.root.parent / name).rename(world.root / f"d{n}")
    assert world.sync().counts.unchanged == 40
    assert world.drain() == (0, 0)


def test_r5_an_empty_listing_deletes_nothing(world: World) -> None:
    """However few documents there were."""
    fill(world, 3)
    world.sync()
    for path in world.root.rglob("*.md"):
        path.unlink()
    assert world.run().outcome is Outcome.HELD
    assert len(world.doc_ids()) == 3


def test_r5_another_folder_at_the_same_path_is_not_the_source(world: World) -> None:
    """A swapped root is offline: nothing is deleted, and nothing of it is taken in."""
    fill(world, 8)
    world.sync()
    world.root.rename(world.root.parent / "before")
    world.root.mkdir()
    world.write("stranger.md", BODY.format("stranger", 1))
    report = world.run()
    assert report.outcome is Outcome.UNAVAILABLE
    assert (len(world.doc_ids()), world.found("stranger")) == (8, [])


def test_r5_a_small_deletion_needs_nobody(world: World) -> None:
    """Everyday deletions go through."""
    fill(world, 40)
    world.sync()
    (world.root / "d0/p0.md").unlink()
    assert world.sync().counts.deleted == 1


def test_r7_a_narrowed_grant_hides_at_once(world: World, tmp_path: Path) -> None:
    """Who lost the right to read finds nothing, although nothing was read or embedded for it."""
    world.write("a.md", BODY.format("alpha", 1))
    world.sync()
    world.drain()
    public, staff = Reader(principals=frozenset({"public"})), Reader(principals=frozenset({"group:staff"}))
    assert world.ledger.search.keyword("alpha", 10, public, Filters())
    assert not world.ledger.search.keyword("alpha", 10, staff, Filters())
    narrower = FilesSource(FilesConfig(name=SOURCE, path=str(world.root), permissions=("group:staff",)))
    second = World(world.root, world.state, source=narrower)
    report = second.sync()
    assert (report.counts.bytes_read, second.drain()) == (0, (0, 0))
    assert not second.ledger.search.keyword("alpha", 10, public, Filters())
    assert second.ledger.search.keyword("alpha", 10, staff, Filters())
    assert not second.ledger.search.keyword("alpha", 10, Reader(principals=frozenset()), Filters())
    second.close()


def test_r7_a_narrowed_file_is_hidden_before_anything_is_read(world: World) -> None:
    """A changed mode is a changed version; the new grant counts although the content was not read again yet."""
    posix = FilesSource(FilesConfig(name=SOURCE, path=str(world.root), permissions="posix"))
    world.root.chmod(0o755)
    world.write("a.md", BODY.format("alpha", 1)).chmod(0o644)
    open_world = World(world.root, world.state, source=posix)
    open_world.sync()
    local = Reader(principals=frozenset({"group:local"}))
    assert open_world.ledger.search.keyword("alpha", 10, local, Filters())
    open_world.close()
    (world.root / "a.md").chmod(0o600)
    away = World(world.root, world.state, source=Failing(posix, SourceUnavailable("Gone.")))  # type: ignore[arg-type]
    assert away.run().outcome is Outcome.UNAVAILABLE
    assert not away.ledger.search.keyword("alpha", 10, local, Filters())
    away.close()


def test_r7_a_move_to_a_narrower_place_does_not_wait_for_what_has_to_be_read(world: World) -> None:
    """Another move of the same run can only be told by its content; the source goes away while that is read."""
    posix = FilesSource(FilesConfig(name=SOURCE, path=str(world.root), permissions="posix"))
    for name in ("open/alpha.md", "open/beta.md", "shut/gamma.md"):
        world.write(name, BODY.format(Path(name).stem, 1)).chmod(0o644)
    for folder, mode in ((world.root, 0o755), (world.root / "open", 0o755), (world.root / "shut", 0o700)):
        folder.chmod(mode)
    now = World(world.root, world.state, source=posix)
    now.sync()
    local = Reader(principals=frozenset({"group:local"}))
    assert now.ledger.search.keyword("alpha", 10, local, Filters())
    now.close()
    (world.root / "open/alpha.md").rename(world.root / "shut/alpha.md")
    (world.root / "open/copy.md").write_bytes((world.root / "open/beta.md").read_bytes())
    (world.root / "open/beta.md").unlink()
    away = World(world.root, world.state, source=Failing(posix, SourceUnavailable("Gone.")))  # type: ignore[arg-type]
    report = away.run()
    assert (report.outcome, report.counts.moved) == (Outcome.UNAVAILABLE, 1)
    assert not away.ledger.search.keyword("alpha", 10, local, Filters())
    away.close()


class Shut:
    """The real source, but one folder may not be entered any more."""

    def __init__(self, inner: FilesSource, folder: str) -> None:
        self.inner = inner
        self.folder = folder

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)

    def list(self, scope: Scope, cursor: str | None) -> Iterator[object]:
        for change in self.inner.list(scope, cursor):
            if isinstance(change, Upserted) and within(change.ref.item_id, self.folder):
                continue
            if isinstance(change, Checkpoint):
                yield Unreadable(item_id=ItemId(self.folder), reason="permission denied", hides=True)
                yield replace(change, unproven=(Scope(self.folder),))
            else:
                yield change


def test_r7_what_stands_behind_a_shut_door_is_kept_and_shown_to_nobody(world: World) -> None:
    """Not deleted, for it exists; not shown, for who may read it cannot be told; both end with the door open."""
    posix = FilesSource(FilesConfig(name=SOURCE, path=str(world.root), permissions="posix"))
    for n in range(8):
        world.write(f"d{n % 4}/p{n}.md", BODY.format(f"number{n}", n)).chmod(0o644)
    for folder in [world.root, *world.root.iterdir()]:
        folder.chmod(0o755)
    local = Reader(principals=frozenset({"group:local"}))
    for source, shown in ((posix, True), (Shut(posix, "d0"), False), (posix, True)):
        now = World(world.root, world.state, source=source)  # type: ignore[arg-type]
        now.run()
        assert len(now.doc_ids()) == 8
        assert bool(now.ledger.search.keyword("number4", 10, local, Filters())) is shown
        assert now.ledger.search.keyword("number1", 10, local, Filters())
        now.close()


class Moving(MemorySource):
    """Another place answers from the first look-up on."""

    swapped = False

    def lookup(self, item_id: ItemId) -> ItemRef | None:
        if self.swapped:
            self.identity_is("another")
        return super().lookup(item_id)


@pytest.mark.parametrize("doubt", ["unreadable", "swapped"])
def test_r5_a_place_that_cannot_be_looked_at_gives_no_document_away(tmp_path: Path, doubt: str) -> None:
    """A listing of the new place alone proves a move only if the old one is known to be empty."""
    source = Moving(SOURCE)
    source.put("x/a", BODY.format("alpha", 1))
    source.put("y/b", BODY.format("beta", 2))
    world = World(tmp_path, tmp_path, source=source)
    world.sync()
    before = world.doc_ids()
    source.move("x/a", "y/a")
    source.unreadable("x", yes=doubt == "unreadable")
    source.swapped = doubt == "swapped"
    world.run("y")
    assert world.doc_ids()["x/a"] == before["x/a"]
    assert world.doc_ids()["y/a"] not in before.values()
    world.close()


class Failing:
    """A source whose reads fail for some items; everything else is the real one's."""

    def __init__(self, inner: FilesSource, error: Exception, when: int = 1) -> None:
        self.inner = inner
        self.error = error
        self.when = when
        self.reads = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)

    def fetch(self, ref: ItemRef) -> object:
        self.reads += 1
        if self.reads >= self.when:
            raise self.error
        return self.inner.fetch(ref)


def failing(world: World, error: Exception, when: int = 1) -> World:
    real = FilesSource(FilesConfig(name=SOURCE, path=str(world.root), permissions=("public",)))
    return World(world.root, world.state, source=Failing(real, error, when))  # type: ignore[arg-type]


def test_r8_too_many_unreadable_items_end_the_run_and_delete_nothing(world: World) -> None:
    """The source is at fault then, and its absences are not to be believed either."""
    fill(world, 60)
    world.sync()
    for n in range(60):
        world.write(f"d{n % 4}/p{n}.md", BODY.format(f"edited{n}", n))
    (world.root / "d0/p0.md").unlink()
    broken = failing(world, ItemUnreadable("The disk gave an error."))
    report = broken.run()
    assert report.outcome is Outcome.FAILED
    assert (report.counts.deleted, len(broken.doc_ids())) == (0, 60)
    broken.close()


def test_r8_a_few_unreadable_items_are_counted_and_kept(world: World) -> None:
    """Unreadable is not deleted: the document stays as it was."""
    fill(world, 5)
    world.sync()
    world.write("d0/p0.md", BODY.format("edited", 0))
    broken = failing(world, ItemUnreadable("The disk gave an error."))
    report = broken.run()
    assert (report.outcome, report.counts.failed) == (Outcome.PARTIAL, 1)
    assert broken.found("number0") == ["ingestor:docs/d0/p0.md"]
    broken.close()


def test_a_source_that_goes_away_in_the_middle_keeps_what_was_read(world: World) -> None:
    """What was committed is true; the rest waits; nothing is deleted."""
    fill(world, 20)
    away = failing(world, SourceUnavailable("The share is gone."), when=11)
    report = away.run()
    assert report.outcome is Outcome.UNAVAILABLE
    assert len(away.doc_ids()) == 10
    away.close()


def test_r9_the_second_run_reads_and_writes_nothing(world: World) -> None:
    """Not one row of the ledger changes, and not one byte is read."""
    fill(world, 12)
    world.sync()
    world.drain()
    before = world.dump()
    report = world.sync()
    counts = report.counts
    assert (counts.unchanged, counts.bytes_read, counts.added, counts.updated) == (12, 0, 0, 0)
    assert world.drain() == (0, 0)
    assert world.dump() == before


def test_r10_text_that_only_moved_is_not_written_to_the_index(world: World) -> None:
    """A paragraph put in front moves every span and line behind it, and writes only itself."""
    paragraphs = [
        f"## Part {n}\n\n" + " ".join(f"Sentence {n}.{i} tells about matter {n * 31 + i} at length." for i in range(12))
        for n in range(40)
    ]
    world.write("long.md", "# Title\n\n" + "\n\n".join(paragraphs) + "\n")
    world.sync()
    world.drain()
    world.write("long.md", "# Title\n\nA new opening paragraph.\n\n" + "\n\n".join(paragraphs) + "\n")
    report = world.sync()
    embedded, written = world.drain()
    assert embedded <= 2
    assert written <= 4
    assert report.counts.chunks_added + report.counts.chunks_removed <= 4
    world.healthy()


def test_one_edited_sentence_costs_what_it_should(world: World) -> None:
    """At most 2 units embedded and 4 rows changed, wherever in a long document it stands."""
    sentences = [f"Statement {n} is about subject {n * 7919 % 1000} and nothing else." for n in range(600)]
    world.write("long.md", " ".join(sentences) + "\n")
    world.sync()
    world.drain()
    for place in (0, 299, 599):
        edited = list(sentences)
        edited[place] = f"Statement {place} was edited and speaks of something different now."
        world.write("long.md", " ".join(edited) + "\n")
        report = world.sync()
        embedded, written = world.drain()
        assert embedded <= 2, place
        assert written <= 4, place
        assert report.counts.chunks_added <= 2, place
        sentences = edited


def test_a_document_that_cannot_be_parsed_waits_with_its_reason_and_the_rest_goes_on(world: World) -> None:
    """Its old passages leave, for they are not what the source holds; unchanged it is not tried again."""
    world.write("good.md", BODY.format("good", 1))
    (world.root / "bad.pdf").write_bytes(b"%PDF-1.7 and then nothing of the kind")
    report = world.run()
    assert (report.outcome, report.counts.added, report.counts.failed) == (Outcome.PARTIAL, 1, 1)
    again = world.sync()
    assert (again.counts.unchanged, again.counts.failed, again.counts.bytes_read) == (2, 0, 0)
    figures = world.ledger.runs.figures(SOURCE)
    assert (figures.documents, figures.quarantined) == (1, 1)
    (world.root / "bad.pdf").unlink()
    world.sync()
    assert world.ledger.runs.figures(SOURCE).quarantined == 0
    world.healthy()


def test_equal_sentences_are_embedded_once_wherever_they_stand(world: World) -> None:
    """Across documents, and also when the document that had them first is gone."""
    world.write("a.md", "Alpha stands alone here. This sentence is shared by everyone.\n")
    world.sync()
    first, _ = world.drain()
    world.write("b.md", "Beta stands alone here. This sentence is shared by everyone.\n")
    world.sync()
    second, _ = world.drain()
    assert (first, second) == (2, 1)


def test_r8_a_text_that_the_cutter_trips_over_costs_one_document(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is set aside like one that cannot be parsed; the rest of the source goes on."""
    cut = SemanticCutter.cut

    def tripping(self: SemanticCutter, document: Document) -> tuple[Passage, ...]:
        if "trap" in document.text:
            raise RecursionError
        return cut(self, document)

    monkeypatch.setattr(SemanticCutter, "cut", tripping)
    world.write("good.md", BODY.format("good", 1))
    world.write("bad.md", BODY.format("trap", 2))
    report = world.run()
    assert (report.outcome, report.counts.added, report.counts.failed) == (Outcome.PARTIAL, 1, 1)
    assert world.sync().counts.unchanged == 2


def test_r5_an_approval_is_no_hold_for_what_else_left(world: World) -> None:
    """An everyday deletion beside the approved ones goes through; another mass deletion waits."""
    fill(world, 100)
    world.sync()
    for n in range(60):
        (world.root / f"d{n % 4}/p{n}.md").unlink()
    assert world.run().outcome is Outcome.HELD
    plan = world.ledger.sync.memory(SOURCE).plan
    (world.root / "d3/p99.md").unlink()
    report = world.run(approve=plan)
    assert (report.outcome, report.counts.deleted) == (Outcome.OK, 61)
    for n in range(60, 85):
        (world.root / f"d{n % 4}/p{n}.md").unlink()
    assert world.run(approve=plan).outcome is Outcome.HELD
