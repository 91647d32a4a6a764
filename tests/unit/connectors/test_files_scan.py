"""Listings of awkward trees, and what they may claim (R5)."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.base import WHOLE, Change, Checkpoint, ItemId, Scope, Unreadable, Upserted
from connectors.errors import SourceUnavailable
from connectors.files import scan as module
from connectors.files.config import FilesConfig
from connectors.files.source import FilesSource
from tests.support.nobody import as_nobody


@pytest.fixture
def root() -> Iterator[Path]:
    """A folder that every account reaches."""
    base = Path(tempfile.mkdtemp(prefix="scan-"))
    base.chmod(0o755)
    yield base
    for folder, names, _ in os.walk(base):
        for name in names:
            path = Path(folder) / name
            if not path.is_symlink():
                path.chmod(0o755)
    shutil.rmtree(base)


def make(root: Path) -> FilesSource:
    return FilesSource(FilesConfig(name="scan", path=str(root), permissions=("public",)))


def fill(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("content", encoding="utf-8")


def split(changes: list[Change | Checkpoint]) -> tuple[set[str], set[str], tuple[Scope, ...]]:
    """Ids listed, ids unreadable, scopes unproven."""
    mark = changes[-1]
    assert isinstance(mark, Checkpoint)
    assert mark.complete
    listed = {change.ref.item_id for change in changes if isinstance(change, Upserted)}
    blocked = {change.item_id for change in changes if isinstance(change, Unreadable)}
    assert len(listed) + len(blocked) + 1 == len(changes)
    return listed, blocked, mark.unproven


DEPTH = 1000
NAME = b"longname"


@pytest.fixture
def abyss() -> Iterator[Path]:
    """A tree 1,000 folders deep, whose paths are longer than the system takes at once."""
    base = Path(tempfile.mkdtemp(prefix="abyss-"))
    fd = os.open(base, os.O_RDONLY | os.O_DIRECTORY)
    for depth in range(DEPTH + 1):
        for name in (b"a.md", b"z.md"):
            os.close(os.open(name, os.O_CREAT | os.O_WRONLY, dir_fd=fd))
        if depth < DEPTH:
            os.mkdir(NAME, dir_fd=fd)
            below = os.open(NAME, os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
            os.close(fd)
            fd = below
    # Taken down from below: what removes trees elsewhere calls itself for each level.
    yield base
    for _ in range(DEPTH):
        for name in (b"a.md", b"z.md"):
            os.unlink(name, dir_fd=fd)
        above = os.open(b"..", os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
        os.close(fd)
        fd = above
        os.rmdir(NAME, dir_fd=fd)
    os.close(fd)
    shutil.rmtree(base)


def test_a_tree_of_any_depth(abyss: Path) -> None:
    """1,000 levels and a path of 9,000 bytes are listed, looked up, read and explained."""
    source = make(abyss)
    listed, blocked, unproven = split([*source.list(WHOLE, None)])
    deepest = "/".join([NAME.decode()] * DEPTH) + "/z.md"
    assert len(deepest) > 4096
    assert len(listed) == 2 * (DEPTH + 1)
    assert deepest in listed
    assert not blocked
    assert not unproven
    ref = source.lookup(ItemId(deepest))
    assert ref is not None
    assert source.fetch(ref).content == b""
    assert source.explain(ItemId(deepest)) is None
    assert len([*source.list(Scope(deepest.removesuffix("/z.md")), None)]) == 3


def test_open_folders_are_given_back(root: Path) -> None:
    """A listing, also one that is not read to its end, leaves no descriptor open."""
    fill(root, *(f"a/{n}/b/c.md" for n in range(5)))
    source = make(root)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        next(iter(source.list(WHOLE, None)))
        [*source.list(WHOLE, None)]
        [*source.list(Scope("a/3"), None)]
        source.lookup(ItemId("a/3/b/c.md"))
        source.lookup(ItemId("a/3/none/c.md"))
        source.identity()
    assert len(os.listdir("/proc/self/fd")) == before


def test_names_of_every_kind(root: Path) -> None:
    """Names that are no UTF-8, that hold newlines, or that differ only by normalisation or case are
    items of their own, can be read, and can be shown and stored."""
    names = {b"\xff\xfe.md", b"a\nb.md", b" .md", b"~.md", b"%41.md", "\u00e9.md".encode(), "e\u0301.md".encode()}
    names |= {b"Case.md", b"case.md", b"\x01\x7f.md", b"a" * 255, "\U0001f600.md".encode(), b"\xed\xa0\x80.md"}
    for name in names:
        path = os.path.join(os.fsencode(root), name)
        with open(path, "wb") as file:
            file.write(name)
    source = make(root)
    seen = set()
    for change in source.list(WHOLE, None):
        if isinstance(change, Upserted):
            fetched = source.fetch(change.ref)
            seen.add(fetched.content)
            for text in (change.ref.name, change.ref.url, change.ref.item_id):
                text.encode("utf-8")
                assert "\n" not in text
            assert change.ref.url.isascii()
    assert seen == names


def test_a_folder_without_its_execute_bit(root: Path) -> None:
    """Names that can be read but not looked at make one finding for the folder, and nothing is absent."""
    fill(root, "a.md", "sub/b.md", "sub/c.md", "sub/d/e.md")
    (root / "sub").chmod(0o744)
    listed, blocked, unproven = as_nobody(lambda: split([*make(root).list(WHOLE, None)]))
    assert listed == {"a.md"}
    assert blocked == {"sub"}
    assert unproven == ("sub",)


def test_a_root_that_may_not_be_read_is_away(root: Path) -> None:
    """Where the root itself is closed nothing can be said about any item."""
    fill(root, "sub/a.md")
    (root / "sub").chmod(0)
    with pytest.raises(SourceUnavailable) as caught:
        as_nobody(lambda: [*make(root / "sub").list(WHOLE, None)])
    assert "may not be read" in str(caught.value)
    assert caught.value.hint


def test_a_folder_that_vanishes_meanwhile_is_unproven(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that was listed in its parent and is gone when it is opened proves nothing; a file neither."""
    fill(root, "a/1.md", "b/2.md", "c.md", "d.md")
    read = module.read_folder

    def read_and_remove(fd: int):
        found = read(fd)
        if (root / "b").exists():
            shutil.rmtree(root / "b")
            (root / "c.md").unlink()
        return found

    monkeypatch.setattr(module, "read_folder", read_and_remove)
    listed, blocked, unproven = split([*make(root).list(WHOLE, None)])
    assert listed == {"a/1.md", "d.md"}
    assert not blocked
    assert set(unproven) == {"b", "c.md"}


