"""Reading one file: whole, at rest, never through a link, never without end."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from connectors.base import ItemId, ItemRef
from connectors.errors import ItemUnreadable, ItemVanished, SourceUnavailable
from connectors.files import source as module
from connectors.files.config import FilesConfig
from connectors.files.source import FilesSource


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FilesSource:
    monkeypatch.setattr(module, "_PAUSE_S", 0.0)
    (tmp_path / "a.md").write_text("one", encoding="utf-8")
    return FilesSource(FilesConfig(name="fetch", path=str(tmp_path), max_size=1000))


def ref_of(source: FilesSource, item: str = "a.md") -> ItemRef:
    ref = source.lookup(ItemId(item))
    assert ref is not None
    return ref


def on_read(monkeypatch: pytest.MonkeyPatch, *effects: object) -> None:
    """Do one effect after each read: call it, or raise it."""
    read, left = os.read, list(effects)

    def reading(fd: int, size: int) -> bytes:
        data = read(fd, size)
        if left:
            effect = left.pop(0)
            if isinstance(effect, OSError):
                raise effect
            if callable(effect):
                effect()
        return data

    monkeypatch.setattr(module.os, "read", reading)


def test_a_change_while_reading_is_read_again(
    source: FilesSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write in the middle of a read is noticed; the second reading gives content and version of one state."""
    ref = ref_of(source)
    on_read(monkeypatch, lambda: (tmp_path / "a.md").write_text("two!", encoding="utf-8"))
    fetched = source.fetch(ref)
    assert fetched.content == b"two!"
    assert fetched.ref == ref_of(source)


def test_a_file_that_never_rests_is_unreadable(
    source: FilesSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that changes at every reading is left for later, not indexed half written."""
    ref = ref_of(source)
    on_read(monkeypatch, *[lambda n=n: (tmp_path / "a.md").write_text(f"{n:03}", encoding="utf-8") for n in range(20)])
    with pytest.raises(ItemUnreadable, match="changing"):
        source.fetch(ref)


def test_a_replaced_file_is_read_under_its_new_version(
    source: FilesSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A save by rename in the middle of a read gives the new content under the new version."""
    ref = ref_of(source)

    def save() -> None:
        (tmp_path / "new").write_text("two", encoding="utf-8")
        (tmp_path / "new").rename(tmp_path / "a.md")

    on_read(monkeypatch, save)
    fetched = source.fetch(ref)
    assert fetched.content == b"two"
    assert fetched.ref == ref_of(source)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (errno.EIO, ItemUnreadable),
        (errno.EACCES, ItemUnreadable),
        (errno.ESTALE, SourceUnavailable),
        (errno.ENODEV, SourceUnavailable),
        (errno.ENOTCONN, SourceUnavailable),
    ],
)
def test_errors_by_who_has_to_act(
    source: FilesSource, monkeypatch: pytest.MonkeyPatch, code: int, expected: type[Exception]
) -> None:
    """An input error is the item's, a file system that does not answer is the source's."""
    ref = ref_of(source)
    on_read(monkeypatch, OSError(code, os.strerror(code)))
    with pytest.raises(expected):
        source.fetch(ref)


def test_what_became_no_file_has_vanished(source: FilesSource, tmp_path: Path) -> None:
    """A pipe, a folder or a link out of the root under a listed name is not read, and nothing hangs."""
    ref = ref_of(source)
    (tmp_path / "a.md").unlink()
    os.mkfifo(tmp_path / "a.md")
    with pytest.raises(ItemVanished):
        source.fetch(ref)
    (tmp_path / "a.md").unlink()
    (tmp_path / "a.md").mkdir()
    with pytest.raises(ItemVanished):
        source.fetch(ref)
    (tmp_path / "a.md").rmdir()
    (tmp_path / "a.md").symlink_to("/etc/hostname")
    with pytest.raises(ItemVanished):
        source.fetch(ref)


def test_a_folder_that_became_a_link_is_not_entered(tmp_path: Path) -> None:
    """A folder on the way that is replaced by a link out of the root does not lead a read there."""
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in (root / "a", outside):
        folder.mkdir(parents=True)
        (folder / "x.md").write_text(folder.name, encoding="utf-8")
    source = FilesSource(FilesConfig(name="fetch", path=str(root)))
    ref = ref_of(source, "a/x.md")
    (root / "a").rename(tmp_path / "moved")
    (root / "a").symlink_to(outside)
    with pytest.raises(ItemVanished):
        source.fetch(ref)


def test_what_is_excluded_meanwhile_is_not_read(source: FilesSource, tmp_path: Path) -> None:
    """A rule that came after the listing holds at the fetch."""
    ref = ref_of(source)
    (tmp_path / ".ingestignore").write_text("a.md\n", encoding="utf-8")
    assert source.lookup(ItemId("a.md")) is None
    with pytest.raises(ItemVanished):
        source.fetch(ref)


def test_a_file_that_outgrew_the_limit_is_not_read(source: FilesSource, tmp_path: Path) -> None:
    """No more than the limit is ever held in memory."""
    ref = ref_of(source)
    (tmp_path / "a.md").write_bytes(b"x" * 1001)
    with pytest.raises(ItemUnreadable, match="limit"):
        source.fetch(ref)


def test_a_file_that_grows_while_it_is_read_ends_at_the_limit(
    source: FilesSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer faster than the reader does not make a read endless."""
    ref = ref_of(source)

    def grow() -> None:
        with (tmp_path / "a.md").open("ab") as file:
            file.write(b"x" * 400)

    on_read(monkeypatch, *[grow] * 50)
    with pytest.raises(ItemUnreadable, match="limit"):
        source.fetch(ref)


def test_a_young_file_is_doubtful(source: FilesSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read at the time of the last change is doubtful, a later one is not (R9)."""
    changed = (tmp_path / "a.md").stat().st_ctime_ns
    for age_ns, expected in ((1_000, True), (3_000_000_000, False)):
        monkeypatch.setattr(module.time, "time_ns", lambda age_ns=age_ns: changed + age_ns)
        assert source.fetch(ref_of(source)).doubtful is expected


def test_ids_that_are_none_reach_nothing(source: FilesSource) -> None:
    """An id that leads out of the root has no item and cannot be fetched."""
    assert source.lookup(ItemId("../etc/passwd")) is None
    assert source.lookup(ItemId("")) is None
    with pytest.raises(ItemVanished):
        source.fetch(ItemRef(item_id=ItemId("../a.md"), name="a.md", version=ref_of(source).version))


def test_a_remote_file_system_has_no_watcher(source: FilesSource, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where others change files unheard there is no watcher: the schedule looks."""
    remote = module.Mount(fstype=b"nfs4", source=b"server:/x", root=b"/", point=b"/")
    monkeypatch.setattr(module, "mount_of", lambda _fd: remote)
    assert source.watcher() is None
    assert source.identity().startswith("nfs4|server:/x|")
