"""Poison: clocks, times, names, kinds of files and trees that break naive programs, on a real file system.

The first part plays them against one source in process (``World``); the second against the whole service,
which watches real folders by inotify while they are flooded, unmounted, replaced and made again.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import stat
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from watchdog.observers import inotify_c

from connectors.paths import item_id
from tests.support.faults_corpus import markdown, word
from tests.support.mounts import can_mount, mount, share, unmount
from tests.support.served import Served, served
from tests.support.world import World

BODY = "This is the text of document {}. It is long enough to tell it from any other document.\n"
pytestmark = pytest.mark.slow
needs_mounts = pytest.mark.skipif(not can_mount(), reason="mounting needs the superuser")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    for folder in ("docs", "state"):
        (tmp_path / folder).mkdir()
    made = World(tmp_path / "docs", tmp_path / "state")
    yield made
    made.close()


def held_texts(world: World) -> dict[str, str]:
    """Item id to the text that the ledger holds; every document here is one passage."""
    texts = world.texts()
    assert texts.total() == len({item for item, _ in texts}), texts
    return dict(texts.keys())


def tree_texts(root: Path) -> dict[str, str]:
    """What ``held_texts`` should be: every regular file below, by the bytes of its path."""
    found = {}
    for folder, _, names in os.walk(os.fsencode(root)):
        for name in names:
            path = os.path.join(folder, name)
            if stat.S_ISREG(os.lstat(path).st_mode):
                with open(path, "rb") as file:
                    found[str(item_id(os.path.relpath(path, os.fsencode(root))))] = file.read().decode().strip()
    return found


def settle(world: World) -> None:
    """A run that ends well; then the ledger is the tree, agrees with itself, and a second run finds nothing."""
    world.sync()
    assert held_texts(world) == tree_texts(world.root)
    again = world.sync().counts
    assert (again.added, again.updated, again.moved, again.deleted, again.bytes_read) == (0, 0, 0, 0, 0)
    world.healthy()


# -- times --------------------------------------------------------------------------------------------------


class Clock:
    """Replaces the wall clock of this process; the monotonic one goes on."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.ahead = 0.0
        self._real, self._real_ns = time.time, time.time_ns
        patch.setattr(time, "time", lambda: self._real() + self.ahead)
        patch.setattr(time, "time_ns", lambda: self._real_ns() + int(self.ahead * 1e9))


YEAR = 365 * 86_400.0


@pytest.mark.parametrize("ahead", [-10 * YEAR, -3_600.0, 3_600.0, 10 * YEAR])
def test_a_clock_that_jumps_changes_nothing(world: World, monkeypatch: pytest.MonkeyPatch, ahead: float) -> None:
    """Between runs and back again: edits are seen, nothing else is read, and nothing is deleted."""
    for n in range(12):
        world.write(f"d{n}.md", BODY.format(n))
    settle(world)
    before, clock = world.doc_ids(), Clock(monkeypatch)
    for step, offset in enumerate((ahead, 0.0)):
        clock.ahead = offset
        unchanged = world.sync().counts
        assert (unchanged.unchanged, unchanged.bytes_read, unchanged.deleted) == (12, 0, 0)
        world.write("d3.md", BODY.format(f"three, edited at step {step}"))
        edited = world.sync().counts
        assert (edited.updated, edited.deleted) == (1, 0)
        assert world.doc_ids() == before
        settle(world)


def test_the_ledgers_clock_never_runs_backwards(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commits stay in order whatever the wall clock does between them."""
    clock = Clock(monkeypatch)
    for step, offset in enumerate((0.0, YEAR, -YEAR, 0.0, -10 * YEAR)):
        clock.ahead = offset
        world.write("a.md", BODY.format(f"step {step}"))
        settle(world)
    times = [at for (at,) in world.ledger.sync._db.read("SELECT at FROM commits ORDER BY seq")]
    assert times == sorted(times)


def test_a_clock_that_jumps_within_a_run(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look at the clock gives another hour; the run ends, and with the right content."""
    jumps = iter(range(10**6))
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + (-1) ** next(jumps) * 3_600.0 * (next(jumps) % 7))
    for n in range(12):
        world.write(f"d{n}.md", BODY.format(n))
    settle(world)


