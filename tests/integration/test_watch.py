"""The watcher against the real kernel: what is hinted at, what is not, and how it goes deaf."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from watchdog.observers import inotify_c

from connectors.base import WHOLE, Hint, Watcher, within
from connectors.errors import SourceUnavailable
from connectors.files.config import FilesConfig
from connectors.files.source import FilesSource
from tests.support.nobody import NOBODY, as_nobody

PATIENCE = 20.0


class Ear:
    """A watcher on a folder, and the hints that it gave."""

    def __init__(self, root: Path, **settings: object) -> None:
        source = FilesSource(FilesConfig(name="watch", path=str(root), **settings))  # type: ignore[arg-type]
        self.watcher = source.watcher()
        assert isinstance(self.watcher, Watcher)
        self.hints: list[str] = []
        self._changed = threading.Condition()

    def start(self) -> None:
        self.watcher.start(self._emit)

    def _emit(self, hint: Hint) -> None:
        with self._changed:
            self.hints.append(hint.scope)
            self._changed.notify_all()

    def wait(self, met: Callable[[], bool]) -> bool:
        with self._changed:
            return self._changed.wait_for(met, PATIENCE)

    def hears(self, *paths: str) -> bool:
        """Whether each path is, within patience, in the scope of a hint since the last ``clear``."""
        return self.wait(lambda: all(any(within(path, scope) for scope in self.hints) for path in paths))

    def clear(self) -> None:
        """Forget the hints so far, once everything that happened before has been told."""
        with self._changed:
            self.hints.clear()

    def probe(self, root: Path) -> list[str]:
        """All hints up to a change made now: what happened before it was told before it."""
        for _ in range(10):
            name, heard = f"probe{time.monotonic_ns()}.md", len(self.hints)
            (root / name).write_text("x", encoding="utf-8")
            assert self.wait(lambda name=name, heard=heard: {name, WHOLE} & set(self.hints[heard:]))
            if name in self.hints:
                return [hint for hint in self.hints if not hint.startswith("probe")]
        raise AssertionError("everything was hinted at again and again")


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[Ear]:
    for folder in ("a", "b/c", ".git", "drafts"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "x.md").write_text("x", encoding="utf-8")
    ear = Ear(tmp_path, exclude=("drafts", "*.tmp"))
    ear.start()
    yield ear
    ear.watcher.stop()


def test_it_is_armed_when_start_returns(tmp_path: Path) -> None:
    """A change made right after ``start`` is hinted at, however large the tree was to arm."""
    for n in range(50):
        (tmp_path / f"{n}").mkdir()
    ear = Ear(tmp_path)
    ear.start()
    (tmp_path / "49" / "a.md").write_text("x", encoding="utf-8")
    assert ear.hears("49/a.md")
    ear.watcher.stop()


def test_edits_are_hinted_at_by_their_file(ear: Ear, tmp_path: Path) -> None:
    """Writing, changing permissions, linking and removing a file each hint at that file."""
    file = tmp_path / "b" / "c" / "x.md"
    steps: list[tuple[Callable[[], object], str]] = [
        (lambda: file.write_text("y", encoding="utf-8"), "b/c/x.md"),
        (lambda: file.chmod(0o600), "b/c/x.md"),
        (lambda: (tmp_path / "a" / "link.md").hardlink_to(file), "a/link.md"),
        (lambda: (tmp_path / "a" / "soft.md").symlink_to("x.md"), "a/soft.md"),
        (file.unlink, "b/c/x.md"),
    ]
    for step, scope in steps:
        ear.clear()
        step()
        assert ear.wait(lambda scope=scope: scope in ear.hints)


def test_an_open_file_is_hinted_at_when_it_rests(ear: Ear, tmp_path: Path) -> None:
    """A writer that keeps its file open is heard all the same."""
    with (tmp_path / "a" / "log.md").open("w", encoding="utf-8") as file:
        file.write("line")
        file.flush()
        assert ear.hears("a/log.md")
        ear.clear()
        file.write("line")
        file.flush()
        assert ear.hears("a/log.md")


def test_a_save_by_rename_hints_at_the_file(ear: Ear, tmp_path: Path) -> None:
    """Saving over a file by rename does not cost a look at its folder."""
    for temporary in ("x.md.new", ".x.md.swp", "x.tmp"):
        ear.clear()
        (tmp_path / "a" / temporary).write_text("y", encoding="utf-8")
        (tmp_path / "a" / temporary).rename(tmp_path / "a" / "x.md")
        assert ear.hears("a/x.md")
        assert "a" not in ear.hints


def test_renames_hint_at_both_folders(ear: Ear, tmp_path: Path) -> None:
    """A file or folder that moves hints at its old and its new parent."""
    (tmp_path / "a" / "x.md").rename(tmp_path / "b" / "y.md")
    assert ear.wait(lambda: {"a", "b"} <= set(ear.hints))
    ear.clear()
    (tmp_path / "b" / "c").rename(tmp_path / "a" / "d")
    assert ear.wait(lambda: {"a", "b"} <= set(ear.hints))
    ear.clear()
    (tmp_path / "a" / "d" / "x.md").write_text("moved along", encoding="utf-8")
    assert ear.wait(lambda: "a/d/x.md" in ear.hints)


def test_new_folders_are_watched_to_the_bottom(ear: Ear, tmp_path: Path) -> None:
    """What is made with its folders in one go is hinted at, and watched from then on."""
    deep = tmp_path / "n" / "m" / "o"
    deep.mkdir(parents=True)
    (deep / "1.md").write_text("x", encoding="utf-8")
    assert ear.hears("n/m/o/1.md")
    ear.probe(tmp_path)
    ear.clear()
    (deep / "2.md").write_text("x", encoding="utf-8")
    assert ear.hears("n/m/o/2.md")


def test_a_folder_that_leaves_takes_its_watches_along(ear: Ear, tmp_path: Path) -> None:
    """A folder moved out is hinted at as gone, and what happens to it elsewhere is not reported."""
    outside = Path(tempfile.mkdtemp(prefix="outside-"))
    try:
        (tmp_path / "b").rename(outside / "b")
        assert ear.hears("b")
        ear.probe(tmp_path)
        ear.clear()
        (outside / "b" / "c" / "x.md").write_text("elsewhere", encoding="utf-8")
        assert ear.probe(tmp_path) == []
        (outside / "b").rename(tmp_path / "back")
        assert ear.hears("back/c/x.md")
        ear.probe(tmp_path)
        ear.clear()
        (tmp_path / "back" / "c" / "x.md").write_text("here", encoding="utf-8")
        assert ear.wait(lambda: "back/c/x.md" in ear.hints)
    finally:
        shutil.rmtree(outside)


def test_a_folder_made_again_under_its_name_is_watched(ear: Ear, tmp_path: Path) -> None:
    """Removing and making a folder, or putting another in its place, leaves no deaf spot."""
    for _ in range(3):
        shutil.rmtree(tmp_path / "b")
        (tmp_path / "b" / "c").mkdir(parents=True)
    ear.probe(tmp_path)
    ear.clear()
    (tmp_path / "b" / "c" / "new.md").write_text("x", encoding="utf-8")
    assert ear.hears("b/c/new.md")
    (tmp_path / "a").rename(tmp_path / "z")
    (tmp_path / "b").rename(tmp_path / "a")
    (tmp_path / "z").rename(tmp_path / "b")
    ear.probe(tmp_path)
    ear.clear()
    (tmp_path / "a" / "c" / "new.md").write_text("y", encoding="utf-8")
    (tmp_path / "b" / "x.md").write_text("y", encoding="utf-8")
    assert ear.wait(lambda: {"a/c/new.md", "b/x.md"} <= set(ear.hints))


def test_what_is_excluded_is_not_hinted_at(ear: Ear, tmp_path: Path) -> None:
    """Hidden and excluded names, and everything in such folders, stay unsaid."""
    for path in (".hidden.md", ".git/x.md", "drafts/x.md", "a/x.tmp"):
        (tmp_path / path).write_text("y", encoding="utf-8")
    (tmp_path / ".git" / "objects").mkdir()
    (tmp_path / ".git" / "objects" / "y").write_text("y", encoding="utf-8")
    assert ear.probe(tmp_path) == []


def test_a_change_of_rules_is_heard(ear: Ear, tmp_path: Path) -> None:
    """A new ignore file hints at its folder and is heeded; when it goes, what it hid is heard again."""
    (tmp_path / "b" / "new").mkdir()
    ear.probe(tmp_path)
    (tmp_path / "b" / ".ingestignore").write_text("new/\n*.txt\n", encoding="utf-8")
    assert ear.hears("b")
    ear.probe(tmp_path)
    ear.clear()
    (tmp_path / "b" / "new" / "1.md").write_text("x", encoding="utf-8")
    (tmp_path / "b" / "c" / "1.txt").write_text("x", encoding="utf-8")
    assert ear.probe(tmp_path) == []
    (tmp_path / "b" / ".ingestignore").unlink()
    assert ear.hears("b")
    ear.probe(tmp_path)
    ear.clear()
    (tmp_path / "b" / "new" / "2.md").write_text("x", encoding="utf-8")
    assert ear.hears("b/new/2.md")


def test_folder_permissions_are_heard(ear: Ear, tmp_path: Path) -> None:
    """A folder's bits decide about everything below it: it is hinted at, the root too."""
    (tmp_path / "b").chmod(0o700)
    assert ear.wait(lambda: "b" in ear.hints)
    tmp_path.chmod(0o711)
    assert ear.wait(lambda: WHOLE in ear.hints)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """While it is not set watchdog's thread does not read, and the kernel's queue fills."""
    gate, read = threading.Event(), inotify_c.InotifyFD.read_events

    def held(self: inotify_c.InotifyFD, **options: int) -> list[inotify_c.InotifyEvent]:
        gate.wait(PATIENCE)
        return read(self, **options)

    monkeypatch.setattr(inotify_c.InotifyFD, "read_events", held)
    return gate


