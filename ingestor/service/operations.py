"""What commands ask for, done by the process that holds the state folder. Implements ``web.api.Operations``.

Each method takes and gives wire models, so that the answer is the same whether it crossed the socket.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from connectors.base import WHOLE
from connectors.errors import ConnectorError
from ingestor import wire, wire_models, wire_service
from ingestor.errors import SourceHeld, UserError
from ingestor.ledger.sources import SourceRow
from ingestor.model import SCOPE, SCOPE_FORM, Outcome, RunCounts, RunId, RunReport, SourceState, Tally, Trigger
from ingestor.service import quarantine
from ingestor.service.backup import backup
from ingestor.service.core import Service
from ingestor.service.folders import FILES, name_for, registered
from ingestor.service.rebuilding import rebuild
from ingestor.service.reloading import Reread, reload
from ingestor.service.replies import run_reply, source_reply
from ingestor.service.searching import search
from ingestor.service.switching import roll_back, switch
from ingestor.service.verifying import verify

Report = Callable[[wire.Progress], None]

_ANSWER_S = 5.0  # of the grace, for those who wait for an answer


class ServiceOperations:
    """Called from several threads at once."""

    def __init__(
        self, service: Service, *, before_long: Callable[[], None] = lambda: None, reread: Reread | None = None
    ) -> None:
        """``before_long`` is called once, before the first operation that may take long. ``reread`` reads the
        configuration afresh; only a service has one."""
        self._service = service
        self._ledger = service.ledger
        self._registering = threading.Lock()
        self._backing_up = threading.Lock()
        self._before_long = before_long
        self._reread = reread
        self._under_way = threading.Condition()
        self._count = 0
        self._began = False

    def await_idle(self, timeout: float | None = None) -> None:
        """Until no operation is under way, or the service is asked to stop (then at most ``timeout``)."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._under_way:
            while self._count:
                if deadline is None and self._service.stop.is_set():
                    deadline = time.monotonic() + _ANSWER_S
                if deadline is not None and time.monotonic() >= deadline:
                    return
                self._under_way.wait(0.1)

    @contextmanager
    def _long(self) -> Iterator[None]:
        with self._under_way:
            self._count += 1
            first, self._began = not self._began, True
        try:
            if first:
                self._before_long()
            yield
        finally:
            with self._under_way:
                self._count -= 1
                self._under_way.notify_all()

    # -- runs ------------------------------------------------------------------------------------------

    def backfill(self, request: wire.BackfillRequest, progress: Report, /) -> wire.RunsReply:
        with self._long():
            with self._registering:
                chosen = self._chosen(request)
            if request.dry_run:
                return wire.RunsReply(runs=tuple(self._dry_run(row) for row in chosen))
            reply = self._run_all([row.name for row in chosen], Trigger.BACKFILL, progress)
            self._service.maintain_if_due()
            return reply

    def sync(self, request: wire.SyncRequest, progress: Report, /) -> wire.RunsReply:
        names = list(request.sources) or [row.name for row in self._ledger.sources.all() if not row.paused]
        for name in names:
            self._ledger.sources.row_id(name)
        with self._long():
            return self._run_all(names, Trigger.SYNC, progress)

    def plan(self, request: wire.PlanRequest, /) -> wire.PlanReply:
        self._ledger.sources.row_id(request.source)
        plan = self._ledger.sources.plan(request.source)
        if plan is None:
            return wire.PlanReply(source=request.source)
        return wire.PlanReply(
            source=request.source,
            plan_id=plan.plan_id,
            reason=plan.reason,
            items=plan.items,
            created_at=plan.created_at,
        )

    def approve(self, request: wire.ApproveRequest, progress: Report, /) -> wire.RunsReply:
        plan = self._ledger.sources.plan(request.source)
        if plan is None:
            raise UserError(f"Nothing is held for the source {request.source!r}.")
        if plan.plan_id != request.plan_id:
            raise SourceHeld(
                f"The plan of {request.source!r} has changed: it is {plan.plan_id} now.",
                hint=f"Look at it again: ingestor approve {request.source}.",
            )
        runner, watch = self._service.runner(request.source), _watch(request.source, progress, self._service)
        with self._long():
            report = self._wait(runner.request(Trigger.SYNC, approve=plan, watch=watch))
        return wire.RunsReply(runs=(run_reply(report),), index_note=self._index_note())

    def under_way(self, sources: Sequence[str]) -> Mapping[str, wire.Progress]:
        """How far the present or the last run of these sources is, as far as there was one."""
        known = self._service.progress()
        return {name: _told(name, *known[name], self._service) for name in sources if name in known}

    # -- quarantine --------------------------------------------------------------------------------------

    def quarantine_retry(self, request: wire.QuarantineRequest, progress: Report, /) -> wire.RunsReply:
        sources = quarantine.retry(self._ledger, request)
        with self._long():
            return self._run_all(sources, Trigger.SYNC, progress)

    def quarantine_ignore(self, request: wire.QuarantineRequest, /) -> wire.QuarantineReply:
        return quarantine.ignore(self._ledger, request)

    # -- search ------------------------------------------------------------------------------------------

    def search(self, request: wire.SearchRequest, /) -> wire.SearchReply:
        return search(self._service, request)

    # -- verify --------------------------------------------------------------------------------------------

    def verify(self, request: wire.VerifyRequest, progress: Report, /) -> wire.VerifyReply:
        with self._long():
            return verify(self._service, request, progress)

    # -- the index and the ledger as wholes ---------------------------------------------------------------

    def rebuild(self, _request: wire.RebuildRequest, progress: Report, /) -> wire.RebuildReply:
        with self._long():
            return rebuild(self._service, progress)

    def model_switch(self, request: wire_models.ModelSwitchRequest, progress: Report, /) -> wire_models.ModelReply:
        with self._long():
            return switch(self._service, request, progress)

    def model_rollback(self, _request: wire_models.ModelRollbackRequest, /) -> wire_models.ModelReply:
        with self._long():
            return roll_back(self._service)

    def backup(self, request: wire_service.BackupRequest, progress: Report, /) -> wire_service.BackupReply:
        with self._long(), self._backing_up:  # two to one place would take each other's scratch
            return backup(self._ledger, request, progress, self._service.stop.is_set)

    # -- sources ---------------------------------------------------------------------------------------------

    def source_add(self, request: wire.SourceAddRequest, /) -> wire.SourceReply:
        with self._registering:
            row, created = self._register(request.path, request.owner, request.name, request.scope)
        if created:
            self._service.attend(row.name)
        else:
            self._service.parts.pump.kick()  # rows to move, where its scope is another
        return source_reply(row, created=created)

    def source_remove(self, request: wire.SourceRemoveRequest, /) -> wire.SourceReply:
        row = self._row(request.name)
        if row.origin == "configured":
            raise UserError(
                f"The source {row.name!r} stands in the configuration file.", hint="Remove its [[source]] table there."
            )
        # Removed first: nobody can start its loop again, and what a run still commits is refused.
        self._ledger.sources.remove(row.name, purge=request.purge)
        self._service.drop(row.name)
        self._ledger.finish_removals()
        self._service.sweep_caches()
        self._service.parts.pump.kick()
        return source_reply(row)

    def pause(self, request: wire_service.PauseRequest, /) -> wire_service.PausedReply:
        return self._set_paused(request.sources, paused=True)

    def resume(self, request: wire_service.PauseRequest, /) -> wire_service.PausedReply:
        return self._set_paused(request.sources, paused=False)

    def reload(self, _request: wire_service.ReloadRequest, /) -> wire_service.ReloadReply:
        with self._registering:
            return reload(self._service, self._reread)

    # -- helpers -----------------------------------------------------------------------------------------

    def _set_paused(self, names: Sequence[str], *, paused: bool) -> wire_service.PausedReply:
        """All of them or, where one is unknown, none."""
        for name in names:
            self._ledger.sources.row_id(name)
        changed: dict[str, bool] = {}
        with self._registering:
            for name in dict.fromkeys(names):
                changed[name] = self._ledger.sources.set_paused(name, paused)
                if changed[name] and paused:
                    self._service.drop(name)
                elif changed[name]:
                    self._service.attend(name)
        rows = {row.name: row for row in self._ledger.sources.all()}
        return wire_service.PausedReply(
            sources=tuple(
                wire_service.PausedSource(name=name, paused=paused, changed=new, next_run=rows[name].next_run)
                for name, new in changed.items()
                if name in rows
            )
        )

    def _chosen(self, request: wire.BackfillRequest) -> Sequence[SourceRow]:
        """The sources of a backfill: the folders named (registered where new), the sources named, or all."""
        rows = [self._row(name) for name in request.sources]
        for path in request.paths:
            row, created = self._register(path, request.owner, None, None, dry=request.dry_run)
            rows.append(row)
            if created and not request.dry_run:
                self._service.attend(row.name, scan=False)  # the backfill is its first scan
        if not rows and not request.paths and not request.sources:
            rows = [row for row in self._ledger.sources.all() if not row.paused]
        return list({row.name: row for row in rows}.values())

    def _register(
        self, path: str, owner: str, name: str | None, scope: str | None, *, dry: bool = False
    ) -> tuple[SourceRow, bool]:
        """``scope`` None leaves that of a source that is there already."""
        if re.fullmatch(SCOPE, scope or "") is None:
            raise UserError(f"{scope!r} is no name of a scope.", hint=f"Write {SCOPE_FORM}.")
        if not Path(path).is_dir():
            what = "is not a folder" if Path(path).exists() else "does not exist"
            raise UserError(f"{path} {what}.", hint="Name a folder that this user can read.")
        rows = self._ledger.sources.all()
        found = registered(rows, path)
        if found is not None:
            if name is not None and name != found.name:
                raise UserError(f"{path} is already the source {found.name!r}.")
            return self._scoped(found, scope), False
        taken = {row.name for row in rows}
        if name is not None and name in taken:
            raise UserError(f"There is already a source named {name!r}.", hint="Choose another name.")
        settings = {"path": path, "permissions": [f"user:{owner}"] if owner else []}
        row = SourceRow(
            name=name or name_for(path, taken),
            kind=FILES,
            settings=settings,
            origin="registered",
            state=SourceState.IDLE,
            note="",
            paused=False,
            next_run=None,
            scope=scope or "",
        )
        self._service.parts.make_source(row).close()  # refuses what the connector cannot take
        if not dry:
            self._ledger.sources.put(row.name, row.kind, row.settings, row.origin, row.scope)
        return row, True

    def _scoped(self, row: SourceRow, scope: str | None) -> SourceRow:
        """The source in that scope."""
        if scope is None or scope == row.scope:
            return row
        if row.origin == "configured":
            raise UserError(
                f"The source {row.name!r} stands in the configuration file.", hint="Set its scope there and reload."
            )
        self._ledger.sources.put(row.name, row.kind, row.settings, row.origin, scope)
        return replace(row, scope=scope)

    def _row(self, name: str) -> SourceRow:
        self._ledger.sources.row_id(name)
        return next(row for row in self._ledger.sources.all() if row.name == name)

    def _run_all(self, names: Sequence[str], trigger: Trigger, progress: Report) -> wire.RunsReply:
        """One source after the other: on a small machine two at once only take from each other."""
        replies: list[wire.RunReply] = []
        for name in names:
            runner = self._service.runner(name)
            report = self._wait(runner.request(trigger, watch=_watch(name, progress, self._service)))
            replies.append(run_reply(report))
            if report.outcome is Outcome.SUSPENDED and self._service.stop.is_set():
                break  # not where this source alone was paused: the others are still to be done
        return wire.RunsReply(runs=tuple(replies), index_note=self._index_note())

    def _wait(self, future: Future[RunReport]) -> RunReport:
        while not wait_for([future], timeout=1.0).done:
            pass  # in slices, so that a signal is heard in the main thread
        return future.result()

    def _index_note(self) -> str:
        trouble = self._service.parts.pump.trouble()
        return f"Not everything is in the index yet: {trouble} It is caught up by itself." if trouble else ""

    def _dry_run(self, row: SourceRow) -> wire.RunReply:
        """What a run would find; nothing is read or written."""
        began = time.time()
        known = row.name in {there.name for there in self._ledger.sources.all()}
        source = self._service.parts.make_source(row)
        try:
            difference, broken = self._service.foresee(row.name if known else None, source)
            counts, message, outcome = difference, broken, Outcome.PARTIAL if broken else Outcome.OK
        except ConnectorError as error:
            counts, message, outcome = RunCounts(), str(error), Outcome.UNAVAILABLE
        finally:
            source.close()
        report = RunReport(
            run_id=RunId(""),
            source=row.name,
            trigger=Trigger.BACKFILL,
            scope=WHOLE,
            outcome=outcome,
            started_at=began,
            ended_at=time.time(),
            counts=counts,
            message=message,
        )
        return run_reply(report)


# -- helpers ------------------------------------------------------------------------------------------


def _watch(source: str, progress: Report, service: Service) -> Callable[[str, Tally], None]:
    """Turns an engine's tally into progress for a person, a few times a second."""
    last = 0.0

    def seen(stage: str, tally: Tally) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < 0.1:
            return
        last = now
        progress(_told(source, stage, tally, service))

    return seen


def _told(source: str, stage: str, tally: Tally, service: Service) -> wire.Progress:
    to_embed, to_index = service.parts.pump.backlog()
    return wire.Progress(
        source=source,
        stage=stage,
        expected=tally.expected,
        documents=tally.added + tally.updated + tally.moved,
        unchanged=tally.unchanged,
        failed=tally.failed,
        chunks=tally.chunks.chunks_added,
        to_embed=to_embed,
        to_index=to_index,
        bytes_read=tally.bytes_read,
        current=tally.current,
    )
