"""One loop per source: takes requests, runs the engine, sets the source's state. Nobody else does either.

A scan of a large source may take hours; an edit must not wait for it. So a hint that arrives during a
scan suspends the scan at its next safe point, is served, and the scan goes on: what it had committed is
unchanged now and costs a comparison each.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace

from connectors.base import WHOLE, Scope, Source
from ingestor import log
from ingestor.errors import IngestorError, LedgerError
from ingestor.model import Outcome, Plan, RunCounts, RunId, RunReport, SourceState, Tally, Trigger
from ingestor.ports import RunLedger
from ingestor.service.life import Life
from ingestor.service.pump import Pump
from ingestor.service.replies import canonical, run_reply
from ingestor.service.requests import Request, Requests, Watch
from ingestor.space import NoSpace
from ingestor.sync.engine import SyncEngine

_YIELD_AFTER_S = 1.0  # a scan runs at least so long before a hint may interrupt it; twice as long each time in vain
_SETTLE_LOOK_S = 0.05
_WELL = frozenset({Outcome.OK, Outcome.PARTIAL})
_UNFINISHED = "All documents are found by their words; the rest of the work is done by the next run."
_GATHER_S = 0.02  # the two hints of a move come one after the other, and identity needs both in one run (R11)

_ROOM_LEAST_S, _ROOM_MOST_S = 5.0, 60.0  # between two tries of a run that met a full disk

PATIENCE_S = 20.0
"""How long a run waits for an index or a model that cannot be used just now: a restarted server, a host that
crashed and is probed. Longer outages are caught up without it."""

_log = log.get()


class Runner:
    """The loop of one source. ``request`` may be called from any thread."""

    def __init__(
        self,
        *,
        source: Source,
        make_engine: Callable[[RunnerPulse], SyncEngine],
        runs: RunLedger,
        discard: Callable[[RunId], None],
        pump: Pump,
        stop: threading.Event,
        has_room: Callable[[], bool] = lambda: True,
        after: Runner | None = None,
        life: Life | None = None,
    ) -> None:
        """``has_room``: whether the disk of the state folder takes more. ``after``: an earlier loop of this source,
        which this one waits for."""
        self.source = source
        self._runs = runs
        self._discard = discard
        self._pump = pump
        self._stop = stop
        self._has_room = has_room
        self._after_that = after
        self._life = life or Life()
        self._name = f"source-{source.name}"
        self._postponed: list[Request] = []
        self._leaving = threading.Event()
        self._wake = threading.Condition()
        self._waiting = Requests()
        self._current: Request | None = None
        self._ended = False
        self._pulse = RunnerPulse(self)
        self._engine = make_engine(self._pulse)
        self._thread = threading.Thread(target=self._loop, name=self._name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def request(
        self,
        trigger: Trigger,
        scopes: Sequence[Scope] = (WHOLE,),
        *,
        approve: Plan | None = None,
        watch: Watch | None = None,
    ) -> Future[RunReport]:
        """Ask for a run; the future has its report when its documents are searchable, or the error that
        ended it. Hints that wait are one run; a scan of the whole takes them with it."""
        future: Future[RunReport] = Future()
        request = Request(trigger=trigger, scopes=list(scopes), approve=approve, waiters=[future])
        request.request_id = log.bound_now("request_id")
        if watch is not None:
            request.watches.append(watch)
        if not self._put(request):
            future.set_exception(LedgerError(f"The source {self.source.name} is being closed."))
        return future

    def ask(self, trigger: Trigger) -> None:
        """Ask for a whole run that nobody waits for."""
        self._put(Request(trigger=trigger, scopes=[WHOLE]))

    def hint(self, scope: Scope) -> None:
        """Something under ``scope`` may have changed; nobody waits for the answer."""
        # Without a future: a storm of hints during a long run would pile them up by the million.
        self._put(Request(trigger=Trigger.WATCH, scopes=[scope]))

    def progress(self) -> tuple[str, Tally]:
        """Stage and counts of the run at hand; between two runs those of the last one."""
        return self._pulse.stage, self._pulse.tally

    def end(self, timeout: float) -> bool:
        """Suspend what runs and end this loop alone. True when it ended."""
        self._leaving.set()
        return self.join(timeout)

    def stopping(self) -> bool:
        """Asked at every safe point, by this loop alone: so it is its sign of life, too."""
        self._life.sign(self._name)
        return self._stop.is_set() or self._leaving.is_set()

    def join(self, timeout: float) -> bool:
        """After ``stop`` was set: wait for the loop's end. True when it ended."""
        with self._wake:
            self._wake.notify_all()
        if self._thread.ident is None:
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    # -- the queue ---------------------------------------------------------------------------------

    def hints_wait(self) -> bool:
        return self._waiting.hints()

    def _put(self, request: Request) -> bool:
        """False when the loop has ended and nobody will take it."""
        with self._wake:
            if not self._ended:
                self._waiting.put(request)
                self._wake.notify_all()
            return not self._ended

    def _take(self, *, hints_only: bool = False) -> Request | None:
        with self._wake:
            return self._waiting.take(hints_only=hints_only)

    # -- the loop ----------------------------------------------------------------------------------

    def _loop(self) -> None:
        while self._after_that is not None and not self._stop.is_set() and not self._after_that.join(1.0):
            pass  # two loops of one source would both decide what it holds
        self._after_that = None
        while True:
            with self._wake:
                while not self._waiting and not self.stopping():
                    self._wake.wait(1.0)
                if self.stopping():
                    break
            if self.hints_wait():
                self._leaving.wait(_GATHER_S)
            request = self._take()
            if request is not None:
                self._serve(request)
            if self._postponed:
                self._await_room()
        with self._wake:
            self._ended = True
            left = self._waiting.take_all()
        self._life.ended(self._name)
        for request in left:
            request.resolve(report=self._not_begun(request))

    def _not_begun(self, request: Request) -> RunReport:
        """For those who wait for a run that a stop came before."""
        now = time.time()
        return RunReport(
            run_id=RunId(""),
            source=self.source.name,
            trigger=request.trigger,
            scope=request.scopes[0] if len(request.scopes) == 1 else WHOLE,
            outcome=Outcome.SUSPENDED,
            started_at=now,
            ended_at=now,
            counts=RunCounts(),
            message="Stopped before the run began.",
        )

    def _await_room(self) -> None:
        """Until what the disk had no room for is worth another try: there is room, a person asks, or a minute has
        passed (a quota shows nowhere, and permissions that were withdrawn must not wait for ever, R7)."""
        began = time.monotonic()
        while not self.stopping() and not self._waiting.people():
            waited = time.monotonic() - began
            if waited >= _ROOM_MOST_S or (waited >= _ROOM_LEAST_S and self._has_room()):
                break
            with self._wake:
                self._wake.wait(1.0)
        postponed, self._postponed = self._postponed, []
        for request in postponed:
            self._put(request)

    def _serve(self, request: Request) -> None:
        try:
            report = self._run(request)
        except NoSpace as error:
            # Nobody's fault, and it passes. Who waits is told; the work is done when there is room.
            _log.warning("no_space_left", error=str(error))
            self._note(SourceState.PAUSED, str(error))
            self._postponed.append(Request(trigger=request.trigger, scopes=request.scopes))
            request.resolve(error=error)
        except IngestorError as error:
            # R8: an error of the ledger ends the run; the next trigger tries again.
            _log.error("run_failed", source=self.source.name, error=str(error))
            self._note(SourceState.FAILED, str(error))
            request.resolve(error=error)
        except Exception as error:  # a bug must end neither the loop nor the service
            _log.error("run_crashed", source=self.source.name, exc_info=True)
            self._note(SourceState.FAILED, f"{type(error).__name__}: {error}")
            request.resolve(error=error)
        else:
            request.resolve(report=report)

    def _run(self, request: Request) -> RunReport:
        scope, started = request.scopes[0] if len(request.scopes) == 1 else WHOLE, time.time()
        run_id = self._runs.start_run(self.source.name, request.trigger, scope)
        try:
            with log.bound(run_id=run_id, source=self.source.name, request_id=request.request_id):
                return self._whole_run(run_id, request)
        except Exception as error:
            # What is known of a run that broke: without it the row would look like that of a killed process.
            broken = RunReport(
                run_id=run_id,
                source=self.source.name,
                trigger=request.trigger,
                scope=scope,
                outcome=Outcome.FAILED,
                started_at=started,
                ended_at=time.time(),
                counts=RunCounts(),
                message=str(error) or type(error).__name__,
            )
            with contextlib.suppress(LedgerError):  # it may be the ledger that failed
                self._runs.finish_run(broken)
            raise

    def _whole_run(self, run_id: RunId, request: Request) -> RunReport:
        name = self.source.name
        self._set_state(SourceState.RUNNING)
        with self._pump.account(name) as account:
            report = self._passes(run_id, request)
            self._after(report.outcome, report.message)
            self._await_settled(request)
        if report.outcome in _WELL and self.stopping() and not self._pump.settled():
            report = replace(report, outcome=Outcome.SUSPENDED, message=_UNFINISHED)
        counts = replace(
            report.counts, embedded=account.embedded, reused=account.reused, index_writes=account.index_writes
        )
        report = replace(report, counts=counts, ended_at=time.time())
        if _is_silent(request, report):
            self._discard(run_id)
        else:
            self._runs.finish_run(report)
            _log.info("run_finished", **canonical(run_reply(report)))
        return report

    def _passes(self, run_id: RunId, request: Request) -> RunReport:
        """The engine until it is through: a pass that gave way to a hint is followed by another."""
        total, started, undisturbed_s = RunCounts(), time.time(), _YIELD_AFTER_S
        while True:
            self._current = request
            self._pulse.began(yield_after_s=None if request.trigger is Trigger.WATCH else undisturbed_s)
            report = self._engine.run(run_id, request.trigger, tuple(request.scopes), approve=request.approve)
            self._pump.kick()
            total = _sum(total, report.counts)
            if report.outcome is not Outcome.SUSPENDED or self.stopping():
                return replace(report, counts=total, started_at=started)
            if not _advanced(report.counts):
                # R6: it was still listing. A file that is written every second must not keep the scan of a large
                # source from ever coming to its end.
                undisturbed_s *= 2
            self._serve_hints()
            self._set_state(SourceState.RUNNING)

    def _serve_hints(self) -> None:
        while not self.stopping() and (hint := self._take(hints_only=True)) is not None:
            self._serve(hint)

    def _await_settled(self, request: Request) -> None:
        """Until what the run committed is embedded and written, as far as that is possible now. A run that
        nobody waits for is closed as soon as the next one is asked for."""
        while not self.stopping() and not self._done(request):
            if self._pump.trouble(0.0 if request.trigger is Trigger.WATCH else PATIENCE_S):
                return  # the pump goes on by itself when the index or the model is back
            if request.trigger is Trigger.WATCH and self._waiting:
                return
            self._serve_hints()
            for watch in request.watches:
                watch("index", self._pulse.tally)
            with self._wake:
                self._wake.wait(_SETTLE_LOOK_S)

    def _done(self, request: Request) -> bool:
        """Who waits is told "ok" only of an index that is known to be sound: after an unclean end it is probed."""
        return self._pump.settled() and (not request.waiters or self._pump.sound())

    def _after(self, outcome: Outcome, message: str) -> None:
        """The state that a run leaves behind."""
        if outcome is Outcome.HELD:
            self._set_state(SourceState.HELD, message)
        elif outcome is Outcome.UNAVAILABLE:
            self._set_state(SourceState.OFFLINE, message)
        elif outcome is Outcome.FAILED:
            self._set_state(SourceState.FAILED, message)
        else:
            self._set_state(SourceState.IDLE, message)

    def _note(self, state: SourceState, message: str) -> None:
        """The state in the ledger, as far as it can be written: where its disk is full that fails as well, and
        must end neither the loop nor leave those who wait without an answer."""
        with contextlib.suppress(LedgerError):
            self._set_state(state, message)

    def _set_state(self, state: SourceState, note: str = "") -> None:
        self._runs.set_state(self.source.name, state, note)

    def seen(self, stage: str, tally: Tally) -> None:
        """The engine's progress, for whoever watches the run. It follows a commit, so there may be work: what
        was committed first is found by meaning while the rest is still being read."""
        self._pump.kick()
        request = self._current
        for watch in request.watches if request is not None else ():
            watch(stage, tally)


