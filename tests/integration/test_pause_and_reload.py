"""Sources paused, resumed, added, changed and taken from the configuration while the service runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ingestor import wire, wire_service
from ingestor.errors import ConfigError, UnknownId
from ingestor.model import Outcome, Trigger
from ingestor.service.operations import ServiceOperations
from tests.support.served import Served

TABLE = '[[source]]\nname = "{name}"\nkind = "files"\npath = "{path}"\npermissions = ["public"]\n'


class Desk:
    """A watching service, its configuration file and two folders."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.config = base / "state.toml"
        for name in ("one", "two"):
            (base / name).mkdir()
            self.write(name, "first.md", f"The {name} folder has a zebra.")
            self.write(name, "stays.md", "What is left when the other one goes: an empty listing would be held.")
        self.served = self.start(self.table("one"))

    def start(self, settings: str) -> Served:
        self.served = Served(self.base / "state", settings=settings)
        self.served.service.watch()
        return self.served

    def table(self, name: str, more: str = "") -> str:
        return TABLE.format(name=name, path=self.base / name) + more

    def write(self, folder: str, name: str, text: str) -> None:
        (self.base / folder / name).write_text(f"# {name}\n\n{text}\n")

    def found(self, word: str) -> set[str]:
        """The sources that have the word."""
        return {hit.source for hit in self.served.search(word, "keyword").hits if word in hit.text}

    def until_found(self, word: str, *sources: str) -> None:
        self.served.until(lambda: self.found(word) == set(sources), f"{word!r} to be found in {sources}")

    def pause(self, *names: str) -> wire_service.PausedReply:
        return self.served.operations.pause(wire_service.PauseRequest(sources=names))

    def resume(self, *names: str) -> wire_service.PausedReply:
        return self.served.operations.resume(wire_service.PauseRequest(sources=names))

    def reload(self, settings: str) -> wire_service.ReloadReply:
        self.config.write_text(settings)
        return self.served.operations.reload(wire_service.ReloadRequest())

    def next_run(self, name: str) -> float | None:
        return next(row for row in self.served.ledger.sources.all() if row.name == name).next_run

    def origin(self, name: str) -> str:
        return next(row for row in self.served.ledger.sources.all() if row.name == name).origin


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.served.close()


def test_a_paused_source_is_left_alone_until_it_is_resumed(desk: Desk) -> None:
    """Neither watcher nor schedule nor a `sync` of all looks at it; what it holds stays searchable; then it catches
    up by itself. A `sync` that names it still looks once."""
    desk.until_found("zebra", "one")
    assert desk.next_run("one") is not None
    (paused,) = desk.pause("one").sources
    assert (paused.changed, paused.next_run) == (True, None)
    assert desk.next_run("one") is None
    desk.write("one", "second.md", "A giraffe came in.")
    assert desk.served.operations.sync(wire.SyncRequest(), lambda _: None).runs == ()
    assert desk.served.operations.backfill(wire.BackfillRequest(), lambda _: None).runs == ()
    time.sleep(1.0)  # a watcher would have told of it in a third of that
    assert (desk.found("zebra"), desk.found("giraffe")) == ({"one"}, set())
    (run,) = desk.served.operations.sync(wire.SyncRequest(sources=("one",)), lambda _: None).runs
    assert (run.outcome, desk.found("giraffe")) == ("ok", {"one"})
    desk.write("one", "third.md", "An okapi came in.")
    (resumed,) = desk.resume("one").sources
    assert resumed.next_run is not None
    desk.until_found("okapi", "one")
    desk.write("one", "fourth.md", "A lemur came in.")
    desk.until_found("lemur", "one")


def test_a_pause_survives_a_restart(desk: Desk) -> None:
    """The next start neither watches nor scans it, and its state is `paused`."""
    desk.until_found("zebra", "one")
    desk.pause("one")
    desk.served.close()
    desk.write("one", "second.md", "A giraffe came in.")
    desk.start(desk.table("one"))
    time.sleep(1.0)
    assert desk.found("giraffe") == set()
    assert desk.next_run("one") is None
    desk.resume("one")
    desk.until_found("giraffe", "one")


def test_a_pause_suspends_what_runs_and_no_two_loops_of_a_source_overlap(desk: Desk) -> None:
    """A run that is in a call which does not return is left behind; the next loop of the source waits for it."""
    desk.until_found("zebra", "one")
    runner = desk.served.service.runner("one")
    held, goes_on, overlap = threading.Event(), threading.Event(), []
    source, identity = runner.source, runner.source.identity

    def stuck() -> str:
        held.set()
        goes_on.wait(30)
        return identity()

    source.identity = stuck  # type: ignore[method-assign]
    first = runner.request(Trigger.SYNC)
    assert held.wait(30)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ingestor.service.core.GRACE_S", 0.2)
        desk.pause("one")
    desk.resume("one")
    second = desk.served.service.runner("one")
    assert second is not runner
    waiting = second.request(Trigger.SYNC)
    waiting.add_done_callback(lambda _: overlap.append(first.done()))
    time.sleep(0.5)
    assert not waiting.done()
    goes_on.set()
    assert first.result(30).outcome is Outcome.SUSPENDED
    assert waiting.result(30).outcome is Outcome.OK
    assert overlap == [True]