@pytest.mark.parametrize("mtime", [0, 2**31 + 5, 2**33])
def test_an_mtime_means_nothing(world: World, mtime: int) -> None:
    """Files of the past and of the future are taken in, edited and left alone like any others."""
    for step in range(2):
        path = world.write("a.md", BODY.format(f"step {step}"))
        os.utime(path, (mtime, mtime))
        settle(world)


def over(path: Path, text: str) -> None:
    """New content in place, with the old times."""
    before = path.stat()
    path.write_text(text)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def beside(path: Path, text: str) -> None:
    """rsync -t, cp -p and mv: another file with the old times takes the name."""
    before = path.stat()
    other = path.with_name("." + path.name + ".new")
    other.write_text(text)
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.rename(path)


def mapped(path: Path, text: str) -> None:
    """Through a mapping that was opened before, times set back after."""
    import mmap

    before = path.stat()
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        memory[:] = text.encode()
        memory.flush()
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("replace", [over, beside, mapped])
def test_a_file_replaced_by_equal_size_and_time(world: World, replace: Callable[[Path, str], None]) -> None:
    """Neither its size nor its mtime tells; its change time or its inode does. It stays the same document."""
    for n in range(3):
        world.write(f"d{n}.md", BODY.format(n))
    settle(world)
    before, seen = world.doc_ids(), (world.root / "d1.md").stat()
    replace(world.root / "d1.md", BODY.format("X"))
    now = (world.root / "d1.md").stat()
    assert (now.st_size, now.st_mtime_ns) == (seen.st_size, seen.st_mtime_ns)
    settle(world)
    assert held_texts(world)["d1.md"] == BODY.format("X").strip()
    assert world.doc_ids() == before


def test_replaced_right_after_it_was_read(world: World) -> None:
    """Time and again, as quickly as it goes: a run never leaves what stood there before the run."""
    for n in range(12):
        world.write("a.md", BODY.format(f"{n:02}"))
        world.sync()
        assert held_texts(world)["a.md"] == BODY.format(f"{n:02}").strip()


def test_swapped_times_between_two_files(world: World) -> None:
    """Two files of one size exchange their contents and keep each its times."""
    first, second = world.write("a.md", BODY.format("A")), world.write("b.md", BODY.format("B"))
    settle(world)
    over(first, BODY.format("B"))
    over(second, BODY.format("A"))
    settle(world)


# -- names --------------------------------------------------------------------------------------------------


def put(root: Path, name: bytes, text: str) -> None:
    with open(os.path.join(os.fsencode(root), name), "wb") as file:
        file.write(text.encode())


def test_twins_that_normalise_alike(world: World) -> None:
    """NFC and NFD of one name are two documents; one may be edited, removed or renamed to the other's form."""
    nfc = unicodedata.normalize("NFC", "Rés\u00fcm\u00e9.md").encode()
    nfd = unicodedata.normalize("NFD", "Rés\u00fcm\u00e9.md").encode()
    put(world.root, nfc, BODY.format("composed"))
    put(world.root, nfd, BODY.format("decomposed"))
    settle(world)
    assert len(world.doc_ids()) == 2
    put(world.root, nfd, BODY.format("decomposed, edited"))
    settle(world)
    before = world.doc_ids()
    os.unlink(os.path.join(os.fsencode(world.root), nfd))
    settle(world)
    os.rename(os.path.join(os.fsencode(world.root), nfc), os.path.join(os.fsencode(world.root), nfd))
    settle(world)
    # The name that left returned: within retention it is that document again, by its path (R11).
    assert world.doc_ids() == {str(item_id(nfd)): before[str(item_id(nfd))]}


def test_a_rename_of_form_or_case_alone(world: World) -> None:
    """A name whose case or normal form changes is moved: the document stays, nothing is embedded."""
    put(world.root, "Größe.md".encode(), BODY.format("size"))
    world.write("b.md", BODY.format("other"))
    settle(world)
    world.drain()
    (doc,) = {doc for item, doc in world.doc_ids().items() if item != "b.md"}
    names = ["GRÖSSE.md", "größe.md", unicodedata.normalize("NFD", "größe.md"), "Größe.MD"]
    now = "Größe.md"
    for name in names:
        os.rename(os.fsencode(world.root) + b"/" + now.encode(), os.fsencode(world.root) + b"/" + name.encode())
        now = name
        settle(world)
        assert world.doc_ids()[str(item_id(name.encode()))] == doc
        assert world.drain()[0] == 0
    assert world.found("size") == [f"ingestor:docs/{item_id(now.encode())}"]


