"""Six ways to lose a share: nothing is deleted, the loss is shown, and what comes back costs no embedding.

Real mounts and real permissions; only the input error is injected, where the connector calls the system.
The whole service runs, Chroma included, with the stub embedder: what is proven is how often it is called.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from connectors.files import scan, tree
from tests.support.faults_corpus import markdown, word
from tests.support.faults_report import write_report
from tests.support.mounts import can_mount, mount, mount_memory, share, unmount
from tests.support.nobody import AsNobody
from tests.support.served import EMBEDDER, Served, served

FOLDERS, FILES = 4, 24
SHORT, LONG = 2, 20

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not can_mount(), reason="mounting needs the superuser"),
]


@dataclass(frozen=True, kw_only=True)
class Place:
    """``folder`` is what the server keeps, ``share`` where it is seen."""

    folder: Path
    share: Path

    def aside(self) -> Path:
        return self.folder.parent / "aside"


# -- the ways: each loses the share within its context, and brings it back at its end -----------------------


@contextmanager
def unmounted(place: Place, _: int) -> Iterator[None]:
    unmount(place.share)
    yield
    mount(place.folder, place.share)


@contextmanager
def emptied(place: Place, number: int) -> Iterator[None]:
    """The mount stays, and shows nothing: by turns another folder of the server, and the same one cleared."""
    if number % 2:
        place.aside().mkdir()
        unmount(place.share)
        mount(place.aside(), place.share)
        yield
        unmount(place.share)
        place.aside().rmdir()
        mount(place.folder, place.share)
        return
    place.aside().mkdir()
    for path in place.folder.iterdir():
        path.rename(place.aside() / path.name)
    yield
    for path in place.aside().iterdir():
        path.rename(place.folder / path.name)
    place.aside().rmdir()


@contextmanager
def failing(place: Place, number: int) -> Iterator[None]:
    """Every reading of a folder gives EIO: by turns also the opening, or from the middle of the listing on."""
    calls, real_scan, real_open = 0, os.scandir, os.open

    def broken() -> bool:
        nonlocal calls
        calls += 1
        return calls > (0, 0, 3)[number % 3]

    def scandir(target: object = ".") -> object:
        if isinstance(target, int) and broken():
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real_scan(target)  # type: ignore[call-overload]

    def open_(path: object, flags: int, *rest: object, **more: object) -> int:
        if flags & os.O_DIRECTORY and number % 3 == 1 and broken():
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real_open(path, flags, *rest, **more)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan.os, "scandir", scandir)
        patch.setattr(tree.os, "open", open_)
        yield


@contextmanager
def forbidden(place: Place, number: int) -> Iterator[None]:
    """One folder loses its read bits, or its execute bits."""
    folder = place.folder / f"f{number % FOLDERS}"
    folder.chmod(0o000 if number % 2 else 0o644)
    yield
    folder.chmod(0o755)


@contextmanager
def half_vanished(place: Place, number: int) -> Iterator[None]:
    """Most of the folders are gone, without any error."""
    place.aside().mkdir()
    gone = [f"f{(number + n) % FOLDERS}" for n in range(FOLDERS - 1)]
    for name in gone:
        (place.folder / name).rename(place.aside() / name)
    yield
    for name in gone:
        (place.aside() / name).rename(place.folder / name)
    place.aside().rmdir()


@contextmanager
def other_device(place: Place, number: int) -> Iterator[None]:
    """Another file system at the same place: by turns empty, with a stranger's file, with some of ours."""
    mount_memory(place.share)
    if number % 3 == 1:
        (place.share / "stranger.md").write_text(markdown("Stranger", [9_000]))
    elif number % 3 == 2:
        shutil.copytree(place.folder / "f0", place.share / "f0")
    yield
    unmount(place.share)


FORBIDDEN = "one folder without permission"
WAYS: dict[str, tuple[Callable[[Place, int], object], set[str]]] = {
    "unmounted": (unmounted, {"offline"}),
    "empty folder in place": (emptied, {"offline", "held"}),
    "EIO": (failing, {"offline"}),
    # One folder is not the share: the rest of it goes on, and the note names the folder.
    FORBIDDEN: (forbidden, {"idle"}),
    "half vanished": (half_vanished, {"held"}),
    "other device mounted": (other_device, {"offline"}),
}


