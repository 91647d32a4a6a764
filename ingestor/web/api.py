"""What the socket offers: the operations that need the writer or Chroma, with their requests and replies.

The server calls an ``Operations``; the client is one, so that a command cannot tell whether the work is
done in its own process or in the service.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ingestor import wire, wire_models, wire_reading, wire_service
from ingestor.tokens import Tokens

Report = Callable[[wire.Progress], None]
"""Called from any thread, often; must be quick."""


class Operations(Protocol):
    """Called from several threads at once; what cannot run together waits inside. Every method raises
    ``IngestorError`` or ``ConnectorError`` for what a person can act on, anything else is a bug."""

    def backfill(self, request: wire.BackfillRequest, progress: Report, /) -> wire.RunsReply: ...

    def sync(self, request: wire.SyncRequest, progress: Report, /) -> wire.RunsReply: ...

    def search(self, request: wire.SearchRequest, /) -> wire.SearchReply: ...

    def verify(self, request: wire.VerifyRequest, progress: Report, /) -> wire.VerifyReply: ...

    def rebuild(self, request: wire.RebuildRequest, progress: Report, /) -> wire.RebuildReply: ...

    def model_switch(self, request: wire_models.ModelSwitchRequest, progress: Report, /) -> wire_models.ModelReply: ...

    def model_rollback(self, request: wire_models.ModelRollbackRequest, /) -> wire_models.ModelReply: ...

    def backup(self, request: wire_service.BackupRequest, progress: Report, /) -> wire_service.BackupReply: ...

    def source_add(self, request: wire.SourceAddRequest, /) -> wire.SourceReply: ...

    def source_remove(self, request: wire.SourceRemoveRequest, /) -> wire.SourceReply: ...

    def pause(self, request: wire_service.PauseRequest, /) -> wire_service.PausedReply: ...

    def resume(self, request: wire_service.PauseRequest, /) -> wire_service.PausedReply: ...

    def reload(self, request: wire_service.ReloadRequest, /) -> wire_service.ReloadReply: ...

    def quarantine_retry(self, request: wire.QuarantineRequest, progress: Report, /) -> wire.RunsReply: ...

    def quarantine_ignore(self, request: wire.QuarantineRequest, /) -> wire.QuarantineReply: ...

    def plan(self, request: wire.PlanRequest, /) -> wire.PlanReply: ...

    def approve(self, request: wire.ApproveRequest, progress: Report, /) -> wire.RunsReply: ...


class Reads(Protocol):
    """What the ledger alone answers, from any thread. ``principals`` None is the owner of the state folder; for
    anybody else what he may not see is ``UnknownId``, as what is not there."""

    def status(self) -> wire.StatusReply: ...

    def runs(self, limit: int, source: str | None) -> wire.RunsReply: ...

    def quarantine(self, source: str | None, *, ignored: bool = False) -> wire.QuarantineReply: ...

    def trace(self, chunk_id: str, principals: Sequence[str] | None) -> wire_reading.TraceReply: ...

    def answer(self, answer_id: str, principals: Sequence[str] | None) -> wire_reading.AnswerReply: ...

    def history(self, target: str, path: str, principals: Sequence[str] | None) -> wire_reading.HistoryReply: ...

    def document(
        self, document_id: str, first: int, count: int, principals: Sequence[str] | None
    ) -> wire_reading.DocumentReply: ...

    def passage(self, chunk_id: str, context: int, principals: Sequence[str] | None) -> wire.SearchHit: ...

    def freshness(self, principals: Sequence[str] | None) -> wire_reading.FreshnessReply: ...


class PageReads(Reads, Protocol):
    """What the status page asks besides."""

    def shelf(
        self, source: str, after: str, count: int, principals: Sequence[str] | None
    ) -> wire_reading.ShelfReply: ...

    def activity(self, source: str | None) -> wire_reading.ActivityReply: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """One operation as the server calls it; ``reports`` says that it takes a ``Report``."""

    request: type[wire.Wire]
    reports: bool = False

    def call(self, operations: Operations, name: str, request: wire.Wire, progress: Report) -> wire.Wire:
        method: Callable[..., wire.Wire] = getattr(operations, name)
        return method(request, progress) if self.reports else method(request)


Hook = Callable[[str, Callable[[str], bool]], bool]
"""Takes a call of a source's webhook: the name, and whether the call proves to know a secret that it is asked about.
False where it is refused."""

UnderWay = Callable[[Sequence[str]], Mapping[str, wire.Progress]]
"""How far the present or the last run of these sources is, as far as there was one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Api:
    """What a service has besides its operations for those who ask over HTTP."""

    reads: PageReads
    tokens: Tokens
    under_way: UnderWay = lambda _sources: {}
    hook: Hook = lambda _source, _proven: False


ROUTES: Mapping[str, Route] = {
    "backfill": Route(request=wire.BackfillRequest, reports=True),
    "sync": Route(request=wire.SyncRequest, reports=True),
    "search": Route(request=wire.SearchRequest),
    "verify": Route(request=wire.VerifyRequest, reports=True),
    "rebuild": Route(request=wire.RebuildRequest, reports=True),
    "model_switch": Route(request=wire_models.ModelSwitchRequest, reports=True),
    "model_rollback": Route(request=wire_models.ModelRollbackRequest),
    "backup": Route(request=wire_service.BackupRequest, reports=True),
    "source_add": Route(request=wire.SourceAddRequest),
    "source_remove": Route(request=wire.SourceRemoveRequest),
    "pause": Route(request=wire_service.PauseRequest),
    "resume": Route(request=wire_service.PauseRequest),
    "reload": Route(request=wire_service.ReloadRequest),
    "quarantine_retry": Route(request=wire.QuarantineRequest, reports=True),
    "quarantine_ignore": Route(request=wire.QuarantineRequest),
    "plan": Route(request=wire.PlanRequest),
    "approve": Route(request=wire.ApproveRequest, reports=True),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Pong:
    """The answer to a ping. ``ready`` is false while the holder opens its parts or closes them;
    ``service`` tells a service from a command that ends by itself."""

    pid: int
    version: str
    ready: bool
    service: bool = False
