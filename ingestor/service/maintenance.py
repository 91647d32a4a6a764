"""Maintenance: what a service does by itself beside following its sources, one job after the other, on a schedule of
their own that outlives restarts."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from connectors.errors import ConnectorError
from ingestor import log, wire, wire_service
from ingestor.errors import IngestorError, LedgerError, ParseReason
from ingestor.service import quarantine
from ingestor.service.backup import backup, require_room
from ingestor.service.jobs import Job, JobOutcome, JobState, Plan, job_state, keep_state
from ingestor.service.rebuilding import rebuild_when_bloated
from ingestor.service.schedule import Lane, Schedule, Timing
from ingestor.service.switching import retire

if TYPE_CHECKING:
    from ingestor.service.core import Service

BACKUPS = "backups"
"""The folder for backups in the state folder, where no other is configured."""

_BACKUP_NAME = "ingestor-%Y%m%dT%H%M%SZ.tar"
_BACKUP_GLOB = "ingestor-*T*Z.tar"
# What may pass another time: of the others nothing but new content or another parser makes anything.
_PASSING = frozenset({ParseReason.TIMEOUT, ParseReason.MEMORY, ParseReason.CRASHED})

Said = tuple[JobOutcome, str]

_log = log.get()


class Maintenance:
    """``do`` runs in the lane of maintenance, or where a one-shot command calls it."""

    def __init__(self, service: Service, schedule: Schedule, plan: Plan) -> None:
        self._service = service
        self._schedule = schedule
        self._plan = plan
        self._jobs: Mapping[Job, Callable[[], Said]] = {
            Job.RETENTION: self._retention,
            Job.REBUILD: self._rebuild,
            Job.PROBE: self._probe,
            Job.VERIFY: self._verify,
            Job.QUARANTINE_RETRY: self._quarantine_retry,
            Job.BACKUP: self._backup,
        }

    def begin(self, plan: Plan | None = None) -> None:
        """Put every job of the plan, or of another one, into the schedule, and take out those that it lacks."""
        self._plan = plan or self._plan
        for job in Job:
            timing = self._plan.timings.get(job)
            with contextlib.suppress(LedgerError):  # no room to note it: the job is done all the same
                if timing is None:
                    self._schedule.remove(_id(job))
                    if (state := self._state(job)) is not None:
                        self._keep(job, replace(state, next_run=None))
                else:
                    self._begin(job, timing)

    def do(self, job: Job, *, in_passing: bool = False) -> JobOutcome:
        """Now. What goes wrong is said and remembered, and the job is tried again at its next turn. ``in_passing``: of
        a command that came for something else, whose output is not about this."""
        began, stop = now(), self._service.stop
        try:
            outcome, message = self._jobs[job]()
        except (IngestorError, ConnectorError, OSError) as error:
            outcome, message = JobOutcome.SUSPENDED if stop.is_set() else JobOutcome.FAILED, str(error)
        except Exception as error:  # a bug in one job must end neither the others nor the scheduler
            outcome, message = JobOutcome.FAILED, f"{type(error).__name__}: {error}"
            _log.error("maintenance_crashed", kind=job.value, exc_info=True)
        ended = now()
        said = {"kind": job.value, "outcome": outcome.value, "message": message, "duration_s": round(ended - began, 3)}
        if outcome is JobOutcome.OK and in_passing:
            _log.debug("maintenance_done", **said)
        elif outcome is JobOutcome.OK:
            _log.info("maintenance_done", **said)
        else:
            _log.warning("maintenance_trouble", **said)
        with contextlib.suppress(LedgerError):
            before = self._state(job) or JobState(since=ended)
            self._keep(
                job,
                replace(
                    before,
                    since=ended if outcome is not JobOutcome.SUSPENDED else before.since,
                    done_at=ended,
                    well_at=ended if outcome is JobOutcome.OK else before.well_at,
                    outcome=outcome,
                    message=message,
                    next_run=self._schedule.next_run(_id(job)),
                ),
            )
        return outcome

    def _begin(self, job: Job, timing: Timing) -> None:
        state = self._state(job) or JobState(since=now())

        def turn() -> None:
            if not self._service.stop.is_set():
                self.do(job)

        self._schedule.add(_id(job), timing, turn, lane=Lane.MAINTENANCE, last=state.since)
        self._keep(job, replace(state, next_run=self._schedule.next_run(_id(job))))

    def _state(self, job: Job) -> JobState | None:
        return job_state(self._service.ledger.upkeep, job)

    def _keep(self, job: Job, state: JobState) -> None:
        keep_state(self._service.ledger.upkeep, job, state)

    # -- the jobs ------------------------------------------------------------------------------------

    def _retention(self) -> Said:
        removed = self._service.ledger.forget()
        retire(self._service)
        return JobOutcome.OK, f"{removed} rows were past the retention time."

    def _rebuild(self) -> Said:
        begun = rebuild_when_bloated(self._service)
        return JobOutcome.OK, "A new index is being built." if begun else "No rebuild is due."

    def _probe(self) -> Said:
        self._service.probe()
        return JobOutcome.OK, "The index is being compared with the ledger."

    def _verify(self) -> Said:
        from ingestor.service.verifying import verify  # it needs the service, which needs this

        found = verify(self._service, wire.VerifyRequest(), _unseen)
        if found.ok:
            return JobOutcome.OK, f"{found.checked} rows, no difference."
        counts = f"{found.lost} lost, {found.orphan} orphan, {found.duplicate} duplicate, {found.stale} stale"
        return JobOutcome.DIFFERS, f"{found.checked} rows: {counts}. Mend them: ingestor verify --repair"

    def _quarantine_retry(self) -> Said:
        ledger = self._service.ledger
        left_alone = {row.name for row in ledger.sources.all() if row.paused}
        chosen = [
            one.document_id
            for one in ledger.quarantine.all()
            if one.reason in _PASSING and not one.ignored and one.source not in left_alone
        ]
        for name in quarantine.retry(ledger, wire.QuarantineRequest(documents=tuple(chosen))):
            self._service.look_again(name)
        return JobOutcome.OK, f"{len(chosen)} documents are tried again."

    def _backup(self) -> Said:
        folder = self._plan.backup_folder or self._service.ledger.folder / BACKUPS
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        require_room(self._service.ledger.folder, folder)
        path = folder / time.strftime(_BACKUP_NAME, time.gmtime())
        request = wire_service.BackupRequest(path=str(path))
        made = backup(self._service.ledger, request, _unseen, self._service.stop.is_set)
        for old in sorted(folder.glob(_BACKUP_GLOB))[: -self._plan.backup_keep]:
            old.unlink(missing_ok=True)
        return JobOutcome.OK, f"{made.path}, {made.bytes / 1024**2:,.0f} MiB."


def now() -> float:
    """The wall clock, which a test may move."""
    return time.time()


def _id(job: Job) -> str:
    """Its name in the schedule; no source has a colon in its own."""
    return f"maintenance:{job}"


def _unseen(_progress: wire.Progress) -> None:
    """Nobody watches."""
