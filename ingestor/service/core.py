"""The service: everything open, in one object with one start and one stop.

``run`` keeps it open until a signal; ``backfill`` and the other commands open it, ask one thing, and close
it. Both are this code: one-shot is the daemon that does not wait.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from connectors.base import WHOLE, Source, Upserted
from ingestor import log
from ingestor.errors import EmbedderError, IndexFailure, LedgerError
from ingestor.index.generations import GenerationManager
from ingestor.ledger.ledger import Ledger
from ingestor.ledger.sources import SourceRow
from ingestor.model import RunCounts, SourceState, Tally, Trigger
from ingestor.ports import Cutter, Parser, VectorStore
from ingestor.search.searcher import Searcher
from ingestor.service import spans
from ingestor.service.answers import AnswerLog
from ingestor.service.caches import Caches
from ingestor.service.configured import Wanted
from ingestor.service.hooks import Hooks
from ingestor.service.jobs import Job, job_state
from ingestor.service.life import Life, Outside
from ingestor.service.maintenance import Maintenance
from ingestor.service.meter import CountedParser, CountedRuns, Meter
from ingestor.service.models import ModelRegistry
from ingestor.service.pump import Pump
from ingestor.service.runner import Runner, RunnerPulse
from ingestor.service.schedule import Schedule, Timing
from ingestor.service.watching import SUPERVISE_S, Watch
from ingestor.space import NoSpace
from ingestor.sync.engine import SyncEngine

GRACE_S = 10.0
"""Seconds from the wish to stop to the end of the process."""

_CLOSING_S = 3.0
"""Of these for closing the index and the ledger, after the loops had their time."""

_SUPERVISION = "service:supervision"  # no source has a colon in its name
_MAINTAIN_ONE_SHOT_S = 86_400.0

_log = log.get()


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """What wiring put together. The service closes what it was given. ``cutter`` is that of a source, by its name."""

    ledger: Ledger
    parser: Parser
    cutter: Callable[[str], Cutter]
    pump: Pump
    index: GenerationManager
    models: ModelRegistry
    searcher: Searcher
    answers: AnswerLog
    make_source: Callable[[SourceRow], Source]
    caches: Caches
    wanted: Wanted
    life: Life
    meter: Meter
    stop: threading.Event

    @property
    def vectors(self) -> VectorStore:
        """Those of the model that search goes by."""
        return self.models.store(self.index.model())


class Service:
    """One thread opens and closes it; the rest may be called from any."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.ledger = parts.ledger
        self.life = parts.life
        self.stop = parts.stop
        self.ready = False
        self.planned = False  # whether the first scan of every source was asked for
        self.quiet = True  # after close: whether every loop had ended
        self._runners: dict[str, Runner] = {}
        self._leaving: dict[str, Runner] = {}  # dropped ones that are still in a call that does not return
        self._watches: dict[str, Watch] = {}
        self._wanted = parts.wanted
        self._schedule = Schedule()
        self.maintenance = Maintenance(self, self._schedule, parts.wanted.maintenance)
        self.hooks = Hooks(secrets_of=lambda: self._wanted.hooks, look=self._hooked)
        self._watching = False
        self._warm_up: threading.Thread | None = None
        self._model_note = "not loaded yet"
        self._lock = threading.RLock()

    # -- life ----------------------------------------------------------------------------------------

    def open(self) -> None:
        """Start the loops."""
        with contextlib.suppress(NoSpace):  # the loops wait for room, and searches need none
            self.ledger.mark_clean(False)
            self.ledger.finish_removals()
        self.sweep_caches()
        self.parts.pump.start()
        self.ready = True

    def watch(self) -> None:
        """From a one-shot to a service: watch and scan every source, on schedule and now (R6)."""
        self._watching = True
        self._schedule.start()
        self._schedule.add(_SUPERVISION, Timing(interval_s=SUPERVISE_S), self._supervise)
        self.maintenance.begin()
        for row in self.ledger.sources.all():
            if not row.paused:
                self._attend(row)
        self.planned = True
        self.warm()

    def close(self) -> None:
        """The stop sequence, in the reverse order of the start; each part gets what is left of the grace.

        Nothing here is needed for correctness: a process that is killed instead loses no more than time.
        """
        self.ready = False
        deadline = time.monotonic() + GRACE_S - _CLOSING_S
        self.stop.set()
        self._schedule.stop()
        self.life.ended("schedule")
        for watch in self._watches.values():
            watch.close()
        quiet = True
        for runner in (*self._runners.values(), *self._leaving.values()):
            quiet &= runner.join(max(0.1, deadline - time.monotonic()))
        self.parts.parser.close()
        quiet &= self.parts.pump.join(max(0.1, deadline - time.monotonic()))
        self.parts.index.close()
        self.parts.answers.close(1.0)
        for runner in self._runners.values():
            runner.source.close()
        with contextlib.suppress(LedgerError):
            for row in self.ledger.sources.all():
                if row.state is SourceState.RUNNING:
                    self.ledger.sources.set_state(row.name, SourceState.IDLE)
        self.quiet = quiet
        if quiet:
            for source in self.parts.meter.sources():
                self.parts.meter.settle(source, self.ledger.usage)
            with contextlib.suppress(LedgerError):  # full or damaged: the next start checks it
                self.ledger.mark_clean(True)
            self.ledger.close()

    def warm(self) -> None:
        """Begin to open the vector index and load the model, at once and once; returns without waiting.
        The first search finds both nearer, and they come up side by side."""
        with self._lock:
            if self._warm_up is not None:
                return
            self._warm_up = threading.Thread(target=self._warm, name="warm", daemon=True)
            self._warm_up.start()

    @property
    def warming(self) -> bool:
        """Whether the model or the index is being loaded still: also after ``close``, for it cannot be interrupted."""
        return self._warm_up is not None and self._warm_up.is_alive()

    def model_state(self) -> str:
        """``ok`` once the model that search goes by is in memory, else a sentence."""
        try:
            return "ok" if self.parts.models.embedder(self.parts.index.model()).loaded else self._model_note
        except (EmbedderError, LedgerError) as failure:
            return str(failure)

    def _warm(self) -> None:
        try:
            self.parts.index.warm()
        except (IndexFailure, LedgerError) as failure:
            _log.info("index_not_warm", error=str(failure))
            self.parts.pump.kick()  # the index loop probes it, and now rather than at its next idle look
        try:
            _ = self.parts.models.embedder(self.parts.index.model()).dimensions  # loads it
        except (EmbedderError, LedgerError) as failure:
            self._model_note = str(failure)
            _log.info("model_not_warm", error=str(failure))

    # -- sources --------------------------------------------------------------------------------------

    def runner(self, name: str) -> Runner:
        """The loop of a source, started at its first use. Raises ``UnknownId``."""
        with self._lock:
            self.ledger.sources.row_id(name)
            if name not in self._runners:
                row = next(row for row in self.ledger.sources.all() if row.name == name)
                self._runners[name] = self._start(row)
            return self._runners[name]

    def progress(self) -> Mapping[str, tuple[str, Tally]]:
        """Stage and counts of the present or the last run, by source."""
        with self._lock:
            return {name: runner.progress() for name, runner in self._runners.items()}

    def look_again(self, name: str) -> None:
        """Look at the source as if its time had come; nobody waits for it."""
        self.runner(name).ask(Trigger.SCHEDULE)

    def attend(self, name: str, *, scan: bool = True) -> None:
        """A source was added, changed or resumed: a service watches and schedules it from now on. ``scan`` False: the
        caller asks for the first run itself."""
        row = next(row for row in self.ledger.sources.all() if row.name == name)
        if self._watching and not row.paused:
            self._attend(row, scan=scan)

    def retime(self, wanted: Wanted) -> set[str]:
        """Schedule as that says from now on; the names of the sources whose timing, or whose webhook's
        secret, is another one."""
        with self._lock:
            before, self._wanted = self._wanted, wanted
            attended = list(self._watches)
        retimed = {name for name in attended if wanted.timing(name) != before.timing(name)}
        for name in retimed:
            self._schedule_source(name)
        if wanted.maintenance != before.maintenance:
            self.maintenance.begin(wanted.maintenance)
        return retimed | {name for name in attended if wanted.hooks.get(name) != before.hooks.get(name)}

    def foresee(self, name: str | None, source: Source) -> tuple[RunCounts, str]:
        """What a run of ``source`` would find, and what is wrong with its listing; nothing is read or written.
        ``name`` None: a source that is not registered, of which nothing is known."""
        if name is None:
            listed = sum(isinstance(change, Upserted) for change in source.list(WHOLE, None))
            return RunCounts(added=listed), ""
        engine = SyncEngine(
            source=source,
            ledger=self.ledger.sync,
            parser=self.parts.parser,
            cutter=self.parts.cutter(source.name),
            pulse=_Still(),
        )
        found, broken = engine.foresee()
        counts = RunCounts(
            added=len(found.fresh),
            updated=len(found.changed),
            deleted=len(found.missing),
            unchanged=found.unchanged + len(found.metadata),
        )
        return counts, broken

    def drop(self, name: str) -> None:
        """Nothing looks after a source any more: it is being removed, is paused, or is started anew. What runs is
        suspended; its loop ends first."""
        with self._lock:
            watch, runner = self._watches.pop(name, None), self._runners.pop(name, None)
        self._schedule.remove(name)
        if watch is not None:
            watch.close()
        if runner is not None:
            if not runner.end(GRACE_S):
                self._leaving[name] = runner  # the next loop of this source begins when this one has ended
            runner.source.close()
        with contextlib.suppress(LedgerError):  # it is for people
            self.ledger.sources.set_next_run(name, None)

    def sweep_caches(self) -> None:
        """What connectors kept for sources that are no more."""
        self.parts.caches.sweep(row.name for row in self.ledger.sources.all())

    def runners(self) -> Sequence[Runner]:
        with self._lock:
            return list(self._runners.values())

    def _start(self, row: SourceRow) -> Runner:
        source = self.parts.make_source(row)
        seams = spans.around(
            spans.Seams(
                source=Outside(source, self.life, f"source-{source.name}"),
                ledger=self.ledger.sync,
                parser=CountedParser(self.parts.parser, self.parts.meter, source.name),
                runs=CountedRuns(self.ledger.runs, self.ledger.usage, self.parts.meter),
                discard=self.ledger.runs.discard_run,
            )
        )

        def make_engine(pulse: RunnerPulse) -> SyncEngine:
            return SyncEngine(
                source=seams.source,
                ledger=seams.ledger,
                parser=seams.parser,
                cutter=self.parts.cutter(source.name),
                pulse=pulse,
            )

        runner = Runner(
            source=source,
            make_engine=make_engine,
            runs=seams.runs,
            discard=seams.discard,
            pump=self.parts.pump,
            stop=self.stop,
            has_room=self.ledger.has_room,
            life=self.life,
            after=self._leaving.get(row.name),
        )
        runner.start()
        return runner

    def _attend(self, row: SourceRow, *, scan: bool = True) -> None:
        """Arm first, then scan: what changes in between is hinted and scanned (R6)."""
        runner = self.runner(row.name)
        watch = Watch(
            runner.source,
            hint=lambda hint: runner.hint(hint.scope),
            scan=lambda: runner.ask(Trigger.STARTUP),
        )
        with self._lock:
            self._watches[row.name] = watch
        watch.arm()
        if scan:
            runner.request(Trigger.STARTUP)
        self._schedule_source(row.name)

    def _schedule_source(self, name: str) -> None:
        self._schedule.add(name, self._wanted.timing(name), lambda: self._scheduled(name))
        self._note_next(name)

    def _scheduled(self, name: str) -> None:
        runner = self._runners.get(name)
        if runner is not None and not self.stop.is_set():
            runner.request(Trigger.SCHEDULE)
            self._note_next(name)

    def _hooked(self, name: str) -> bool:
        """The source's system says that something changed: look as its schedule does, also in quiet hours."""
        with self._lock:
            runner = self._runners.get(name) if name in self._watches else None
        if runner is None or self.stop.is_set():
            return False
        runner.ask(Trigger.HOOK)
        return True

    def _note_next(self, name: str) -> None:
        with contextlib.suppress(LedgerError):  # it is for people; a full disk must not end the job
            self.ledger.sources.set_next_run(name, self._schedule.next_run(name))

    def _supervise(self) -> None:
        self.life.sign("schedule")
        self.hooks.catch_up()
        for watch in list(self._watches.values()):
            watch.supervise(SUPERVISE_S)

    def maintain_if_due(self) -> None:
        """For one-shot use: the maintenance that no schedule does, at most once a day."""
        state, now = job_state(self.ledger.upkeep, Job.RETENTION), time.time()
        last = state.since if state is not None else 0.0
        if not self._watching and not last <= now < last + _MAINTAIN_ONE_SHOT_S:
            self.maintain()

    def probe(self) -> None:
        """Compare the serving index with the ledger soon, and mend what differs; search goes on meanwhile."""
        self.parts.index.doubt()
        self.parts.pump.kick()

    def maintain(self) -> None:
        """What time makes necessary: forget what is past retention, build a bloated index anew."""
        for job in (Job.RETENTION, Job.REBUILD):
            self.maintenance.do(job, in_passing=True)


class _Still:
    """A pulse for work that nobody stops or watches."""

    def stopping(self) -> bool:
        return False

    def progress(self, stage: str, tally: Tally) -> None:
        pass
