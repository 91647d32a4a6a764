"""The index built anew, asked for and by itself: a whole service with a real Chroma and a stub for the model."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestor import wire
from ingestor.errors import IndexUnavailable
from ingestor.index import churn
from ingestor.index.churn import bloated
from ingestor.ledger.index import IndexStates
from ingestor.model import GenerationId, GenerationState
from ingestor.service.rebuilding import rebuild_when_bloated
from ingestor.space import FLOOR
from tests.support.served import Served

pytestmark = pytest.mark.slow

FILES = 40


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    folder = tmp_path / "docs"
    folder.mkdir()
    for number in range(FILES):
        (folder / f"{number}.md").write_text(f"# Page {number}\n\nThe ferry number {number} leaves the harbour.\n")
    served = Served(tmp_path / "state")
    served.add(folder, "docs")
    served.sync("docs")
    yield served
    served.service.close()


def serving(served: Served) -> str:
    (location,) = [g.location for g in served.ledger.index.generations() if g.state is GenerationState.SERVING]
    return location


def dense(served: Served) -> wire.SearchReply:
    return served.operations.search(wire.SearchRequest(query="ferry number 7", mode="dense"))


def test_a_rebuild_makes_an_equal_index_and_embeds_nothing(served: Served, tmp_path: Path) -> None:
    """Another folder serves, it equals the ledger, search answers before, meanwhile and after, the old folder is gone."""
    before, embedded = serving(served), served.embedder.embedded
    hits, notes, end = dense(served).hits, [], threading.Event()

    def ask() -> None:
        while not end.is_set():
            reply = dense(served)
            notes.append((reply.note, reply.hits == hits))

    asking = threading.Thread(target=ask)
    asking.start()
    seen: list[wire.Progress] = []
    reply = served.operations.rebuild(wire.RebuildRequest(), seen.append)
    end.set()
    asking.join()
    assert (reply.outcome, reply.rows) == ("ok", FILES)
    assert serving(served) == reply.generation != before
    assert notes
    assert set(notes) == {("", True)}
    assert {progress.stage for progress in seen} == {"rebuild"}
    assert served.embedder.embedded == embedded
    verified = served.operations.verify(wire.VerifyRequest(), lambda _: None)
    assert (verified.ok, verified.checked) == (True, FILES)
    assert [path.name for path in (tmp_path / "state" / "chroma").glob("generation-*")] == [reply.generation]


def test_a_generation_never_serves_before_it_is_complete(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """The embed loop may mark chunks ready while the projector writes others: those are not complete yet."""
    incomplete: list[tuple[int, int]] = []
    promote = type(served.ledger.index).set_generation

    def watched(index: IndexStates, generation: GenerationId, state: GenerationState, **more: float | None) -> None:
        if state is GenerationState.SERVING:
            incomplete.append(index.backlog(generation))
        promote(index, generation, state, **more)

    monkeypatch.setattr(type(served.ledger.index), "set_generation", watched)
    monkeypatch.setattr("ingestor.service.pump._EMBED_CHUNKS", 3)
    for _ in range(3):
        served.operations.rebuild(wire.RebuildRequest(), lambda _: None)
    assert incomplete == [(0, 0)] * 3


def test_a_rebuild_comes_to_its_end_while_files_change(served: Served, tmp_path: Path) -> None:
    """There is no moment of rest to wait for."""
    end = threading.Event()

    def work() -> None:
        number = 0
        while not end.is_set():
            number += 1
            text = f"# Page {number}\n\nThe boat number {number} is painted.\n"
            (tmp_path / "docs" / f"{number % FILES}.md").write_text(text)
            served.sync("docs")

    worker = threading.Thread(target=work)
    worker.start()
    try:
        assert served.operations.rebuild(wire.RebuildRequest(), lambda _: None).outcome == "ok"
    finally:
        end.set()
        worker.join()
    served.until_settled("docs")
    assert served.verify().ok


def test_two_who_ask_wait_for_one_rebuild(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second joins the first."""
    replies: list[wire.RebuildReply] = []
    index, both = served.service.parts.index, threading.Barrier(2)
    rebuild = index.rebuild

    def together() -> object:
        both.wait(60)  # or the first may be done before the second asks
        return rebuild()

    monkeypatch.setattr(index, "rebuild", together)

    def ask() -> None:
        replies.append(served.operations.rebuild(wire.RebuildRequest(), lambda _: None))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({reply.generation for reply in replies}) == 1


def test_a_rebuild_that_is_stopped_goes_on_with_the_next_service(served: Served, tmp_path: Path) -> None:
    """What was asked for stands in the ledger and not in a process."""
    served.service.parts.index.rebuild()
    served.service.stop.set()
    assert served.operations.rebuild(wire.RebuildRequest(), lambda _: None).outcome == "suspended"
    before = serving(served)
    served.service.close()
    again = Served(tmp_path / "state")
    try:
        reply = again.operations.rebuild(wire.RebuildRequest(), lambda _: None)
        assert reply.outcome == "ok"
        assert serving(again) == reply.generation != before
        assert again.embedder.embedded == 0
    finally:
        again.service.close()


def test_a_rebuild_without_room_is_not_begun(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would take the room that the work of the day needs."""
    monkeypatch.setattr("ingestor.space.free", lambda _place: FLOOR)
    with pytest.raises(IndexUnavailable, match="Make room"):
        served.operations.rebuild(wire.RebuildRequest(), lambda _: None)
    assert not any(g.state is GenerationState.BUILDING for g in served.ledger.index.generations())


def test_an_index_full_of_dead_entries_is_built_anew(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Edits leave their old chunks in the graph for good. They are counted when Chroma acknowledges the delete, and
    maintenance begins a rebuild when they are the larger part."""
    monkeypatch.setattr(churn, "_FEWEST_DEAD", 10)
    served.service.maintain()
    assert not any(g.state is GenerationState.BUILDING for g in served.ledger.index.generations())
    before = serving(served)
    for round_ in range(2):
        for number in range(FILES):
            text = f"# Page {number}\n\nBoat {number} of round {round_} stays ashore.\n"
            (tmp_path / "docs" / f"{number}.md").write_text(text)
        served.sync("docs")
    (generation,) = served.ledger.index.generations()
    assert served.ledger.index.churn(generation.generation_id) == (2 * FILES, FILES)
    served.service.maintain()
    served.operations.rebuild(wire.RebuildRequest(), lambda _: None)  # waits for the one that was begun
    assert serving(served) != before
    (generation,) = [g for g in served.ledger.index.generations() if g.state is GenerationState.SERVING]
    assert served.ledger.index.churn(generation.generation_id) == (0, FILES)
    assert not rebuild_when_bloated(served.service)


@pytest.mark.parametrize(
    ("dead", "live", "worth"),
    [(0, 0, False), (10_000, 0, False), (10_001, 0, True), (20_000, 20_000, False), (20_001, 20_000, True)],
)
def test_when_a_rebuild_is_worth_the_while(dead: int, live: int, worth: bool) -> None:
    """More than half of the entries, and more than ten thousand."""
    assert bloated(dead, live) is worth


def test_the_daily_probe_mends_what_somebody_else_changed(served: Served) -> None:
    """Rows that vanished from the collection are written again without anybody asking, and nothing is embedded."""
    index, embedded = served.service.parts.index.serving(), served.embedder.embedded
    assert index is not None
    ids = index.page(0, 5)
    index.delete(ids)
    served.service.probe()
    served.until(lambda: len(index.get(ids)) == len(ids), "the rows to come back")
    assert served.verify().ok
    assert served.embedder.embedded == embedded
