"""Crash at every single fault point of whole scenarios, one after the other; what follows mends all of it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest

from ingestor.model import Outcome
from tests.support.faults_corpus import word
from tests.support.faults_everywhere import COMMON, crash_everywhere
from tests.support.faults_trees import everyday, nothing, purge, small_tree, write
from tests.support.faults_world import SOURCE, Death, World, hooked

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("before", "change"),
    [(nothing, small_tree), (small_tree, everyday), (small_tree, purge)],
    ids=["first", "everyday", "purge"],
)
def test_a_crash_at_any_point_is_mended_by_the_next_run(
    tmp_path: Path, before: Callable[[Path], None], change: Callable[[Path], None]
) -> None:
    """Whatever point a process dies at, its ledger contradicts nothing and the next run makes the corpus f(source)."""
    died = crash_everywhere(tmp_path, before, change)
    print(f"\n{change.__name__}: died at {died.total()} points: {dict(died)}")
    assert died.total() > 20
    if change is everyday:
        assert set(died) == COMMON


def test_what_goes_between_a_death_and_the_next_run_is_gone_after_it(tmp_path: Path) -> None:
    """R5: also where it was the very first run that died, one more run proves what is no longer there."""
    at, died = 0, True
    while died:
        at += 1
        root = tmp_path / f"root-{at}"
        root.mkdir()
        world = World(root, tmp_path / f"crash-{at}")
        small_tree(root)
        died = world.dies(Death(at), world.everything)
        (root / "a.md").unlink()
        (root / "c").rename(root / "x")
        write(root, "b.md", [70])
        assert world.sync().outcome is Outcome.OK
        world.check_ledger()
        world.close()
    assert at > 20


def test_two_deaths_in_a_row_are_mended(tmp_path: Path) -> None:
    """A process that dies while it mends what an earlier death left is mended by the one after it."""
    root = tmp_path / "root"
    root.mkdir()
    base = World(root, tmp_path / "base")
    small_tree(root)
    base.everything()
    base.close()
    everyday(root)
    for first in range(3, 120, 13):
        world = base.copy(tmp_path / f"twice-{first}")
        for at in (first, 1 + first // 2):
            world.dies(Death(at), world.everything)
            world.check_rows()
        world.everything()
        world.check_index(world.check_ledger())
        world.close()


def test_the_text_of_a_deleted_document_is_gone_from_the_moment_of_the_commit(tmp_path: Path) -> None:
    """At no point of a run, and after no death, does keyword search show text that a committed removal took out."""
    root = tmp_path / "root"
    root.mkdir()
    world = World(root, tmp_path / "state")
    small_tree(root)
    world.everything()
    assert world.found(word(30)) == {"c/e.md"}
    (root / "c/e.md").unlink()
    seen: list[bool] = []

    def look(name: str) -> None:
        if name == "ledger.commit.done":
            seen.append(bool(world.found(word(30))))

    with hooked(look):
        world.everything()
    assert seen == sorted(seen, reverse=True)
    assert seen[0] and not seen[-1]
    world.close()


def test_an_approved_plan_is_not_asked_for_twice(tmp_path: Path) -> None:
    """Whatever point an approval dies at, the plan stands only while something of it is still to be deleted."""
    root = tmp_path / "root"
    root.mkdir()
    base = World(root, tmp_path / "base")
    for number in range(12):
        write(root, f"{number:02}.md", [number])
    base.everything()
    for number in range(11):
        (root / f"{number:02}.md").unlink()
    assert base.sync().outcome is Outcome.HELD
    base.close()
    at, died = 0, True
    while died:
        at += 1
        world = base.copy(tmp_path / f"crash-{at}")
        held = world.ledger.sources.plan(SOURCE)
        died = world.dies(Death(at), functools.partial(world.sync, approve=held))
        plan = world.ledger.sources.plan(SOURCE)
        assert set(plan.items if plan else ()) == world.doc_ids().keys() - {"11.md"}
        assert world.sync().outcome is (Outcome.HELD if plan else Outcome.OK)
        world.close()
    assert at > 10