# -- a campaign ---------------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class Counts:
    """What ``runs`` losses of one kind did."""

    way: str
    runs: int = 0
    deleted: int = 0
    missing: int = 0
    not_found: int = 0
    taken_in: int = 0
    embedded: int = 0
    states: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def campaign(way: str, runs: int, base: Path) -> Counts:
    """Lose and find the share again, ``runs`` times over one service and one state."""
    lose, _ = WAYS[way]
    place, counts = Place(folder=base / "server/share", share=base / "share"), Counts(way=way)
    with served(base / "state", source=AsNobody if way == FORBIDDEN else None) as service:
        service.add(place.share, "share")
        first = service.sync("share")
        assert first.outcome == "ok", first
        before, passages = service.documents("share"), service.passages("share")
        assert len(before) == FILES
        embedded = service.embedder.embedded
        for number in range(runs):
            with lose(place, number):  # type: ignore[attr-defined]
                lost(service, counts, before)
            back = service.sync("share")
            assert (back.outcome, service.state("share")[0]) == ("ok", "idle"), back
            assert service.documents("share") == before
            assert service.passages("share") == passages
            counts.runs += 1
        counts.embedded = service.embedder.embedded - embedded
        reply = service.verify()
        assert reply.ok, reply
    return counts


def lost(service: Served, counts: Counts, before: dict[str, str]) -> None:
    """Two runs while the share is lost, as a schedule would make them."""
    for _ in range(2):
        report = service.sync("share")
        state, note = service.state("share")
        counts.deleted += report.counts.deleted
        counts.taken_in += report.counts.added
        counts.states[state] = counts.states.get(state, 0) + 1
        counts.notes.append(note)
    counts.missing += len(before.keys() - service.documents("share").keys())
    found = {hit.uri.rpartition("/")[2] for n in range(FILES) for hit in service.search(word(n), "keyword", top=1).hits}
    counts.not_found += FILES - len(found)


def made(base: Path) -> None:
    """The share on its server, for everybody to read."""
    base.chmod(0o755)
    for number in range(FILES):
        path = base / f"server/share/f{number % FOLDERS}/d{number}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(markdown(f"Document {number}", [number, 100 + number]))
    (base / "share").mkdir()


def play(way: str, runs: int) -> Counts:
    base = Path(tempfile.mkdtemp(prefix="lost-share-"))
    try:
        made(base)
        with share(base / "server/share", base / "share"):
            return campaign(way, runs, base)
    finally:
        shutil.rmtree(base)


def check(counts: Counts, runs: int) -> None:
    _, states = WAYS[counts.way]
    assert counts.runs == runs
    assert (counts.deleted, counts.missing, counts.not_found) == (0, 0, 0), counts
    assert counts.taken_in == 0, counts  # nothing of what stood in its place
    assert counts.embedded == 0, counts
    assert set(counts.states) <= states, counts
    assert all(counts.notes), counts
    if counts.way == FORBIDDEN:
        assert all(note.startswith("Could not look into f") for note in counts.notes), counts


def table(rows: list[Counts]) -> list[str]:
    head = [
        "| way | losses | deletions | state shown | documents not found meanwhile | embedded after |",
        "|---|---|---|---|---|---|",
    ]
    return head + [
        f"| {row.way} | {row.runs} | {row.deleted} | {shown(row)} | {row.not_found} | {row.embedded} |" for row in rows
    ]


def shown(row: Counts) -> str:
    """The states; where the source as such is well, its note has to say what is not."""
    return ", ".join("idle, the note names the folder" if one == "idle" else one for one in sorted(row.states))


@pytest.mark.parametrize("way", WAYS)
def test_a_lost_share_loses_nothing(way: str) -> None:
    """No document goes, search finds them all meanwhile, the state says so, and recovery embeds nothing."""
    counts = play(way, SHORT)
    print(f"\n{EMBEDDER}", *table([counts]), f"shown: {counts.notes[0]}", sep="\n")
    check(counts, SHORT)


@pytest.mark.long
@pytest.mark.timeout(3_600)
def test_six_ways_twenty_times() -> None:
    """The same, 20 losses of each kind."""
    rows = [play(way, LONG) for way in WAYS]
    lines = [f"{len(rows)} ways, {LONG} losses each, two runs of the service in each; {EMBEDDER}.", "", *table(rows)]
    for row in rows:
        check(row, LONG)
    write_report("lost_share.md", "Losing a share", lines)