def test_a_storm_becomes_few_hints(ear: Ear, tmp_path: Path, gate: threading.Event) -> None:
    """A thousand changes at once are told in few hints that cover them all."""
    paths = [f"storm/{n % 3}/{n}.md" for n in range(1000)]
    for n in range(3):
        (tmp_path / "storm" / str(n)).mkdir(parents=True)
    for path in paths:
        (tmp_path / path).write_text("x", encoding="utf-8")
    gate.set()
    assert ear.hears(paths[-1])
    hints = ear.probe(tmp_path)
    assert all(any(within(path, scope) for scope in hints) for path in paths)
    assert len(hints) < 100


def test_an_overflow_is_told(ear: Ear, tmp_path: Path, gate: threading.Event) -> None:
    """When the kernel drops events the whole source is hinted at, and folders made unheard are watched."""
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text(encoding="ascii"))
    if limit > 200_000:
        pytest.skip("this kernel's queue is too long to fill here")
    for n in range(2 * limit):
        os.close(os.open(tmp_path / "b" / "c" / f"{n}.md", os.O_CREAT | os.O_WRONLY))
    (tmp_path / "unheard" / "deep").mkdir(parents=True)
    gate.set()
    assert ear.wait(lambda: WHOLE in ear.hints)
    assert ear.watcher.alive()
    ear.clear()
    (tmp_path / "unheard" / "deep" / "1.md").write_text("x", encoding="utf-8")
    assert ear.wait(lambda: "unheard/deep/1.md" in ear.hints)