def test_a_root_that_vanishes_meanwhile_is_away(root: Path) -> None:
    """A listing whose root is removed while it runs ends in an error, not in a mark."""
    (root / "in").mkdir()
    fill(root / "in", "a/1.md", "b/2.md")
    listing = make(root / "in").list(WHOLE, None)
    next(listing)
    shutil.rmtree(root / "in")
    with pytest.raises(SourceUnavailable):
        list(listing)


@pytest.mark.parametrize("replaced", [True, False])
def test_a_root_that_is_replaced_meanwhile_proves_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch, replaced: bool
) -> None:
    """A listing of a root that was removed or replaced after it was opened claims no absence."""
    (root / "in").mkdir()
    look = module.View.root

    def look_and_remove(self: module.View, tree: module.Tree) -> module.Folder:
        found = look(self, tree)
        (root / "in").rmdir()
        if replaced:
            (root / "in").mkdir()
        return found

    monkeypatch.setattr(module.View, "root", look_and_remove)
    with pytest.raises(SourceUnavailable):
        list(make(root / "in").list(Scope("a/1.md"), None))


def test_a_folder_that_never_rests_is_unproven(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that changes whenever it is read is listed as it was last seen, and proves nothing absent."""
    fill(root, "a/1.md", "b/2.md")
    scandir, count = os.scandir, iter(range(1000))

    def busy(fd: int):
        found = scandir(fd)
        if (number := next(count)) and os.path.samestat(os.fstat(fd), (root / "a").stat()):
            os.utime(root / "a", ns=(number, number))
        return found

    monkeypatch.setattr(module.os, "scandir", busy)
    listed, blocked, unproven = split([*make(root).list(WHOLE, None)])
    assert listed == {"a/1.md", "b/2.md"}
    assert not blocked
    assert unproven == ("a",)


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE, errno.ENOTCONN])
def test_a_folder_that_fails_blocks_only_itself(root: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """An input error in one folder, with a root that answers, concerns that folder."""
    fill(root, "a/1.md", "b/2.md")
    place = (root / "a").stat()
    scandir = os.scandir

    def failing(fd: int):
        if os.path.samestat(os.fstat(fd), place):
            raise OSError(code, os.strerror(code))
        return scandir(fd)

    monkeypatch.setattr(module.os, "scandir", failing)
    listed, blocked, unproven = split([*make(root).list(WHOLE, None)])
    assert listed == {"b/2.md"}
    assert blocked == {"a"}
    assert unproven == ("a",)


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE, errno.ENOTCONN])
def test_a_root_that_fails_is_away(root: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Where the root does not answer either, the source is away, whatever failed first."""
    fill(root, "a/1.md")

    def failing(_fd: int):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(module.os, "scandir", failing)
    with pytest.raises(SourceUnavailable):
        [*make(root).list(WHOLE, None)]


def test_a_folder_replaced_by_a_file(root: Path) -> None:
    """What was in a folder is proven gone when a file has its name, and the file is listed."""
    fill(root, "a/b/1.md")
    shutil.rmtree(root / "a")
    fill(root, "a")
    assert split([*make(root).list(Scope("a/b"), None)]) == (set(), set(), ())
    assert split([*make(root).list(Scope("a/b/1.md"), None)]) == (set(), set(), ())
    assert split([*make(root).list(Scope("a"), None)]) == ({"a"}, set(), ())


def test_a_scope_below_a_link_is_empty(root: Path) -> None:
    """Folders behind a link are not entered by name either."""
    fill(root, "real/1.md")
    (root / "link").symlink_to("real")
    assert split([*make(root).list(Scope("link/1.md"), None)]) == (set(), set(), ())


def test_a_scope_that_is_excluded_is_proven_empty(root: Path) -> None:
    """What the rules leave out is proven absent, so that it leaves the corpus."""
    fill(root, ".git/1.md")
    assert split([*make(root).list(Scope(".git/1.md"), None)]) == (set(), set(), ())


def test_hard_links_share_their_keys(root: Path) -> None:
    """Two names of one file are two items with one file key."""
    fill(root, "a.md")
    (root / "b.md").hardlink_to(root / "a.md")
    source = make(root)
    a, b = source.lookup(ItemId("a.md")), source.lookup(ItemId("b.md"))
    assert a is not None
    assert b is not None
    assert a.file_key == b.file_key
    assert a.item_id != b.item_id


def test_a_marker_makes_the_place(root: Path) -> None:
    """With a marker configured its content is part of the identity, and without the file the source is
    away; the marker is no item."""
    fill(root, "a.md", "ours.txt")
    source = FilesSource(FilesConfig(name="scan", path=str(root), marker="ours.txt"))
    before = source.identity()
    assert {c.ref.item_id for c in source.list(WHOLE, None) if isinstance(c, Upserted)} == {"a.md"}
    (root / "ours.txt").write_text("another", encoding="utf-8")
    assert source.identity() != before
    (root / "ours.txt").unlink()
    with pytest.raises(SourceUnavailable, match="marker"):
        source.identity()
