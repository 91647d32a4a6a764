"""The loop of a source: merging, giving way to hints, and what it says when a run fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from connectors.base import Scope
from ingestor.errors import LedgerError
from ingestor.model import Outcome, RunCounts, RunId, RunReport, SourceState, Tally, Trigger
from ingestor.service.pump import Account
from ingestor.service.requests import collapsed
from ingestor.service.runner import Runner, RunnerPulse

WAIT = 20.0  # seconds; a bound against hanging, not a measure


class Engine:
    """Runs are what the test says they are."""

    def __init__(self, pulse: RunnerPulse) -> None:
        self.pulse = pulse
        self.runs: list[tuple[Trigger, tuple[Scope, ...]]] = []
        self.script: Callable[[Engine, Trigger], Outcome] = lambda engine, trigger: Outcome.OK
        self.counts = RunCounts()

    def run(self, run_id: RunId, trigger: Trigger, scopes: tuple[Scope, ...], *, approve: object = None) -> RunReport:
        self.runs.append((trigger, scopes))
        outcome = self.script(self, trigger)
        return RunReport(
            run_id=run_id,
            source="s",
            trigger=trigger,
            scope=scopes[0],
            outcome=outcome,
            started_at=0.0,
            ended_at=1.0,
            counts=self.counts,
        )


class Pump:
    def __init__(self) -> None:
        self.done = self.good = True
        self.sentence = ""

    def kick(self) -> None:
        pass

    def settled(self) -> bool:
        return self.done

    def sound(self) -> bool:
        return self.good

    def trouble(self, lasting_s: float = 0.0) -> str:
        return self.sentence

    @contextmanager
    def account(self, source: str) -> Iterator[Account]:
        yield Account(embedded=7)


class Runs:
    def __init__(self) -> None:
        self.finished: list[RunReport] = []
        self.discarded: list[RunId] = []
        self.states: list[tuple[SourceState, str]] = []
        self.broken = False
        self.count = 0

    def start_run(self, source: str, trigger: Trigger, scope: Scope) -> RunId:
        if self.broken:
            raise LedgerError("The disk is full.")
        self.count += 1
        return RunId(f"run{self.count}")

    def finish_run(self, report: RunReport) -> None:
        self.finished.append(report)

    def discard(self, run: RunId) -> None:
        self.discarded.append(run)

    def set_state(self, source: str, state: SourceState, note: str = "") -> None:
        if self.broken:
            raise LedgerError("The disk is full.")
        self.states.append((state, note))


class Bench:
    def __init__(self) -> None:
        self.stop = threading.Event()
        self.pump, self.runs = Pump(), Runs()
        self.engine: Engine | None = None

        def make(pulse: RunnerPulse) -> Engine:
            self.engine = Engine(pulse)
            return self.engine

        self.runner = Runner(
            source=SimpleNamespace(name="s"),  # type: ignore[arg-type]
            make_engine=make,  # type: ignore[arg-type]
            runs=self.runs,
            discard=self.runs.discard,
            pump=self.pump,  # type: ignore[arg-type]
            stop=self.stop,
        )


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.stop.set()
    assert made.runner.join(WAIT)


def scopes(*names: str) -> list[Scope]:
    return [Scope(name) for name in names]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["a", "a"], ["a"]),
        (["a/b", "a"], ["a"]),
        (["a", "ab"], ["a", "ab"]),
        (["a", ""], [""]),
        ([f"f{n}" for n in range(200)], [""]),
    ],
)
def test_scopes_that_wait_together_are_few(given: list[str], kept: list[str]) -> None:
    """No repeats, nothing beneath another, and a storm is the whole."""
    assert collapsed(scopes(*given)) == scopes(*kept)


def test_requests_that_wait_are_one_run(bench: Bench) -> None:
    """Three scans asked for before the loop begins are one, and each who asked gets its report."""
    futures = [bench.runner.request(trigger) for trigger in (Trigger.SCHEDULE, Trigger.SYNC, Trigger.SCHEDULE)]
    bench.runner.start()
    reports = [future.result(WAIT) for future in futures]
    assert bench.engine is not None
    assert len(bench.engine.runs) == 1
    assert reports[0] is reports[1] is reports[2]
    assert reports[0].counts.embedded == 7


def test_a_run_that_somebody_waits_for_has_their_trigger(bench: Bench) -> None:
    """A backfill that finds a start-up scan waiting is a backfill."""
    bench.runner.ask(Trigger.STARTUP)
    future = bench.runner.request(Trigger.BACKFILL)
    bench.runner.start()
    assert future.result(WAIT).trigger is Trigger.BACKFILL


def test_who_waits_is_answered_when_the_index_is_known_to_be_sound(bench: Bench) -> None:
    """A run without work after an unclean end is not done before the index was probed."""
    bench.pump.good = False
    future = bench.runner.request(Trigger.BACKFILL)
    bench.runner.start()
    assert _until(lambda: bench.engine is not None and bool(bench.engine.runs))
    assert not future.done()
    bench.pump.good = True
    assert future.result(WAIT).outcome is Outcome.OK


def test_a_run_that_a_stop_came_before_is_suspended(bench: Bench) -> None:
    """Who waits for it is told so, and not that something failed."""
    bench.stop.set()
    future = bench.runner.request(Trigger.SYNC)
    bench.runner.start()
    report = future.result(WAIT)
    assert (report.outcome, report.counts.added) == (Outcome.SUSPENDED, 0)


def test_the_hints_of_a_move_are_one_run(bench: Bench) -> None:
    """They come one after the other, and identity needs both listings together (R11)."""
    bench.runner.start()
    bench.runner.hint(Scope("from"))
    bench.runner.hint(Scope("to"))
    assert bench.engine is not None
    assert _until(lambda: bool(bench.runs.discarded or bench.runs.finished))
    assert bench.engine.runs == [(Trigger.WATCH, (Scope("to"), Scope("from")))]


def test_a_hint_that_led_to_nothing_leaves_no_trace(bench: Bench) -> None:
    """Else a file that is touched every second would fill the list of runs."""
    bench.runner.start()
    bench.runner.hint(Scope("a"))
    assert _until(lambda: bool(bench.runs.discarded))
    assert bench.runs.finished == []


def test_a_scan_gives_way_to_a_hint_and_goes_on(bench: Bench) -> None:
    """The saved file is served first; the scan's report covers all of its passes."""
    assert bench.engine is not None

    def script(engine: Engine, trigger: Trigger) -> Outcome:
        if trigger is Trigger.WATCH:
            return Outcome.OK
        if len(engine.runs) > 1:
            engine.counts = RunCounts(added=2, unchanged=3)
            return Outcome.OK
        engine.counts = RunCounts(added=3)
        bench.runner.hint(Scope("saved.md"))
        assert _until(engine.pulse.stopping)
        return Outcome.SUSPENDED

    bench.engine.script = script
    bench.runner.start()
    report = bench.runner.request(Trigger.SYNC).result(WAIT)
    assert [trigger for trigger, _ in bench.engine.runs] == [Trigger.SYNC, Trigger.WATCH, Trigger.SYNC]
    assert report.outcome is Outcome.OK
    assert (report.counts.added, report.counts.unchanged) == (5, 0)


