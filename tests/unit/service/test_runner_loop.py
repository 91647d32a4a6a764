"""The loop of one source: it outlives a ledger that cannot be written, and a storm of hints."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from connectors.base import WHOLE, Change, Checkpoint, Scope
from connectors.memory import MemorySource
from ingestor.chunking.cutter import SemanticCutter
from ingestor.errors import LedgerError
from ingestor.ledger.ledger import Ledger
from ingestor.model import Outcome, RunId, RunReport, SourceState, Trigger
from ingestor.parsing.pool import InlineParser
from ingestor.service import runner as module
from ingestor.service.pump import Account
from ingestor.service.runner import Runner
from ingestor.sync.engine import SyncEngine


class SettledPump:
    """Everything is embedded and written at once."""

    @contextmanager
    def account(self, _source: str) -> Iterator[Account]:
        yield Account()

    def kick(self) -> None: ...

    def settled(self) -> bool:
        return True

    def sound(self) -> bool:
        return True

    def trouble(self, _lasting_s: float = 0.0) -> str:
        return ""


class FullDisk:
    """Runs that cannot be written down until there is room again."""

    def __init__(self, inner: Ledger) -> None:
        self.inner = inner
        self.full = True

    def _check(self) -> None:
        if self.full:
            raise LedgerError("The disk is full.")

    def start_run(self, source: str, trigger: Trigger, scope: Scope) -> RunId:
        self._check()
        return self.inner.runs.start_run(source, trigger, scope)

    def finish_run(self, report: RunReport) -> None:
        self._check()
        self.inner.runs.finish_run(report)

    def set_state(self, source: str, state: SourceState, note: str = "") -> None:
        self._check()
        self.inner.runs.set_state(source, state, note)


class SlowSource(MemorySource):
    """Its whole listing takes several times as long as a scan is left undisturbed at first."""

    def list(self, scope: Scope, cursor: str | None) -> Iterator[Change | Checkpoint]:
        for change in super().list(scope, cursor):
            if scope == WHOLE:
                time.sleep(0.02)
            yield change


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path)
    made.sources.put("memory", "files", {}, "registered")
    yield made
    made.close()


@pytest.fixture
def started(ledger: Ledger) -> Iterator[Callable[..., Runner]]:
    stop, made = threading.Event(), list[Runner]()

    def start(source: MemorySource, runs: object | None = None) -> Runner:
        runner = Runner(
            source=source,
            make_engine=lambda pulse: SyncEngine(
                source=source, ledger=ledger.sync, parser=InlineParser(), cutter=SemanticCutter(), pulse=pulse
            ),
            runs=runs or ledger.runs,  # type: ignore[arg-type]  # a double of the port
            discard=ledger.runs.discard_run,
            pump=SettledPump(),  # type: ignore[arg-type]  # as much of a pump as a runner sees
            stop=stop,
        )
        runner.start()
        made.append(runner)
        return runner

    yield start
    stop.set()
    assert all(runner.join(10) for runner in made)


def test_a_full_disk_ends_neither_the_loop_nor_the_waiting(ledger: Ledger, started: Callable[..., Runner]) -> None:
    """Not even the failure can be written down; whoever waits gets the error, and the next run goes well."""
    source, runs = MemorySource(), FullDisk(ledger)
    source.put("a", "Flamingos are pink and stand on one leg for most of the day.\n")
    runner = started(source, runs)
    with pytest.raises(LedgerError, match="full"):
        runner.request(Trigger.SYNC).result(timeout=10)
    runs.full = False
    assert runner.request(Trigger.SYNC).result(timeout=10).counts.added == 1


def test_r6_a_scan_comes_to_its_end_however_often_something_changes(
    ledger: Ledger, started: Callable[..., Runner], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A listing longer than the time between two hints is left alone for longer each time it was in vain."""
    monkeypatch.setattr(module, "_YIELD_AFTER_S", 0.1)
    source = SlowSource()
    for n in range(40):
        source.put(f"a/{n}", f"Document number {n} says something of its own, and says it at length.\n")
    runner = started(source)
    scan = runner.request(Trigger.STARTUP)
    hinting = threading.Event()

    def storm() -> None:
        while not hinting.wait(0.01):
            runner.hint(Scope("b"))

    thread = threading.Thread(target=storm)
    thread.start()
    try:
        report = scan.result(timeout=40)
    finally:
        hinting.set()
        thread.join()
    assert (report.outcome, report.counts.added) == (Outcome.OK, 40)


def test_hints_that_wait_are_one_request_without_anybody_waiting(
    ledger: Ledger, started: Callable[..., Runner]
) -> None:
    """A million hints during a long run cost no more memory than one."""
    source = MemorySource()
    runner = Runner(
        source=source,
        make_engine=lambda pulse: None,  # type: ignore[arg-type, return-value]  # never started
        runs=ledger.runs,
        discard=ledger.runs.discard_run,
        pump=SettledPump(),  # type: ignore[arg-type]  # as much of a pump as a runner sees
        stop=threading.Event(),
    )
    for n in range(500):
        runner.hint(Scope(f"folder/{n}"))
    (waiting,) = runner._waiting.take_all()
    assert (waiting.scopes, waiting.waiters) == ([WHOLE], [])
