"""R11 on a real file system: what people and programs do to files, and which document each file is after."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ingestor import faultpoint
from tests.support.world import World

BODY = "This is the text of document {}. It is long enough to tell it from any other document.\n"


def swap(root: Path) -> None:
    os.rename(root / "a.md", root / "t")
    os.rename(root / "b.md", root / "a.md")
    os.rename(root / "t", root / "b.md")


def save_by_rename(root: Path) -> None:
    (root / "a.md.tmp").write_text(BODY.format("A, edited"))
    os.rename(root / "a.md.tmp", root / "a.md")


def delete_then_save(root: Path) -> None:
    (root / "a.md").unlink()
    (root / "a.md").write_text(BODY.format("A, written anew"))


def move_over(root: Path) -> None:
    os.rename(root / "a.md", root / "b.md")


def rename(root: Path) -> None:
    os.rename(root / "a.md", root / "c.md")


def rename_case(root: Path) -> None:
    os.rename(root / "a.md", root / "A.md")


def copy(root: Path) -> None:
    (root / "c.md").write_bytes((root / "a.md").read_bytes())


def hard_link(root: Path) -> None:
    os.link(root / "a.md", root / "c.md")


def move_by_copying(root: Path) -> None:
    (root / "sub").mkdir()
    (root / "sub" / "a.md").write_bytes((root / "a.md").read_bytes())
    (root / "a.md").unlink()


# What was done, and where each document stands after: new name to the old name that it was, "" for a new one.
CASES: list[tuple[Callable[[Path], None], dict[str, str]]] = [
    (swap, {"a.md": "a.md", "b.md": "b.md"}),
    (save_by_rename, {"a.md": "a.md", "b.md": "b.md"}),
    (delete_then_save, {"a.md": "a.md", "b.md": "b.md"}),
    (move_over, {"b.md": "b.md"}),
    (rename, {"c.md": "a.md", "b.md": "b.md"}),
    (rename_case, {"A.md": "a.md", "b.md": "b.md"}),
    (copy, {"a.md": "a.md", "b.md": "b.md", "c.md": ""}),
    (hard_link, {"a.md": "a.md", "b.md": "b.md", "c.md": ""}),
    (move_by_copying, {"sub/a.md": "a.md", "b.md": "b.md"}),
]


@pytest.mark.parametrize(("change", "stands"), CASES, ids=[case[0].__name__ for case in CASES])
def test_who_is_who_after_a_change(world: World, change: Callable[[Path], None], stands: dict[str, str]) -> None:
    """Identity follows the path while it is listed, and the content only to paths that are new."""
    world.write("a.md", BODY.format("A"))
    world.write("b.md", BODY.format("B"))
    world.sync()
    before = world.doc_ids()
    change(world.root)
    world.sync()
    after = world.doc_ids()
    assert after.keys() == stands.keys()
    for name, was in stands.items():
        if was:
            assert after[name] == before[was], name
        else:
            assert after[name] not in before.values(), name
    texts = dict(world.texts().keys())  # of a Counter, dict() alone would take the counts
    assert {item: (world.root / item).read_text().strip() for item in after} == texts
    world.healthy()


def test_a_renamed_folder_keeps_every_document_and_reads_nothing(world: World) -> None:
    """Also documents that are equal to each other: the inode tells them apart; nothing is embedded."""
    for n in range(6):
        world.write(f"old/{n % 3}/page{n}.md", BODY.format(n // 2))
    world.sync()
    world.drain()
    before = world.doc_ids()
    os.rename(world.root / "old", world.root / "new")
    report = world.sync()
    after = world.doc_ids()
    assert {name.replace("new/", "old/", 1): doc for name, doc in after.items()} == before
    assert (report.counts.moved, report.counts.bytes_read, report.counts.added) == (6, 0, 0)
    assert world.drain()[0] == 0


def test_a_folder_copied_elsewhere_and_removed_maps_equal_files_by_their_folder(world: World) -> None:
    """Without inodes the hash decides, and for equal files the folder mapping that unique ones taught."""
    world.write("old/unique.md", BODY.format("unique"))
    world.write("old/x/same.md", BODY.format("same"))
    world.write("old/y/same.md", BODY.format("same"))
    world.write("keep.md", BODY.format("keep"))
    world.sync()
    before = world.doc_ids()
    for path in sorted((world.root / "old").rglob("*.md")):
        world.write(str(path.relative_to(world.root)).replace("old/", "new/", 1), path.read_text())
        path.unlink()
    world.sync()
    after = world.doc_ids()
    assert after["new/unique.md"] == before["old/unique.md"]
    assert after["keep.md"] == before["keep.md"]
    assert {after["new/x/same.md"], after["new/y/same.md"]} & {before["old/x/same.md"], before["old/y/same.md"]}


def test_empty_files_never_take_over_an_identity_by_content(world: World) -> None:
    """All empty files are alike; one that goes and one that comes are two documents."""
    world.write("a.md", "")
    world.write("b.md", BODY.format("B"))
    world.sync()
    before = world.doc_ids()
    (world.root / "a.md").unlink()
    world.write("z.md", "")
    world.sync()
    assert world.doc_ids()["z.md"] not in before.values()


def test_a_deleted_file_that_returns_is_the_same_document(world: World) -> None:
    """Within retention the DocId comes back, the chunks are the same rows, and nothing is embedded again."""
    world.write("a.md", BODY.format("A"))
    world.write("b.md", BODY.format("B"))
    world.sync()
    world.drain()
    before = world.doc_ids()
    (world.root / "a.md").unlink()
    world.sync()
    world.drain()
    assert world.found("text") == ["ingestor:docs/b.md"]
    world.write("a.md", BODY.format("A"))
    world.sync()
    assert world.doc_ids() == before
    assert world.drain() == (0, 1)


def test_an_edit_in_a_moved_file_is_a_move_and_an_edit_when_the_content_tells(world: World) -> None:
    """The same inode with other content, size and time proves nothing: delete plus add."""
    world.write("a.md", BODY.format("A"))
    world.write("b.md", BODY.format("B"))
    world.sync()
    before = world.doc_ids()
    os.rename(world.root / "a.md", world.root / "c.md")
    world.write("c.md", BODY.format("something else, and longer than it was"))
    world.sync()
    assert world.doc_ids()["c.md"] != before["a.md"]


def rewrite_keeping_size_and_mtime(path: Path, old: str, new: str) -> None:
    before = path.stat()
    path.write_text(path.read_text().replace(old, new))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size


def test_a_file_that_was_rewritten_before_it_moved_shows_its_new_text(world: World) -> None:
    """Size and time kept over other content, then renamed before anybody looked: the same document, read again."""
    world.write("a.md", BODY.format("northern"))
    world.sync()
    before = world.doc_ids()
    rewrite_keeping_size_and_mtime(world.root / "a.md", "northern", "southern")
    os.rename(world.root / "a.md", world.root / "b.md")
    assert world.sync().counts.moved == 1
    assert world.doc_ids() == {"b.md": before["a.md"]}
    assert world.found("southern") == ["ingestor:docs/b.md"]
    assert world.found("northern") == []
    assert world.sync().counts.bytes_read == 0


def test_a_kill_between_a_move_and_its_reading_leaves_it_in_doubt(world: World) -> None:
    """The move is committed before the content is read; a run that dies there must not pass for one that looked."""
    world.write("a.md", BODY.format("northern"))
    world.sync()
    rewrite_keeping_size_and_mtime(world.root / "a.md", "northern", "southern")
    os.rename(world.root / "a.md", world.root / "b.md")

    def die(name: str) -> None:
        if name == "fetch":
            raise SystemError(name)

    faultpoint.install(die)
    try:
        with pytest.raises(SystemError):
            world.run()
    finally:
        faultpoint.install(None)
    assert list(world.doc_ids()) == ["b.md"]
    assert world.found("northern") == ["ingestor:docs/b.md"]
    world.sync()
    assert world.found("southern") == ["ingestor:docs/b.md"]


def test_a_renamed_folder_reads_nothing(world: World) -> None:
    """What stands in it kept its version: nothing can have been written unseen."""
    for number in range(5):
        world.write(f"x/{number}.md", BODY.format(number))
    world.sync()
    os.rename(world.root / "x", world.root / "y")
    counts = world.sync().counts
    assert (counts.moved, counts.bytes_read) == (5, 0)


def test_a_move_of_which_the_new_place_is_listed_first_is_a_move(world: World) -> None:
    """The old place lies outside the listing; a look there finds it empty, and nothing is deleted or embedded."""
    world.write("x/a.md", BODY.format("A"))
    world.write("y/b.md", BODY.format("B"))
    world.sync()
    world.drain()
    before = world.doc_ids()
    os.rename(world.root / "x" / "a.md", world.root / "y" / "a.md")
    counts = world.run("y").counts
    assert (counts.moved, counts.added, counts.updated) == (1, 0, 0)
    assert world.doc_ids() == {"y/a.md": before["x/a.md"], "y/b.md": before["y/b.md"]}
    assert world.run("x").counts.deleted == 0
    assert world.drain()[0] == 0
    world.healthy()


def test_a_move_of_which_the_old_place_is_listed_first_keeps_its_document(world: World) -> None:
    """It is gone between the two runs, and comes back at its new place: same DocId, nothing embedded again."""
    world.write("x/a.md", BODY.format("A"))
    world.write("y/b.md", BODY.format("B"))
    world.sync()
    world.drain()
    before = world.doc_ids()
    os.rename(world.root / "x" / "a.md", world.root / "y" / "a.md")
    assert world.run("x").counts.deleted == 1
    assert world.found("document A") == ["ingestor:docs/y/b.md"]
    world.run("y")
    assert world.doc_ids() == {"y/a.md": before["x/a.md"], "y/b.md": before["y/b.md"]}
    assert world.drain()[0] == 0
    world.healthy()


def test_a_hard_link_to_a_file_outside_the_listing_is_a_new_document(world: World) -> None:
    """The same inode, size and time prove no move while the old path is still there."""
    world.write("x/a.md", BODY.format("A"))
    world.write("y/b.md", BODY.format("B"))
    world.sync()
    before = world.doc_ids()
    os.link(world.root / "x" / "a.md", world.root / "y" / "a.md")
    assert world.run("y").counts.added == 1
    assert world.doc_ids()["y/a.md"] not in before.values()
    assert world.doc_ids()["x/a.md"] == before["x/a.md"]


def test_a_file_outside_the_listing_is_deleted_by_nothing_but_its_own_listing(world: World) -> None:
    """What replaced it elsewhere is another file; that its place is empty is not this run's to say (R5)."""
    world.write("x/a.md", BODY.format("A"))
    world.write("y/b.md", BODY.format("B"))
    world.sync()
    (world.root / "x" / "a.md").unlink()
    world.write("y/c.md", BODY.format("C"))  # may well get the inode
    assert world.run("y").counts.deleted == 0
    assert world.doc_ids().keys() == {"x/a.md", "y/b.md", "y/c.md"}


def test_a_move_seen_in_two_scopes_of_one_run_is_a_move(world: World) -> None:
    """What the watcher hints at together is listed together."""
    world.write("x/a.md", BODY.format("A"))
    world.write("y/b.md", BODY.format("B"))
    world.sync()
    before = world.doc_ids()
    os.rename(world.root / "x" / "a.md", world.root / "y" / "a.md")
    report = world.run("x", "y")
    assert report.counts.moved == 1
    assert world.doc_ids()["y/a.md"] == before["x/a.md"]
