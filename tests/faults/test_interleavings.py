"""What one stage does between two lines of another: nothing is lost, marked or deleted that should not be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.memory import MemorySource
from ingestor.chunking.cutter import SemanticCutter
from ingestor.index.probe import probe
from ingestor.model import ChunkId, Document, Passage
from tests.support.faults_corpus import markdown
from tests.support.faults_trees import everyday, small_tree, write
from tests.support.faults_world import SOURCE, Death, World, hooked


@pytest.fixture
def world(tmp_path: Path) -> World:
    (tmp_path / "root").mkdir()
    return World(tmp_path / "root", tmp_path / "states")


def once(point: str, act: Callable[[], object]) -> Callable[[str], None]:
    """A hook that acts at the first ``point``; what it does there is not hooked again."""
    left = [act]

    def hook(name: str) -> None:
        if name == point and left:
            left.pop()()

    return hook


class OtherUnits(SemanticCutter):
    """A later version of the cutter: the same passages of other units."""

    def recipe(self) -> str:
        return f"{super().recipe()}.later"

    def cut(self, document: Document) -> tuple[Passage, ...]:
        return tuple(
            replace(passage, units=tuple(replace(unit, text=f"later: {unit.text}") for unit in passage.units))
            for passage in super().cut(document)
        )


def test_a_chunk_whose_units_change_while_they_are_embedded_is_not_ready(world: World) -> None:
    """A chunk is complete when the units that it has now are embedded, not those that it had when that began."""
    for number in range(5):
        (world.root / f"{number}.md").write_text(markdown("A", [number]))
    world.sync()
    world.cutter = OtherUnits()

    def upgrade() -> None:
        world.restart()
        world.sync()

    with hooked(once("embed.batch", upgrade)):
        world.embed()
    world.everything()
    world.check_rows()
    assert world.ledger.index.backlog(world.generation) == (0, 0)


def test_a_row_that_dies_and_returns_while_it_is_written_is_written_again(world: World) -> None:
    """An upsert that was on its way when its chunk left, and a delete when its chunk came back, settle nothing."""
    for number, point in enumerate(("index.write", "index.write.done", "index.settle")):
        path = world.root / f"{number}.md"
        path.write_text(markdown("A", [number, 10 + number]))
        content = path.read_bytes()

        def leave(path: Path = path) -> None:
            path.unlink()
            world.sync_all()

        def come_back(path: Path = path, content: bytes = content) -> None:
            path.write_bytes(content)
            world.sync_all()

        world.sync_all()
        with hooked(once(point, leave)):
            world.drain()
        world.check_index()
        come_back()
        world.drain()
        leave()
        with hooked(once(point, come_back)):
            world.drain()
        world.check_index(world.check_ledger())


def test_a_row_that_is_found_where_none_is_wanted_goes_and_one_that_is_due_goes_once(world: World) -> None:
    """A probe beside a run takes dying rows for orphans; they are deleted once, in a batch without repeats."""
    for number in range(6):
        (world.root / f"{number}.md").write_text(markdown("N", [number]))
    world.everything()
    (world.root / "0.md").unlink()
    (world.root / "1.md").write_text(markdown("N", [10]))
    world.sync()
    dying = [
        ChunkId(str(key))
        for (key,) in world.rows("SELECT chunk_id FROM index_state JOIN chunk ON chunk.id = chunk WHERE alive = 0")
    ]
    assert dying
    world.ledger.index.unsettle(world.generation, [*dying, ChunkId("ff" * 20)])
    world.index.rows[ChunkId("ff" * 20)] = next(iter(world.index.rows.values()))
    world.index.calls.clear()
    world.drain()
    for operation, ids in world.index.calls:
        assert len(ids) == len(set(ids)), operation
    world.check_index(world.check_ledger())


def test_an_orphan_that_is_wanted_again_before_it_was_deleted_stays(world: World) -> None:
    """R2: a row that a probe condemned and a run then brought back is not deleted behind the run's back."""
    path = world.root / "a.md"
    path.write_text(markdown("A", [1, 2]))
    world.everything()
    rows = dict(world.index.rows)
    content = path.read_bytes()
    path.unlink()
    world.sync_all()
    world.drain()
    world.index.rows.update(rows)  # the store forgot the delete
    found = probe(world.generation, ledger=world.ledger.index, vectors=world.vectors, index=world.index)
    assert set(found.to_mend()[""]) == set(rows)
    world.ledger.index.unsettle(world.generation, found.to_mend()[""])
    path.write_bytes(content)
    world.sync_all()
    world.drain()
    world.check_index(world.check_ledger())


def test_a_move_proven_by_a_doubtful_read_is_read_again(tmp_path: Path) -> None:
    """R9: what a copy-and-delete left may still change unseen, so it is read once more in the same run."""
    source = MemorySource(SOURCE)
    source.put("old", markdown("Moved", [1, 2]))
    source.put("other", markdown("Other", [3]))
    world = World(tmp_path, tmp_path / "states", source=source)
    world.everything()
    (doc_id,) = {one for item, one in world.doc_ids().items() if item == "old"}
    source.remove("old")
    source.put("new", markdown("Moved", [1, 2]), doubtful=True)
    edits = [lambda: source.put("new", markdown("Moved", [1, 4]))]

    def edit_once(name: str) -> None:
        if name == "ledger.commit.done" and world.doc_ids().get("new") and edits:
            edits.pop()()

    with hooked(edit_once):
        report = world.sync()
    assert (report.counts.moved, world.doc_ids()["new"]) == (1, doc_id)
    assert world.sync().counts.bytes_read == 0
    world.check_ledger()


def test_a_doubt_about_a_moved_file_survives_a_death(tmp_path: Path) -> None:
    """R9: the process may die at any commit between the read that proved a move and the read that has to repeat it;
    an edit that the version does not show is found by the next run."""
    source = MemorySource(SOURCE)
    source.put("old", markdown("Moved", [1, 2]))
    base = World(tmp_path, tmp_path / "base", source=source)
    base.everything()
    source.remove("old")
    source.put("new", markdown("Moved", [1, 2]), doubtful=True)
    moved = source._items["new"]
    edited = replace(moved, content=markdown("Moved", [1, 4]).encode(), doubtful=False)
    at, died = 0, True
    while died:
        at += 1
        source._items["new"] = moved
        world = base.copy(tmp_path / f"crash-{at}")
        died = world.dies(Death(at, point="ledger.commit.done"), world.sync)
        if died:
            source._items["new"] = edited
            world.sync_all()
        world.check_ledger()
        world.close()
    assert at > 2


def test_a_death_while_old_things_are_forgotten_loses_nothing_that_lives(tmp_path: Path) -> None:
    """Retention may die at any commit: what is live stays whole, and what returns is taken in again."""
    root = tmp_path / "root"
    root.mkdir()
    base = World(root, tmp_path / "base")
    small_tree(root)
    base.everything()
    everyday(root)
    base.everything()
    base.close()
    at, died, forgotten = 0, True, 0
    while died:
        at += 1
        world = base.copy(tmp_path / f"crash-{at}")
        world.ledger.upkeep._retention = -1.0
        died = world.dies(Death(at), world.ledger.forget)
        world.check_index(world.check_ledger())
        world.ledger.upkeep._retention = -1.0
        forgotten += world.ledger.forget()
        back = root / "c/e.md"
        write(root, "c/e.md", list(range(30, 33)))
        world.everything()
        world.check_index(world.check_ledger())
        back.unlink()
        world.close()
    assert at > 5
    assert forgotten