def test_a_full_disk_ends_neither_the_loop_nor_those_who_wait(bench: Bench) -> None:
    """The error reaches who asked, and the next request is served when there is space again."""
    bench.runner.start()
    bench.runs.broken = True
    with pytest.raises(LedgerError, match="full"):
        bench.runner.request(Trigger.SYNC).result(WAIT)
    bench.runs.broken = False
    assert bench.runner.request(Trigger.SYNC).result(WAIT).outcome is Outcome.OK


def test_a_bug_in_a_run_does_not_end_the_loop(bench: Bench) -> None:
    """It is told, the source is marked, and the next run is tried."""
    assert bench.engine is not None

    def script(engine: Engine, trigger: Trigger) -> Outcome:
        if len(engine.runs) == 1:
            raise ZeroDivisionError("a bug")
        return Outcome.OK

    bench.engine.script = script
    bench.runner.start()
    with pytest.raises(ZeroDivisionError):
        bench.runner.request(Trigger.SYNC).result(WAIT)
    assert bench.runs.states[-1][0] is SourceState.FAILED
    assert [report.outcome for report in bench.runs.finished] == [Outcome.FAILED]
    assert bench.runner.request(Trigger.SYNC).result(WAIT).outcome is Outcome.OK


def test_an_index_in_trouble_does_not_hold_a_run_for_ever(bench: Bench) -> None:
    """The documents are in the ledger; the rest is caught up later."""
    bench.pump.done, bench.pump.sentence = False, "The index is away."
    bench.runner.start()
    assert bench.runner.request(Trigger.SYNC).result(WAIT).outcome is Outcome.OK


def test_a_stop_before_the_index_has_followed_is_a_suspension(bench: Bench) -> None:
    """Whoever waits learns that work is left."""
    bench.pump.done = False
    bench.runner.start()
    future = bench.runner.request(Trigger.SYNC)
    assert _until(lambda: bench.engine is not None and bool(bench.engine.runs))
    bench.stop.set()
    assert future.result(WAIT).outcome is Outcome.SUSPENDED


def test_a_closed_loop_refuses(bench: Bench) -> None:
    """Nobody waits for a run that will never be."""
    bench.runner.start()
    assert bench.runner.end(WAIT)
    with pytest.raises(LedgerError, match="closed"):
        bench.runner.request(Trigger.SYNC).result(WAIT)


def test_progress_reaches_who_watches(bench: Bench) -> None:
    """The stage and the counts of the run that was asked for."""
    assert bench.engine is not None
    seen: list[tuple[str, int]] = []

    def script(engine: Engine, trigger: Trigger) -> Outcome:
        engine.pulse.progress("content", Tally(added=3))
        return Outcome.OK

    bench.engine.script = script
    bench.runner.start()
    bench.runner.request(Trigger.SYNC, watch=lambda stage, tally: seen.append((stage, tally.added))).result(WAIT)
    assert ("content", 3) in seen


def _until(condition: Callable[[], bool]) -> bool:
    clock = threading.Event()
    for _ in range(int(WAIT / 0.01)):
        if condition():
            return True
        clock.wait(0.01)
    return False
