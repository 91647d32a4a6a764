"""Ledger rows and reports as wire models. Light: ``status`` imports it."""

from __future__ import annotations

from ingestor import wire
from ingestor.ledger.sources import SourceRow
from ingestor.model import RunReport


def run_reply(report: RunReport) -> wire.RunReply:
    counts = report.counts
    return wire.RunReply(
        source=report.source,
        trigger=report.trigger.value,
        outcome=report.outcome.value,
        documents=wire.DocumentCounts(
            added=counts.added,
            updated=counts.updated,
            moved=counts.moved,
            deleted=counts.deleted,
            unchanged=counts.unchanged,
            failed=counts.failed,
        ),
        chunks=wire.ChunkCounts(added=counts.chunks_added, removed=counts.chunks_removed, kept=counts.chunks_kept),
        embedded=counts.embedded,
        index_writes=counts.index_writes,
        bytes_read=counts.bytes_read,
        duration_s=round(report.ended_at - report.started_at, 3),
        reused=counts.reused,
        message=report.message,
        plan_id=report.plan_id,
        run_id=report.run_id,
        started_at=report.started_at,
    )


def source_reply(row: SourceRow, *, created: bool = False) -> wire.SourceReply:
    place = row.settings.get("path") or row.settings.get("url") or ""
    return wire.SourceReply(
        name=row.name, kind=row.kind, place=str(place), origin=row.origin, created=created, scope=row.scope
    )


def canonical(run: wire.RunReply) -> dict[str, object]:
    """The fields of the ``run_finished`` event."""
    return {
        "run_id": run.run_id,
        "source": run.source,
        "trigger": run.trigger,
        "outcome": run.outcome,
        **run.documents.model_dump(),
        "chunks_added": run.chunks.added,
        "chunks_removed": run.chunks.removed,
        "embedded": run.embedded,
        "reused": run.reused,
        "index_writes": run.index_writes,
        "bytes_read": run.bytes_read,
        "duration_s": run.duration_s,
        **({"message": run.message} if run.message else {}),
    }