def test_to_pause_one_source_leaves_the_others_of_the_same_sync(desk: Desk) -> None:
    """Its run is suspended, and the next one is done."""
    desk.until_found("zebra", "one")
    desk.served.add(desk.base / "two", "two")
    desk.until_found("zebra", "one", "two")
    source = desk.served.source("one")
    held, goes_on, identity = threading.Event(), threading.Event(), source.identity

    def slow() -> str:
        held.set()
        goes_on.wait(30)
        return identity()

    source.identity = slow  # type: ignore[method-assign]
    with ThreadPoolExecutor(1) as pool:
        sync = pool.submit(desk.served.operations.sync, wire.SyncRequest(sources=("one", "two")), lambda _: None)
        assert held.wait(30)
        threading.Timer(0.3, goes_on.set).start()
        desk.pause("one")
        assert [(run.source, run.outcome) for run in sync.result(60).runs] == [("one", "suspended"), ("two", "ok")]


def test_an_unknown_name_pauses_nothing(desk: Desk) -> None:
    """All of the names or none."""
    with pytest.raises(UnknownId):
        desk.pause("one", "three")
    assert [row.paused for row in desk.served.ledger.sources.all()] == [False]


def test_a_reload_adds_changes_and_leaves_sources(desk: Desk) -> None:
    """A new table is scanned and watched at once, a changed one is looked at by its new rules, one that is gone stays
    as a registered source that is still watched. Keys that need a restart are named."""
    desk.until_found("zebra", "one")
    reply = desk.reload(desk.table("one") + desk.table("two"))
    assert reply == wire_service.ReloadReply(added=("two",))
    desk.until_found("zebra", "one", "two")
    desk.write("two", "second.md", "A giraffe came in.")
    desk.until_found("giraffe", "two")

    reply = desk.reload(desk.table("one", 'exclude = ["first.md"]\n') + desk.table("two"))
    assert reply == wire_service.ReloadReply(changed=("one",))
    desk.until_found("zebra", "two")

    reply = desk.reload("[parsing]\ntimeout_s = 7\n" + desk.table("two"))
    assert reply == wire_service.ReloadReply(left=("one",), restart=("parsing.timeout_s",))
    assert desk.origin("one") == "registered"
    desk.write("one", "second.md", "An okapi came in.")
    desk.until_found("okapi", "one")


def test_a_reload_changes_a_schedule_without_a_scan(desk: Desk) -> None:
    """The next run is by the new schedule; the source's loop goes on as it was."""
    desk.until_found("zebra", "one")
    runner = desk.served.service.runner("one")
    assert desk.reload(desk.table("one", 'schedule = "10h"\n')).changed == ("one",)
    following = desk.next_run("one")
    assert following is not None
    assert following - time.time() > 9 * 3600
    assert desk.served.service.runner("one") is runner


def test_a_paused_source_stays_paused_over_a_reload(desk: Desk) -> None:
    """New rules wait in the ledger until it is resumed."""
    desk.until_found("zebra", "one")
    desk.pause("one")
    assert desk.reload(desk.table("one", 'exclude = ["first.md"]\n')).changed == ("one",)
    time.sleep(0.5)
    assert desk.found("zebra") == {"one"}
    desk.resume("one")
    desk.until_found("zebra")


def test_a_broken_configuration_is_refused_whole(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """Every problem is named, in the answer and in the log; no source of it is taken and the old one goes on."""
    desk.until_found("zebra", "one")
    broken = desk.table("two") + '[[source]]\nname = "odd"\nkind = "no such kind"\n[indexx]\n[log]\nlevel = "debugg"\n'
    with pytest.raises(ConfigError) as refused:
        desk.reload(broken)
    assert len(refused.value.problems) == 3
    assert "configuration_refused" in capsys.readouterr().err
    with pytest.raises(ConfigError):
        desk.config.unlink()
        desk.served.operations.reload(wire_service.ReloadRequest())
    assert [(row.name, row.origin) for row in desk.served.ledger.sources.all()] == [("one", "configured")]
    desk.write("one", "second.md", "A giraffe came in.")
    desk.until_found("giraffe", "one")


def test_a_folder_that_a_command_registered_is_not_taken_twice(desk: Desk) -> None:
    """The refusal comes before anything was recorded, also of the tables that are fine."""
    desk.served.add(desk.base / "two", "mine")
    (desk.base / "three").mkdir()
    with pytest.raises(ConfigError, match="is the source 'mine' already"):
        desk.reload(desk.table("one") + desk.table("three") + desk.table("two"))
    assert {row.name for row in desk.served.ledger.sources.all()} == {"one", "mine"}


def test_a_command_that_holds_the_state_folder_reloads_nothing(desk: Desk) -> None:
    """It ends by itself, and the next start reads the file."""
    with pytest.raises(Exception, match="No service runs here"):
        ServiceOperations(desk.served.service).reload(wire_service.ReloadRequest())
