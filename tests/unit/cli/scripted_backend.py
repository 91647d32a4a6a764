"""A command line on a scripted backend: what was asked is kept, what is answered is set by the test."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ingestor import wire, wire_models, wire_reading, wire_service
from ingestor.context import Context
from ingestor.errors import UnknownId


def run_reply(source: str = "handbook", outcome: str = "ok", **changes: Any) -> wire.RunReply:
    documents = wire.DocumentCounts(**{k: v for k, v in changes.items() if k in wire.DocumentCounts.model_fields})
    rest = {k: v for k, v in changes.items() if k not in wire.DocumentCounts.model_fields}
    values: dict[str, Any] = {
        "source": source,
        "trigger": "backfill",
        "outcome": outcome,
        "documents": documents,
        "chunks": wire.ChunkCounts(added=12, kept=3),
        "embedded": 1234,
        "index_writes": 12,
        "bytes_read": 4096,
        "duration_s": 2.5,
        **rest,
    }
    return wire.RunReply(**values)


HIT = wire.SearchHit(
    chunk_id="c1",
    document_id="d1",
    source="handbook",
    title="Refunds",
    uri="file:///srv/handbook/refunds.md",
    url="file:///srv/handbook/refunds.md#how-long",
    section=("Refunds", "How long"),
    page=None,
    lines=(12, 18),
    span=(100, 240),
    score=0.8312,
    text="A refund takes\n\n\nfive working days.",
    revision=2,
    ingested_at=1_700_000_000.0,
)


ASIDE = wire.QuarantineItem(
    document_id="d7",
    source="handbook",
    uri="ingestor:handbook/locked.docx",
    url="file:///srv/handbook/locked.docx",
    reason="encrypted",
    hint="Remove the password, or exclude the file.",
    attempts=1,
    next_try=None,
    message="The file is protected by a password.",
    since=1_700_000_000.0,
)


TRACED = wire_reading.TraceReply(
    chunk_id="c1",
    current=False,
    document_id="d1",
    uri="ingestor:handbook/refunds.md",
    url="file:///srv/handbook/refunds.md#how-long",
    revision=2,
    superseded_at=1_700_000_000.0,
    run="r1",
    recipe="e1",
    model="m1",
    text="A refund takes\nfive working days.",
    source="handbook",
    title="Refunds",
    section=("Refunds", "How long"),
    page=None,
    lines=(12, 18),
    ingested_at=1_700_000_000.0,
)

PAST = wire_reading.HistoryReply(
    document_id="d1",
    source="handbook",
    title="Refunds",
    uri="ingestor:handbook/b.md",
    url="file:///srv/handbook/b.md",
    current=True,
    events=(
        wire_reading.HistoryEvent(kind="revision", at=1.7e9, revision=1, run="r1", added=("Five days.",)),
        wire_reading.HistoryEvent(
            kind="revision", at=1.7e9 + 1, revision=2, run="r2", added=("Six days.",), removed=("Five days.",), kept=3
        ),
        wire_reading.HistoryEvent(
            kind="moved", at=1.7e9 + 2, uri="ingestor:handbook/b.md", was="ingestor:handbook/a.md"
        ),
    ),
)


@dataclass
class Scripted:
    """Operations and readings alike; ``answers`` by method name, else sensible ones."""

    asked: list[tuple[str, Any]] = field(default_factory=list)
    answers: dict[str, Any] = field(default_factory=dict)
    context: Context | None = None
    during: Callable[[Any], None] = lambda _report: None

    def _answer(self, name: str, request: Any, default: Any) -> Any:
        self.asked.append((name, request))
        answer = self.answers.get(name, default)
        if isinstance(answer, Exception):
            raise answer
        return answer(request) if callable(answer) else answer

    def backfill(self, request: wire.BackfillRequest, progress: Any) -> wire.RunsReply:
        self.during(progress)
        return self._answer("backfill", request, wire.RunsReply(runs=(run_reply(added=3),)))

    def sync(self, request: wire.SyncRequest, progress: Any) -> wire.RunsReply:
        self.during(progress)
        return self._answer("sync", request, wire.RunsReply(runs=(run_reply(unchanged=3),)))

    def search(self, request: wire.SearchRequest) -> wire.SearchReply:
        return self._answer("search", request, wire.SearchReply(query=request.query, took_ms=3.0, hits=(HIT,)))

    def verify(self, request: wire.VerifyRequest, progress: Any) -> wire.VerifyReply:
        self.during(progress)
        clean = wire.VerifyReply(ok=True, checked=15, lost=0, orphan=0, duplicate=0, stale=0)
        return self._answer("verify", request, clean)

    def rebuild(self, request: wire.RebuildRequest, progress: Any) -> wire.RebuildReply:
        self.during(progress)
        return self._answer("rebuild", request, wire.RebuildReply(outcome="ok", rows=1500, duration_s=2.0))

    def model_switch(self, request: wire_models.ModelSwitchRequest, progress: Any) -> wire_models.ModelReply:
        self.during(progress)
        reply = wire_models.ModelReply(outcome="done", name=request.name, model="m2", previous="m1")
        return self._answer("model_switch", request, reply)

    def backup(self, request: wire_service.BackupRequest, progress: Any) -> wire_service.BackupReply:
        self.during(progress)
        files = ("vectors-0.sqlite3", "ledger.sqlite3")
        reply = wire_service.BackupReply(
            path=request.path, bytes=3 * 1024**2, files=files, made_at=1.7e9, duration_s=2.0
        )
        return self._answer("backup", request, reply)

    def source_add(self, request: wire.SourceAddRequest) -> wire.SourceReply:
        reply = wire.SourceReply(name="docs", kind="files", place=request.path, origin="added", created=True)
        return self._answer("source_add", request, reply)

    def source_remove(self, request: wire.SourceRemoveRequest) -> wire.SourceReply:
        reply = wire.SourceReply(name=request.name, kind="files", place="/docs", origin="added")
        return self._answer("source_remove", request, reply)

    def pause(self, request: wire_service.PauseRequest) -> wire_service.PausedReply:
        paused = [wire_service.PausedSource(name=name, paused=True, changed=True) for name in request.sources]
        return self._answer("pause", request, wire_service.PausedReply(sources=tuple(paused)))

    def resume(self, request: wire_service.PauseRequest) -> wire_service.PausedReply:
        due = time.time() + 299.0
        resumed = [
            wire_service.PausedSource(name=name, paused=False, changed=True, next_run=due) for name in request.sources
        ]
        return self._answer("resume", request, wire_service.PausedReply(sources=tuple(resumed)))

    def reload(self, request: wire_service.ReloadRequest) -> wire_service.ReloadReply:
        reply = wire_service.ReloadReply(added=("wiki",), changed=("docs",), left=("old",), restart=("index.url",))
        return self._answer("reload", request, reply)

    def quarantine_retry(self, request: wire.QuarantineRequest, progress: Any) -> wire.RunsReply:
        self.during(progress)
        return self._answer("quarantine_retry", request, wire.RunsReply(runs=(run_reply(updated=1),)))

    def quarantine_ignore(self, request: wire.QuarantineRequest) -> wire.QuarantineReply:
        ignored = wire.QuarantineReply(items=(ASIDE.model_copy(update={"ignored": True}),), ignored=1)
        return self._answer("quarantine_ignore", request, ignored)

    def plan(self, request: wire.PlanRequest) -> wire.PlanReply:
        items = tuple(f"old/caf%C3%A9-{number}.md" for number in range(30))
        held = wire.PlanReply(source=request.source, plan_id="5f2c9a", reason="Half is gone.", items=items)
        return self._answer("plan", request, held)

    def approve(self, request: wire.ApproveRequest, progress: Any) -> wire.RunsReply:
        self.during(progress)
        return self._answer("approve", request, wire.RunsReply(runs=(run_reply(deleted=30),)))

    def status(self) -> wire.StatusReply:
        return self._answer("status", None, wire.StatusReply(sources=()))

    def runs(self, limit: int, source: str | None) -> wire.RunsReply:
        return self._answer("runs", (limit, source), wire.RunsReply(runs=()))

    def cost(self, source: str | None) -> wire_reading.CostReply:
        return self._answer("cost", source, wire_reading.CostReply(months=()))

    def facts(self) -> wire_reading.StateFacts:
        return self._answer("facts", None, wire_reading.StateFacts(schemas={}, rows={}, sizes={}, free=1))

    def models(self) -> wire_models.ModelsReply:
        return self._answer("models", None, wire_models.ModelsReply(models=()))

    def sample(self, documents: int) -> list[str]:
        return self._answer("sample", documents, [])

    def source_list(self) -> wire.SourcesReply:
        listed = wire.SourceReply(name="docs", kind="files", place="/srv/docs", origin="added")
        return self._answer("source_list", None, wire.SourcesReply(sources=(listed,)))

    def quarantine(self, source: str | None, *, ignored: bool = False) -> wire.QuarantineReply:
        return self._answer("quarantine", (source, ignored), wire.QuarantineReply(items=(ASIDE,)))

    def set_aside(self, target: str, path: str) -> wire.QuarantineItem:
        return self._answer("set_aside", (target, path), ASIDE)

    def why(self, path: str) -> wire_reading.WhyReply:
        return self._answer("why", path, UnknownId(f"{path} lies in no source."))

    def trace(self, chunk_id: str, principals: Any) -> wire_reading.TraceReply:
        return self._answer("trace", (chunk_id, principals), TRACED)

    def answer(self, answer_id: str, principals: Any) -> wire_reading.AnswerReply:
        return self._answer("answer", (answer_id, principals), UnknownId(f"There is no answer {answer_id}."))

    def generate(self, count: int, seed: int, sources: Any, principals: Any) -> Any:
        return self._answer("generate", (count, seed, sources, principals), ())

    def history(self, target: str, path: str, principals: Any) -> wire_reading.HistoryReply:
        return self._answer("history", (target, path, principals), PAST)

    # -- the backend ---------------------------------------------------------------------------

    @contextmanager
    def open_operations(self, context: Context) -> Iterator[Any]:
        self.context = context
        answer = self.answers.get("open")
        if isinstance(answer, Exception):
            raise answer
        yield answer or self

    def read_only(self, context: Context) -> Scripted:
        self.context = context
        return self

    def restore(self, context: Context, archive: Path, progress: Any) -> wire_service.RestoreReply:
        self.context = context
        self.during(progress)
        reply = wire_service.RestoreReply(state_dir="/state", made_at=1.7e9, program="1", sources=1, documents=21)
        return self._answer("restore", archive, reply)

    def running_service(self, context: Context) -> Scripted:
        self.context = context
        answer = self.answers.get("running_service")
        if isinstance(answer, Exception):
            raise answer
        return self

    def run_service(self, context: Context) -> int:
        self.context = context
        return int(self._answer("run_service", None, 0))


@dataclass
class Result:
    code: int
    out: str
    err: str


Invoke = Callable[..., Result]