NAMES = [
    b"\xff\xfe\xfa.md",
    b"latin-\xe9.md",
    b"new\nline.md",
    b"tab\tand \x1b[31mcolour.md",
    "\U0001f600\u200d\U0001f525.md".encode(),
    "\u202egnp.md".encode(),
    b"\xed\xa0\x80.md",
    b"%2e%2e%2f.md",
    b" leading and trailing .md",
    b"-rf.md",
    b"'\";DROP TABLE item;--.md",
    b"a" * 252 + b".md",
]


def test_names_of_every_kind(world: World) -> None:
    """Taken in, found with a printable title, embedded, indexed, moved and deleted like any others."""
    for n, name in enumerate(NAMES):
        put(world.root, name, BODY.format(word(n)))
    settle(world)
    assert world.drain()[1] == len(NAMES)
    for n, name in enumerate(NAMES):
        assert world.found(word(n)) == [f"ingestor:docs/{item_id(name)}"]
    before = world.doc_ids()
    (world.root / "below").mkdir()
    for name in NAMES:
        os.rename(os.path.join(os.fsencode(world.root), name), os.path.join(os.fsencode(world.root), b"below", name))
    settle(world)
    assert {f"below/{item}": doc for item, doc in before.items()} == world.doc_ids()
    assert world.drain()[0] == 0
    os.unlink(os.path.join(os.fsencode(world.root), b"below", NAMES[0]))
    settle(world)
    assert world.found(word(0)) == []


# -- kinds of files -----------------------------------------------------------------------------------------