@pytest.mark.parametrize("how", ["removed", "renamed", "renamed above", "made again", "replaced"])
def test_without_its_root_it_is_not_alive(tmp_path: Path, how: str) -> None:
    """A root that is removed, renamed or replaced by another leaves a watcher that says it is deaf."""
    root = tmp_path / "above" / "root"
    root.mkdir(parents=True)
    ear = Ear(root)
    ear.start()
    assert ear.watcher.alive()
    match how:
        case "removed":
            root.rmdir()
        case "renamed":
            root.rename(tmp_path / "other")
        case "renamed above":
            (tmp_path / "above").rename(tmp_path / "other")
        case "made again":
            root.rmdir()
            root.mkdir()
            assert ear.wait(lambda: WHOLE in ear.hints)
        case _:
            root.rename(tmp_path / "other")
            root.mkdir()
    assert not ear.watcher.alive()
    ear.watcher.stop()


def test_a_dead_thread_is_noticed(ear: Ear) -> None:
    """A watcher whose reading thread ended is not alive."""
    assert ear.watcher.alive()
    ear.watcher._watches.close()  # type: ignore[attr-defined]
    assert not ear.watcher.alive()


def test_the_limit_of_watches_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system allows no further watch, ``start`` names the setting instead of going half deaf."""
    (tmp_path / "a").mkdir()
    add, count = inotify_c.inotify_add_watch, iter(range(100))

    def limited(fd: int, path: bytes, mask: int) -> int:
        if next(count) == 0:
            return add(fd, path, mask)
        inotify_c.ctypes.set_errno(errno.ENOSPC)
        return -1

    monkeypatch.setattr(inotify_c, "inotify_add_watch", limited)
    ear = Ear(tmp_path)
    with pytest.raises(SourceUnavailable) as caught:
        ear.start()
    assert "max_user_watches" in caught.value.hint
    assert not ear.watcher.alive()


def test_the_limit_reached_later_is_told(ear: Ear, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new folder that cannot be watched any more hints at everything and ends the watcher's life."""

    def none_left(_fd: int, _path: bytes, _mask: int) -> int:
        inotify_c.ctypes.set_errno(errno.ENOSPC)
        return -1

    monkeypatch.setattr(inotify_c, "inotify_add_watch", none_left)
    (tmp_path / "one_more").mkdir()
    assert ear.wait(lambda: WHOLE in ear.hints)
    assert not ear.watcher.alive()


