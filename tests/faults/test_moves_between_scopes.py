"""A source that goes from one scope to another: whatever dies on the way, its rows end in the one collection and in no
other, nothing is embedded, and what stays in a scope is not touched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ingestor.errors import IndexUnavailable
from tests.support.faults_trees import everyday, small_tree
from tests.support.faults_world import Death, World, hooked
from tests.support.memory_index import MemoryIndex, Row

MOVES = [("", "acme"), ("acme", "zeta"), ("acme", "")]


def filled(place: Path, scope: str, index: MemoryIndex | None = None) -> World:
    (place / "root").mkdir(parents=True)
    small_tree(place / "root")
    world = World(place / "root", place / "base", index=index)
    world.scope = scope
    world.put_source()
    world.everything()
    world.check_index(world.check_ledger())
    return world


def collection(world: World, scope: str) -> dict[str, Row]:
    return dict(world.index.of(scope))


def to(world: World, scope: str, then: Callable[[], object] = lambda: None) -> Callable[[], None]:
    """The work of a reload that gives the source this scope, and of what follows it."""

    def work() -> None:
        world.scope = scope
        world.put_source()
        then()
        world.drain()

    return work


@pytest.mark.parametrize(("old", "new"), MOVES)
def test_a_move_is_mended_wherever_it_dies(old: str, new: str, tmp_path: Path) -> None:
    """One death at each point of the move, then the next start. At no point stands a row in both collections."""
    base, at, through = filled(tmp_path, old), 0, False
    base.close()
    while not through:
        at += 1
        world, hook = base.copy(tmp_path / f"death-{at}"), Death(at)

        def in_one_only(point: str, world: World = world, hook: Death = hook) -> None:
            assert not collection(world, old).keys() & collection(world, new).keys()
            hook(point)

        through = not _dies(world, in_one_only, hook, to(world, new))
        world.check_rows()
        world.drain()
        assert world.embedder.embedded == 0
        world.check_index(world.check_ledger())
        world.close()
    assert at > 6


def _dies(world: World, seen: Callable[[str], None], hook: Death, work: Callable[[], None]) -> bool:
    with hooked(seen):
        try:
            work()
        except BaseException:
            if not hook.dead:
                raise
    if hook.dead:
        world.reopen()
    return hook.dead


@pytest.mark.parametrize("back", [False, True])
def test_a_source_that_moves_while_its_rows_are_written(back: bool, tmp_path: Path) -> None:
    """What was written where the source is no more does not count as written, nor what stands where it came back to
    while the rows of before have yet to be deleted there."""
    for point in ("index.write", "index.write.done", "index.settle"):
        world = filled(tmp_path / f"{point}-{back}", "acme")
        everyday(world.root)
        world.sync_all()
        moves = ["acme", "zeta"] if back else ["zeta"]

        def move(name: str, world: World = world, point: str = point, moves: list[str] = moves) -> None:
            while name == point and moves:
                world.scope = moves.pop()
                world.put_source()

        with hooked(move):
            world.drain()
        assert not moves
        world.check_index(world.check_ledger())
        world.close()


def test_rows_that_left_while_their_source_was_elsewhere(tmp_path: Path) -> None:
    """A passage that goes while its source is in another scope is in no collection after the source came back."""
    world = filled(tmp_path, "acme")
    for scope in ("zeta", "acme"):
        world.scope = scope
        world.put_source()
        if scope == "zeta":
            (world.root / "a.md").unlink()
            world.sync_all()
    world.drain()
    world.check_index(world.check_ledger())
    world.close()


def test_an_index_that_gives_no_answer_is_asked_again(tmp_path: Path) -> None:
    """A collection that was not dropped, though nobody said so, is dropped the next time."""
    failures = ["drop", "upsert"]

    def fail(operation: str) -> None:
        if failures and operation == failures[0] and world.scope == "zeta":
            failures.pop(0)
            raise IndexUnavailable("no answer")

    world = filled(tmp_path, "acme", MemoryIndex(fail=fail))
    to(world, "zeta")()
    assert failures == []
    world.check_index(world.check_ledger())
    world.close()