def test_only_regular_files_are_read(world: World) -> None:
    """FIFOs, sockets, devices, links that lead out, nowhere or in circles: none is opened, none is an item."""
    world.write("good.md", BODY.format("good"))
    outside = world.root.parent / "secret.md"
    outside.write_text(BODY.format("secret"))
    os.mkfifo(world.root / "fifo.md")
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as made, contextlib.chdir(world.root):
        made.bind("socket.md")
    if os.geteuid() == 0:
        os.mknod(world.root / "null.md", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        os.mknod(world.root / "zero.md", 0o666 | stat.S_IFCHR, os.makedev(1, 5))
        os.mknod(world.root / "disk.md", 0o666 | stat.S_IFBLK, os.makedev(7, 250))
    (world.root / "loop.md").symlink_to("loop.md")
    (world.root / "there.md").symlink_to("back.md")
    (world.root / "back.md").symlink_to("there.md")
    (world.root / "circle").symlink_to(".")
    (world.root / "up").symlink_to("..")
    (world.root / "out.md").symlink_to(outside)
    (world.root / "passwd.md").symlink_to("/etc/passwd")
    (world.root / "dangling.md").symlink_to("nowhere.md")
    (world.root / "fifo-link.md").symlink_to("fifo.md")
    settle(world)
    assert set(world.doc_ids()) == {"good.md"}
    assert world.found("secret") == []


@pytest.mark.parametrize("kind", ["fifo", "link out", "link to itself", "folder", "socket"])
def test_a_file_that_becomes_something_else(world: World, kind: str) -> None:
    """Its document leaves, without a hang; when the file returns it is the same document again."""
    outside = world.root.parent / "secret.md"
    outside.write_text(BODY.format("secret"))
    for n in range(6):
        world.write(f"d{n}.md", BODY.format(n))
    settle(world)
    before, path = world.doc_ids(), world.root / "d1.md"
    path.unlink()
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "link out":
            path.symlink_to(outside)
        case "link to itself":
            path.symlink_to(path.name)
        case "folder":
            path.mkdir()
            world.write("d1.md/inner.md", BODY.format("inner"))
        case _:
            with contextlib.closing(socket.socket(socket.AF_UNIX)) as made, contextlib.chdir(world.root):
                made.bind("d1.md")
    settle(world)
    assert "d1.md" not in world.doc_ids()
    assert world.found("secret") == []
    if kind == "folder":
        shutil.rmtree(path)
    else:
        path.unlink()
    world.write("d1.md", BODY.format(1))
    settle(world)
    assert world.doc_ids() == before


def test_hard_links(world: World) -> None:
    """Two names of one file are two documents: an edit changes both, a rename moves one, a removal takes one."""
    first = world.write("a.md", BODY.format("shared"))
    world.write("other.md", BODY.format("other"))
    (world.root / "b.md").hardlink_to(first)
    settle(world)
    before = world.doc_ids()
    assert len(set(before.values())) == 3
    first.write_text(BODY.format("shared, edited"))
    settle(world)
    (world.root / "b.md").rename(world.root / "c.md")
    settle(world)
    assert world.doc_ids() == {"a.md": before["a.md"], "c.md": before["b.md"], "other.md": before["other.md"]}
    first.unlink()
    settle(world)
    assert world.doc_ids() == {"c.md": before["b.md"], "other.md": before["other.md"]}


# -- trees --------------------------------------------------------------------------------------------------

DEPTH, STEP = 1_000, b"folder"


@pytest.fixture
def abyss(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """A tree 1,000 folders deep below ``docs``; its paths are longer than the system takes at once. The
    function writes a file at the bottom."""
    fd = os.open(tmp_path / "docs", os.O_RDONLY)
    for _ in range(DEPTH):
        os.mkdir(STEP, dir_fd=fd)
        below = os.open(STEP, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below

    def write(text: str) -> None:
        with os.fdopen(os.open("deep.md", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, dir_fd=fd), "w") as file:
            file.write(text)

    yield write
    # From below: what removes trees elsewhere calls itself for each level.
    for _ in range(DEPTH):
        for name in os.listdir(fd):
            os.unlink(name, dir_fd=fd)
        above = os.open("..", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = above
        os.rmdir(STEP, dir_fd=fd)
    os.close(fd)


def test_a_thousand_folders_deep(world: World, abyss: Callable[[str], None]) -> None:
    """Taken in, found, edited, moved with the folder at the top, and known again; then gone."""
    world.write("top.md", BODY.format("top"))
    abyss(BODY.format("bottom"))
    world.sync()
    world.drain()
    deep = "/".join([STEP.decode()] * DEPTH) + "/deep.md"
    assert len(deep) > 4_096
    before = world.doc_ids()
    assert set(before) == {"top.md", deep}
    assert world.found("bottom") == [f"ingestor:docs/{deep}"]
    abyss(BODY.format("abyss"))
    assert world.sync().counts.updated == 1
    assert world.found("abyss") == [f"ingestor:docs/{deep}"]
    world.drain()
    (world.root / STEP.decode()).rename(world.root / "moved")
    assert world.sync().counts.moved == 1
    assert world.doc_ids() == {"top.md": before["top.md"], deep.replace("folder", "moved", 1): before[deep]}
    assert world.drain()[0] == 0
    assert world.sync().counts.bytes_read == 0
    (world.root / "moved").rename(world.root / STEP.decode())
    world.healthy()


def test_a_folder_replaced_by_a_file_and_back(world: World) -> None:
    """What stood in the folder leaves, and comes back as what it was."""
    for n in range(20):
        world.write(f"{'abcde'[n % 5]}/d{n}.md", BODY.format(n))
    settle(world)
    world.drain()
    before = world.doc_ids()
    (world.root / "a").rename(world.root.parent / "a")
    world.write("a", BODY.format("a file now"))
    settle(world)
    assert set(world.doc_ids()) == {item for item in before if not item.startswith("a/")} | {"a"}
    (world.root / "a").unlink()
    (world.root.parent / "a").rename(world.root / "a")
    settle(world)
    assert world.doc_ids() == before
    assert world.drain()[0] <= 1  # the file's own sentence, if it was not embedded yet


def test_a_folder_replaced_by_a_link_to_itself_elsewhere(world: World) -> None:
    """A link to a folder is not followed, so what is reached only through it leaves."""
    for n in range(20):
        world.write(f"{'abcde'[n % 5]}/d{n}.md", BODY.format(n))
    settle(world)
    (world.root / "a").rename(world.root.parent / "a")
    (world.root / "a").symlink_to(world.root.parent / "a")
    settle(world)
    assert not [item for item in world.doc_ids() if item.startswith("a/")]


# -- while the service watches ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def watching(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A whole service that watches; each test adds a folder of its own."""
    with served(tmp_path_factory.mktemp("watching") / "state") as service:
        service.service.watch()
        yield service


@pytest.fixture
def name(watching: Served) -> Iterator[str]:
    """A source name; the source is removed at the end."""
    made = f"s{time.monotonic_ns()}"
    yield made
    with contextlib.suppress(Exception):
        watching.remove(made)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """While it is not set nobody reads the kernel's queue of events, and it overflows."""
    gate, read = threading.Event(), inotify_c.InotifyFD.read_events
    gate.set()

    def held(self: inotify_c.InotifyFD, **options: int) -> list[inotify_c.InotifyEvent]:
        gate.wait()
        return read(self, **options)

    monkeypatch.setattr(inotify_c.InotifyFD, "read_events", held)
    yield gate
    gate.set()


def fill(root: Path, count: int = 24) -> None:
    for n in range(count):
        path = root / f"f{n % 4}" / f"d{n}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(markdown(f"Document {n}", [n]))


def await_tree(service: Served, name: str) -> None:
    """Until what the ledger holds is what the source lists, and the two are equal to the last passage."""

    def same() -> bool:
        return set(service.documents(name)) == service.listed(name)

    service.until(same, "the documents of the tree")
    service.until_settled(name)
    service.until(lambda: service.differs(name) == "", f"equality: {service.differs(name)}")


def await_state(service: Served, name: str, state: str) -> None:
    service.until(lambda: service.state(name)[0] == state, f"the state {state}, not {service.state(name)}")


def hears(service: Served, name: str, path: Path, text: str) -> None:
    """An edit is found without any scan being asked for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"# Heard\n\nThe word of this edit is {text}.\n")
    service.until(lambda: service.search(text, "keyword").hits, f"the edit of {path}")


def test_a_flood_of_files(watching: Served, name: str, tmp_path: Path, gate: threading.Event) -> None:
    """Files whose events the kernel drops, every one: after the dust has settled all are there."""
    flood(watching, name, tmp_path, gate, 1_000)


@pytest.mark.long
@pytest.mark.timeout(3_600)
def test_a_flood_of_fifty_thousand_files(watching: Served, name: str, tmp_path: Path, gate: threading.Event) -> None:
    """The same with 50,000 files, created in seconds."""
    flood(watching, name, tmp_path, gate, 50_000)


def flood(service: Served, name: str, root: Path, gate: threading.Event, count: int) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if limit > 200_000:
        pytest.skip("this kernel's queue is too long to fill here")
    fill(root, 4)
    service.add(root, name)
    await_tree(service, name)
    gate.clear()
    # The queue is full before the first of them is made (some thousand more for a read under way): none is told.
    for n in range(2 * limit):
        os.utime(root / f"f{n % 2}/d{n % 2}.md", ns=(n, n))  # by turns: equal neighbours are one event
    began = time.monotonic()
    for n in range(count):
        folder = root / f"n{n % 50}"
        if n < 50:
            folder.mkdir()
        (folder / f"{n}.md").write_text(f"Number {n} of the flood.\n")
    took = time.monotonic() - began
    gate.set()
    began = time.monotonic()
    service.until(lambda: len(service.documents(name)) == count + 4, "the files of the flood", patience=3_000)
    service.until_settled(name)
    assert set(service.documents(name)) == service.listed(name)
    print(
        f"\n{count:,} files made in {took:.1f} s, queue of {limit:,} events; all there {time.monotonic() - began:.1f} s later"
    )
    hears(service, name, root / "n7/new.md", "zqafterfloodx")


@needs_mounts
def test_unmounted_while_watched(watching: Served, name: str, tmp_path: Path) -> None:
    """It is offline at once and loses nothing; mounted again it is heard again, and nothing is embedded."""
    kept, point = tmp_path / "kept", tmp_path / "point"
    fill(kept)
    point.mkdir()
    with share(kept, point):
        watching.add(point, name)
        await_tree(watching, name)
        before, embedded = watching.documents(name), watching.embedder.embedded
        unmount(point)
        await_state(watching, name, "offline")
        assert watching.documents(name) == before
        assert watching.search(word(3), "keyword").hits
        (point / "stranger.md").write_text(markdown("Stranger", [777]))  # in the folder beneath the mount
        await_supervision(watching, name)
        assert watching.documents(name) == before
        mount(kept, point)
        await_state(watching, name, "idle")
        await_tree(watching, name)
        assert (watching.documents(name), watching.embedder.embedded) == (before, embedded)
        hears(watching, name, point / "f1/new.md", "zqmountedagainx")


def await_supervision(service: Served, name: str) -> None:
    """Until the watcher in use is one that hears the folder that is there now, and its scan is over."""
    watch = service.service._watches[name]
    service.until(lambda: watch._watcher is not None and watch._watcher.alive(), "a new watcher")
    service.until_settled(name)


def test_replaced_by_an_empty_folder_while_watched(watching: Served, name: str, tmp_path: Path) -> None:
    """The new folder is not the source; when the old one is back all is as it was."""
    root = tmp_path / "root"
    fill(root)
    watching.add(root, name)
    await_tree(watching, name)
    before, embedded = watching.documents(name), watching.embedder.embedded
    root.rename(tmp_path / "aside")
    root.mkdir()
    await_state(watching, name, "offline")
    await_supervision(watching, name)
    assert watching.state(name)[0] == "offline"
    assert watching.documents(name) == before
    root.rmdir()
    (tmp_path / "aside").rename(root)
    await_state(watching, name, "idle")
    await_tree(watching, name)
    assert (watching.documents(name), watching.embedder.embedded) == (before, embedded)
    hears(watching, name, root / "f2/d2.md", "zqbackagainx")


def test_swapped_with_another_folder_while_watched(watching: Served, name: str, tmp_path: Path) -> None:
    """Somebody else's files at the same path are neither taken in nor a reason to delete ours."""
    root, other = tmp_path / "root", tmp_path / "other"
    fill(root)
    fill(other, 2)
    (other / "stranger.md").write_text(markdown("Stranger", [778]))
    watching.add(root, name)
    await_tree(watching, name)
    before = watching.documents(name)
    root.rename(tmp_path / "aside")
    other.rename(root)
    await_state(watching, name, "offline")
    await_supervision(watching, name)
    assert watching.documents(name) == before
    assert not [hit for hit in watching.search(word(778), "keyword").hits if hit.source == name]


def test_deleted_and_made_again_while_watched(watching: Served, name: str, tmp_path: Path) -> None:
    """While its files go one by one some deletions may be believed, the mass is not; made again with the same
    files it is the same source with the same documents, and nothing is embedded."""
    root, copy = tmp_path / "root", tmp_path / "copy"
    fill(root)
    watching.add(root, name)
    await_tree(watching, name)
    before, embedded = watching.documents(name), watching.embedder.embedded
    shutil.copytree(root, copy)
    shutil.rmtree(root)
    watching.until(lambda: watching.state(name)[0] in {"offline", "held"}, "the loss to be shown")
    assert len(watching.documents(name)) >= len(before) // 2
    shutil.copytree(copy, root)
    await_tree(watching, name)
    await_state(watching, name, "idle")
    assert (watching.documents(name), watching.embedder.embedded) == (before, embedded)
    hears(watching, name, root / "f3/new.md", "zqmadeagainx")


def test_a_dead_watcher_is_replaced(watching: Served, name: str, tmp_path: Path) -> None:
    """Its thread ends without a word: another takes its place, and what happened in between is found."""
    fill(tmp_path)
    watching.add(tmp_path, name)
    await_tree(watching, name)
    watch = watching.service._watches[name]
    dead = watch._watcher
    dead._watches.close()  # type: ignore[union-attr]
    (tmp_path / "f0/unheard.md").write_text(markdown("Unheard", [779]))
    watching.until(lambda: watching.search(word(779), "keyword").hits, "what was not heard")
    assert watch._watcher is not dead
    hears(watching, name, tmp_path / "f0/heard.md", "zqheardagainx")


def test_poisonous_names_while_watched(watching: Served, name: str, tmp_path: Path) -> None:
    """Names of every kind, special files, and a folder that becomes a file and back are heard, or ignored."""
    fill(tmp_path, 40)
    watching.add(tmp_path, name)
    await_tree(watching, name)
    for n, one in enumerate(NAMES):
        put(tmp_path, one, markdown("Named", [800 + n]))
    os.mkfifo(tmp_path / "f0/fifo.md")
    (tmp_path / "f0/loop").symlink_to(".")
    await_tree(watching, name)
    assert len(watching.documents(name)) == 40 + len(NAMES)
    before = watching.documents(name)
    (tmp_path / "f1/d1.md").rename(tmp_path / "f1/D1.md")
    (tmp_path / "f2").rename(tmp_path / "f9")
    (tmp_path / "f2").write_text("Not a document of any kind.\n")
    await_tree(watching, name)
    after = watching.documents(name)
    assert after["f1/D1.md"] == before["f1/d1.md"]
    assert after["f9/d2.md"] == before["f2/d2.md"]
    (tmp_path / "f2").unlink()
    (tmp_path / "f9").rename(tmp_path / "f2")
    await_tree(watching, name)
    assert watching.documents(name)["f2/d2.md"] == before["f2/d2.md"]