def test_after_stop_nothing_is_said(ear: Ear, tmp_path: Path) -> None:
    """No hint comes after ``stop`` returned, not even for what was waiting."""
    (tmp_path / "a" / "x.md").write_text("y", encoding="utf-8")
    ear.watcher.stop()
    said = list(ear.hints)
    (tmp_path / "a" / "x.md").write_text("z", encoding="utf-8")
    assert ear.hints == said
    assert not any(thread.name.startswith("watch ") for thread in threading.enumerate())
    with pytest.raises(RuntimeError):
        ear.start()


def test_a_watcher_leaves_no_descriptor_open(tmp_path: Path) -> None:
    """Starting and stopping gives back what the kernel lent."""
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        ear = Ear(tmp_path)
        ear.start()
        ear.watcher.stop()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_folder_that_becomes_readable_is_watched() -> None:
    """A closed folder is passed over; once it is opened it is hinted at and watched."""
    base = Path(tempfile.mkdtemp(prefix="watch-"))
    closed = base / "closed"
    (closed / "in").mkdir(parents=True)
    for path in (base, closed, closed / "in"):
        if os.geteuid() == 0:
            os.chown(path, NOBODY, NOBODY)
        path.chmod(0o755)
    (closed).chmod(0)

    def question() -> tuple[bool, bool]:
        ear = Ear(base)
        ear.start()
        closed.chmod(0o755)
        told = ear.hears("closed")
        ear.probe(base)
        ear.clear()
        (closed / "in" / "a.md").write_text("x", encoding="utf-8")
        heard = ear.hears("closed/in/a.md")
        ear.watcher.stop()
        return told, heard

    try:
        assert as_nobody(question) == (True, True)
    finally:
        shutil.rmtree(base)
