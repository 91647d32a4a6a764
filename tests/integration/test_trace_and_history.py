"""``trace`` and ``history`` over a real folder and a real ledger: what was cited stays traceable, and is told to
those only who may see it now and could then."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.files.config import FilesConfig
from connectors.files.source import FilesSource
from ingestor import wire_reading
from ingestor.errors import UnknownId
from ingestor.model import Filters, Reader
from ingestor.service.tracing import history, traced
from tests.support.world import SOURCE, World

OWNER = Reader()
STAFF, GUEST = Reader(principals=frozenset({"group:staff"})), Reader(principals=frozenset({"user:guest"}))


class Told(World):
    """A world whose source grants as the test wishes, and its questions in one line."""

    def granted(self, *principals: str) -> None:
        config = FilesConfig(name=SOURCE, path=str(self.root), permissions=principals)
        self.source = self.engine._source = self.engine._content._source = FilesSource(config)

    def chunk(self, words: str) -> str:
        scored = self.ledger.search.keyword(words, 1, OWNER, Filters())
        return self.ledger.search.hits(scored, OWNER)[0].chunk_id

    def trace(self, chunk: str, reader: Reader = OWNER) -> wire_reading.TraceReply:
        return traced(self.ledger, chunk, reader)

    def history(self, target: str, reader: Reader = OWNER) -> wire_reading.HistoryReply:
        return history(self.ledger, target, target, lambda _path: None, reader)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Told]:
    for folder in ("docs", "state"):
        (tmp_path / folder).mkdir()
    made = Told(tmp_path / "docs", tmp_path / "state")
    yield made
    made.close()


def test_a_passage_that_was_replaced_names_what_it_was(world: Told) -> None:
    """Its text, its revision and when it went; the one that took its place is the current one."""
    world.write("a.md", "# Refunds\n\nRefunds take fourteen days.\n")
    world.sync()
    old = world.chunk("fourteen")
    assert (world.trace(old).current, world.trace(old).superseded_at) == (True, None)
    world.write("a.md", "# Refunds\n\nRefunds take twenty days.\n")
    report = world.sync()
    then, now = world.trace(old), world.trace(world.chunk("twenty"))
    assert (then.current, then.revision, then.text) == (False, 1, "# Refunds\n\nRefunds take fourteen days.")
    assert then.superseded_at is not None
    assert (now.current, now.revision, now.run, now.lines) == (True, 2, report.run_id, (1, 3))
    assert then.document_id == now.document_id
    assert now.url.endswith("/a.md#L1-L3")


def test_a_passage_of_a_document_that_left_is_still_told_to_the_owner(world: Told) -> None:
    """As not current; its place is the last one."""
    for name in ("a.md", "b.md"):
        world.write(name, f"What stands in {name} is of some length.\n")
    world.sync()
    old = world.chunk("a.md")
    (world.root / "a.md").unlink()
    world.sync()
    reply = world.trace(old)
    assert (reply.current, reply.uri) == (False, f"ingestor:{SOURCE}/a.md")
    assert reply.superseded_at is not None


def test_unknown_and_erased_passages_are_the_same_answer(world: Told) -> None:
    """What a purge erased is not told of, nor that there was something."""
    world.write("a.md", "Words that will be erased for good.\n")
    world.sync()
    gone = world.chunk("erased")
    world.ledger.sources.remove(SOURCE, purge=True)
    world.ledger.finish_removals()
    sentences = []
    for chunk in (gone, "0" * 40):
        with pytest.raises(UnknownId) as caught:
            world.trace(chunk)
        sentences.append(str(caught.value).replace(chunk, "X"))
    assert sentences[0] == sentences[1]


def test_a_history_tells_edits_moves_deletions_and_returns(world: Told) -> None:
    """In their order, an edit with the passages that it changed."""
    world.write("a.md", "# One\n\nThe first section stays.\n\n# Two\n\nThe second is old.\n" + "Filler. " * 200)
    world.write("other.md", "Something else that stays where it is.\n")
    world.sync()
    document = world.doc_ids()["a.md"]
    world.write("a.md", "# One\n\nThe first section stays.\n\n# Two\n\nThe second is new.\n" + "Filler. " * 200)
    world.sync()
    (world.root / "a.md").rename(world.root / "b.md")
    world.sync()
    shutil.copy(world.root / "b.md", world.root.parent / "aside.md")
    (world.root / "b.md").unlink()
    world.sync()
    assert world.history(document).current is False
    shutil.copy(world.root.parent / "aside.md", world.root / "b.md")
    world.sync()
    reply = world.history(f"ingestor:{SOURCE}/b.md")
    assert (reply.document_id, reply.current, reply.title) == (document, True, "One")
    kinds = [event.kind for event in reply.events if event.kind != "revision"]
    assert kinds == ["moved", "deleted", "returned"]
    edit = next(event for event in reply.events if event.kind == "revision" and event.revision == 2)
    assert edit.kept >= 1
    assert any("The second is new." in text for text in edit.added)
    assert any("The second is old." in text for text in edit.removed)
    assert not any("first section" in text for text in (*edit.added, *edit.removed))
    moved = next(event for event in reply.events if event.kind == "moved")
    assert (moved.was, moved.uri) == (f"ingestor:{SOURCE}/a.md", f"ingestor:{SOURCE}/b.md")


def test_a_reader_sees_what_he_may_see_now_and_could_see_then(world: Told) -> None:
    """A document that was opened to staff later shows staff its present and not what went before; one that
    was closed to them is unknown to them, past and present."""
    world.granted("user:guest")
    world.write("a.md", "The plan was called Albatross then.\n")
    world.sync()
    old, document = world.chunk("Albatross"), world.doc_ids()["a.md"]
    world.write("a.md", "The plan is called Blackbird now.\n")
    world.sync()
    world.granted("group:staff")
    world.sync()
    new = world.chunk("Blackbird")
    assert world.trace(new, STAFF).current
    for chunk, reader in ((old, STAFF), (old, GUEST), (new, GUEST)):
        with pytest.raises(UnknownId):
            world.trace(chunk, reader)
    told = world.history(document, STAFF)
    assert "Albatross" not in told.model_dump_json()
    with pytest.raises(UnknownId):
        world.history(document, GUEST)
    assert "Albatross" in world.history(document).model_dump_json()


def test_a_place_that_was_hidden_then_is_not_named_now(world: Told) -> None:
    """A name tells something too: for this reader the document begins where he could see it."""
    world.granted("user:boss")
    (world.root / "layoffs.md").write_text("# Plan\n\nThe plan of the board for the year.\n")
    world.sync()
    (world.root / "layoffs.md").rename(world.root / "plan.md")
    world.sync()
    world.granted("group:staff")
    world.sync()
    (document,) = world.doc_ids().values()
    assert "layoffs" in world.history(document).model_dump_json()
    told = world.history(document, STAFF)
    assert "layoffs" not in told.model_dump_json()
    assert told.uri == "ingestor:docs/plan.md"
