"""Which source a folder is, what it is called, when it is scanned, and how a watcher is replaced."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.errors import SourceUnavailable
from ingestor.errors import UserError
from ingestor.ledger.sources import SourceRow
from ingestor.model import SourceState
from ingestor.service.folders import name_for, registered
from ingestor.service.schedule import Schedule, Timing
from ingestor.service.watching import Watch


def row(name: str, path: Path) -> SourceRow:
    return SourceRow(
        name=name,
        kind="files",
        settings={"path": str(path)},
        origin="registered",
        state=SourceState.IDLE,
        note="",
        paused=False,
        next_run=None,
    )


def test_a_folder_is_found_again_by_whatever_way_it_is_named(tmp_path: Path) -> None:
    """Through a link, with dots, with a slash at its end: one source."""
    docs = tmp_path / "docs"
    docs.mkdir()
    (tmp_path / "link").symlink_to(docs)
    rows = [row("docs", docs)]
    for path in (docs, tmp_path / "link", tmp_path / "x" / ".." / "docs", f"{docs}/"):
        found = registered(rows, str(path))
        assert found is not None
        assert found.name == "docs"
    assert registered(rows, str(tmp_path / "docs2")) is None


def test_overlapping_folders_are_refused_with_a_sentence(tmp_path: Path) -> None:
    """In both directions: every document would be there twice."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    with pytest.raises(UserError, match=r"inside the source 'a'.*sync a"):
        registered([row("a", tmp_path / "a")], str(tmp_path / "a" / "b"))
    with pytest.raises(UserError, match="there twice"):
        registered([row("b", tmp_path / "a" / "b")], str(tmp_path / "a"))


@pytest.mark.parametrize(
    ("folder", "taken", "name"),
    [
        ("handbook", set(), "handbook"),
        ("handbook", {"handbook"}, "handbook-2"),
        ("handbook", {"handbook", "handbook-2"}, "handbook-3"),
        ("my docs & more", set(), "my-docs-more"),
        ("...", set(), "folder"),
    ],
)
def test_a_source_is_named_after_its_folder(tmp_path: Path, folder: str, taken: set[str], name: str) -> None:
    """Made fit for a name, and unique."""
    path = tmp_path / folder
    path.mkdir()
    assert name_for(str(path), taken) == name


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_schedule_knows_its_next_turn_and_forgets_what_is_removed() -> None:
    """Intervals and cron expressions; nothing is stored anywhere."""
    schedule = Schedule()
    assert schedule.next_run("a") is None
    schedule.start()
    try:
        schedule.add("a", Timing(interval_s=300), lambda: None)
        schedule.add("b", Timing(cron="30 2 * * 1-5"), lambda: None)
        first = schedule.next_run("a")
        assert first is not None
        assert schedule.next_run("b") is not None
        schedule.add("a", Timing(interval_s=3600), lambda: None)
        second = schedule.next_run("a")
        assert second is not None
        assert second > first
        schedule.remove("a")
        schedule.remove("never added")
        assert schedule.next_run("a") is None
    finally:
        schedule.stop()
        schedule.stop()


class Watcher:
    def __init__(self) -> None:
        self.started = self.stopped = 0
        self.well = True
        self.refuses = False

    def start(self, emit: object) -> None:
        if self.refuses:
            raise SourceUnavailable("No watches are left.")
        self.started += 1

    def alive(self) -> bool:
        return self.well

    def stop(self) -> None:
        self.stopped += 1


class Source:
    name = "s"

    def __init__(self, *watchers: Watcher) -> None:
        self.watchers = list(watchers)

    def watcher(self) -> Watcher | None:
        return self.watchers.pop(0) if self.watchers else None


def watch(source: Source) -> tuple[Watch, list[str]]:
    scans: list[str] = []
    return Watch(source, hint=lambda _: None, scan=lambda: scans.append("scan")), scans  # type: ignore[arg-type]


def test_a_dead_watcher_is_replaced_and_the_gap_is_scanned() -> None:
    """R6: armed first, scanned after; a living one is left alone."""
    first, second = Watcher(), Watcher()
    kept, scans = watch(Source(first, second))
    assert kept.arm()
    kept.supervise(2.0)
    assert (second.started, scans) == (0, [])
    first.well = False
    kept.supervise(2.0)
    assert (first.stopped, second.started, scans) == (1, 1, ["scan"])


def test_a_watcher_that_cannot_be_armed_is_tried_again_later() -> None:
    """The schedule goes on meanwhile; the first success is followed by a scan."""
    refusing, good = Watcher(), Watcher()
    refusing.refuses = True
    kept, scans = watch(Source(refusing, good))
    assert not kept.arm()
    kept.supervise(1.0)
    assert good.started == 0
    kept.supervise(60.0)
    assert (good.started, scans) == (1, ["scan"])


def test_a_source_without_events_is_left_to_the_schedule() -> None:
    """A network share has none; nothing is tried again and again."""
    kept, scans = watch(Source())
    assert kept.arm()
    kept.supervise(100.0)
    assert scans == []


def test_a_closed_watch_stays_closed() -> None:
    """The supervisor's turn may come after the end."""
    only = Watcher()
    kept, _ = watch(Source(only, Watcher()))
    kept.arm()
    kept.close()
    kept.supervise(100.0)
    assert only.stopped == 1