class RunnerPulse:
    """The engine's view of its runner: when to stop, where to show progress."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._yield_after_s: float | None = None
        self._began = 0.0
        self.stage = ""
        self.tally = Tally()

    def began(self, *, yield_after_s: float | None) -> None:
        """A pass begins; a hint may interrupt it after so many seconds, or never."""
        self._yield_after_s = yield_after_s
        self._began = time.monotonic()
        self.stage, self.tally = "", Tally()

    def stopping(self) -> bool:
        if self._runner.stopping():
            return True
        if self._yield_after_s is None or not self._runner.hints_wait():
            return False
        return time.monotonic() - self._began >= self._yield_after_s

    def progress(self, stage: str, tally: Tally) -> None:
        self.stage, self.tally = stage, tally
        self._runner.seen(stage, tally)


# -- helpers ---------------------------------------------------------------------------------------


def _sum(total: RunCounts, part: RunCounts) -> RunCounts:
    """The passes of one run together. What an earlier pass took in is unchanged to the later ones."""
    before = total.added + total.updated + total.moved
    return RunCounts(
        added=total.added + part.added,
        updated=total.updated + part.updated,
        moved=total.moved + part.moved,
        deleted=total.deleted + part.deleted,
        unchanged=max(0, part.unchanged - before),
        failed=max(total.failed, part.failed),
        chunks_added=total.chunks_added + part.chunks_added,
        chunks_removed=total.chunks_removed + part.chunks_removed,
        chunks_kept=total.chunks_kept + part.chunks_kept,
        bytes_read=total.bytes_read + part.bytes_read,
    )


def _advanced(counts: RunCounts) -> bool:
    """Whether a pass committed something that the next one need not do again."""
    return bool(counts.added + counts.updated + counts.moved)


def _is_silent(request: Request, report: RunReport) -> bool:
    """A hint that led to nothing: no line in the log, no row among the runs."""
    counts = report.counts
    changed = counts.added + counts.updated + counts.moved + counts.deleted + counts.failed + counts.chunks_added
    return request.trigger is Trigger.WATCH and report.outcome is Outcome.OK and changed == 0
