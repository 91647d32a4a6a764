"""What waits in quarantine over many runs: when it is tried again, and what a person's decisions change."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from connectors.base import ItemId
from ingestor import wire
from ingestor.chunking.cutter import SemanticCutter
from ingestor.errors import ParseFailure, ParseReason, UnknownId
from ingestor.ledger.quarantine import SetAside
from ingestor.model import Document, Outcome, ParseRequest, RunReport
from ingestor.parsing.parse import parse
from ingestor.service import quarantine
from ingestor.sync.engine import SyncEngine
from tests.support.world import SOURCE, World

ALL = wire.QuarantineRequest(everything=True)


class Parser:
    """Fails for every text that holds ``failing``; counts what it was asked."""

    def __init__(self) -> None:
        self.version = "1"
        self.failing = "bad"
        self.transient = False
        self.asked: list[str] = []

    def recipe(self, name: str, media_type: str | None) -> str:
        return self.version

    def submit(self, request: ParseRequest) -> Future[Document]:
        self.asked.append(request.name)
        future: Future[Document] = Future()
        if self.failing and self.failing in request.content.decode():
            failure = ParseFailure(ParseReason.CRASHED, "It broke.", hint="Mend it.", transient=self.transient)
            future.set_exception(failure)
        else:
            future.set_result(parse(request))
        return future

    def close(self) -> None:
        pass


class Place:
    """One source with a good and a bad document, after its first run."""

    def __init__(self, folder: Path) -> None:
        (folder / "docs").mkdir()
        (folder / "state").mkdir()
        self.world = World(folder / "docs", folder / "state")
        self.ledger = self.world.ledger
        self.parser = Parser()
        self.world.engine = SyncEngine(
            source=self.world.source,
            ledger=self.ledger.sync,
            parser=self.parser,
            cutter=SemanticCutter(),
            pulse=self.world.pulse,
        )
        self.world.write("good.txt", "Good words.")
        self.world.write("bad.txt", "bad words")

    def run(self) -> tuple[RunReport, list[str]]:
        """The report, and the names that were parsed."""
        self.parser.asked.clear()
        report = self.world.run()
        return report, sorted(self.parser.asked)

    def only(self) -> SetAside:
        (one,) = self.ledger.quarantine.all()
        return one


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    report, _ = made.run()
    assert report.counts.failed == 1
    yield made
    made.world.close()


def test_it_is_listed_with_its_reason_and_hint(place: Place) -> None:
    """By source, and never by a source that does not exist."""
    (item,) = quarantine.listed(place.ledger, SOURCE, ignored=False).items
    assert (item.source, item.reason, item.message, item.hint) == (SOURCE, "crashed", "It broke.", "Mend it.")
    assert item.uri == "ingestor:docs/bad.txt"
    assert item.url.endswith("/docs/bad.txt")
    assert (item.attempts, item.next_try, item.ignored) == (1, None, False)
    with pytest.raises(UnknownId):
        quarantine.listed(place.ledger, "elsewhere", ignored=False)


def test_it_is_found_by_its_id_and_by_its_path(place: Place) -> None:
    """A document that is not set aside is not found, however it is named."""
    one = place.only()
    paths = {"/docs/bad.txt": (SOURCE, one.item_id), "/docs/good.txt": (SOURCE, ItemId("good.txt"))}
    assert quarantine.found(place.ledger, one.document_id, "/x", paths.get).document_id == one.document_id
    assert quarantine.found(place.ledger, "bad.txt", "/docs/bad.txt", paths.get).document_id == one.document_id
    for path in ("/docs/good.txt", "/elsewhere/x"):
        with pytest.raises(UnknownId, match="is not set aside"):
            quarantine.found(place.ledger, path, path, paths.get)


def test_it_is_not_tried_again_until_its_content_or_the_parser_changes(place: Place) -> None:
    """An unchanged one is neither read nor parsed; either change gives it a new chance, counted from one."""
    assert place.run()[1] == []
    place.parser.version = "2"
    assert place.run()[1] == ["bad.txt", "good.txt"]
    assert place.only().attempts == 1
    place.world.write("bad.txt", "other bad words")
    assert place.run()[1] == ["bad.txt"]
    place.world.write("bad.txt", "Mended words.")
    report, parsed = place.run()
    assert (parsed, report.outcome) == (["bad.txt"], Outcome.OK)
    assert place.ledger.quarantine.all() == []


def test_what_may_pass_is_tried_three_times_in_all(place: Place) -> None:
    """With a pause before each further try, and then no more by itself."""
    place.parser.transient = True
    place.world.write("bad.txt", "bad words of another day")
    tries = 0
    for _ in range(5):
        tries += len(place.run()[1])
        one = place.only()
        if one.retry_at is not None:
            assert one.retry_at > time.time()
            assert place.run()[1] == []
            place.world.ledger.quarantine._update("retry_at = 1", [one.document_id])
    assert (tries, place.only().attempts, place.only().retry_at) == (3, 3, None)


def test_a_retry_is_parsed_by_the_next_run_whatever_its_attempts(place: Place) -> None:
    """It names the sources that need a run, starts the count anew, and what passes leaves quarantine."""
    assert quarantine.retry(place.ledger, ALL) == [SOURCE]
    report, parsed = place.run()
    assert (parsed, report.counts.failed, place.only().attempts) == (["bad.txt"], 1, 1)
    assert place.run()[1] == []
    place.parser.failing = ""
    quarantine.retry(place.ledger, wire.QuarantineRequest(documents=(place.only().document_id,)))
    report, parsed = place.run()
    assert (parsed, report.outcome, place.ledger.quarantine.all()) == (["bad.txt"], Outcome.OK, [])
    assert quarantine.retry(place.ledger, ALL) == []
    with pytest.raises(UnknownId):
        quarantine.retry(place.ledger, wire.QuarantineRequest(documents=("nobody",)))


def test_an_ignored_document_counts_nowhere(place: Place) -> None:
    """Not in status, not in the list, not in the outcome of a run that tries it with a new parser."""
    one = place.only()
    assert place.ledger.runs.figures(SOURCE).quarantined == 1
    reply = quarantine.ignore(place.ledger, wire.QuarantineRequest(documents=(one.document_id,)))
    assert [item.ignored for item in reply.items] == [True]
    figures = place.ledger.runs.figures(SOURCE)
    assert (figures.documents, figures.quarantined) == (1, 0)
    listed = quarantine.listed(place.ledger, None, ignored=False)
    assert (listed.items, listed.ignored) == ((), 1)
    assert len(quarantine.listed(place.ledger, None, ignored=True).items) == 1
    place.parser.version = "2"
    report, parsed = place.run()
    assert (parsed, report.outcome, report.counts.failed) == (["bad.txt", "good.txt"], Outcome.OK, 0)
    assert (report.counts.unchanged, report.counts.updated) == (1, 1)
    assert place.only().ignored


def test_new_content_ends_that_a_document_is_ignored(place: Place) -> None:
    """What a person decided was about the old content."""
    quarantine.ignore(place.ledger, wire.QuarantineRequest(documents=(place.only().document_id,)))
    place.world.write("bad.txt", "other bad words")
    report, _ = place.run()
    assert (report.outcome, report.counts.failed) == (Outcome.PARTIAL, 1)
    assert not place.only().ignored


def test_a_retry_of_everything_leaves_alone_what_is_ignored(place: Place) -> None:
    """By its name it is tried again, and no longer ignored."""
    one = place.only()
    quarantine.ignore(place.ledger, wire.QuarantineRequest(documents=(one.document_id,)))
    for request in (ALL, wire.QuarantineRequest(sources=(SOURCE,))):
        assert quarantine.retry(place.ledger, request) == []
    assert place.run()[1] == []
    assert quarantine.retry(place.ledger, wire.QuarantineRequest(documents=(one.document_id,))) == [SOURCE]
    report, parsed = place.run()
    assert (parsed, report.counts.failed, place.only().ignored) == (["bad.txt"], 1, False)


def test_what_left_its_source_is_listed_no_more(place: Place) -> None:
    """Neither a deleted file nor a removed source has anything set aside."""
    place.world.write("more.txt", "bad as well")
    place.run()
    (place.world.root / "bad.txt").unlink()
    place.run()
    assert place.only().item_id == "more.txt"
    place.ledger.sources.remove(SOURCE, purge=False)
    assert place.ledger.quarantine.all() == []
