"""``ingestor status``: the sources and how current they are."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from ingestor.cli.output import ago, clean, emit_json, emit_line, print_table, span
from ingestor.cli.session import Json, reading

if TYPE_CHECKING:
    from ingestor.wire import JobStatus, SourceStatus, StatusReply

_HEADINGS = (
    *("source", "state", "documents", "chunks", "to embed", "to index", "set aside", "last run", "next", "lag"),
    "scope",
)
"""The last one only where some source has a scope."""


def command(ctx: typer.Context, json: Json = False) -> None:
    """Show every source and how current it is.

    Set aside are documents that could not be read; lag is the time from an edit to its being
    searchable, as median / 95th percentile.

    Examples:
      ingestor status
      ingestor status --json
    """
    reply = reading(ctx).status()
    if json:
        emit_json(reply)
    else:
        _show(reply)


def _show(reply: StatusReply) -> None:
    if not reply.sources:
        emit_line("There are no sources. Name a folder: ingestor backfill FOLDER")
    else:
        rows = [(*_row(source), source.scope) for source in reply.sources]
        shown = len(_HEADINGS) if any(source.scope for source in reply.sources) else len(_HEADINGS) - 1
        print_table(_HEADINGS[:shown], [row[:shown] for row in rows], numbers=(2, 3, 4, 5, 6))
    emit_line(f"Service: {clean(reply.service) or 'not running'}")
    if reply.generation:
        emit_line(f"Index: {clean(reply.generation)}")
    if reply.model:
        emit_line(f"Model: {clean(reply.model)}" + (f"; switching to {clean(reply.switch)}" if reply.switch else ""))
    planned = sorted((job for job in reply.maintenance if job.next_run is not None), key=lambda job: job.next_run or 0)
    if planned:
        emit_line("Maintenance: " + ", ".join(f"{_called(job)} {ago(job.next_run)}" for job in planned))
    for job in reply.maintenance:
        if job.outcome in {"failed", "differs"}:
            sys.stderr.write(f"{_called(job)} {job.outcome} {ago(job.done_at)}: {clean(job.message)}\n")
    if reply.parsers:
        sys.stderr.write(f"Parsers are kept from the network by Python alone: {reply.parsers}.\n")
    if any(source.quarantined for source in reply.sources):
        sys.stderr.write("Documents are set aside: ingestor quarantine list\n")
    for source in reply.sources:
        if source.note:
            sys.stderr.write(f"{clean(source.name)}: {clean(source.note)}\n")
        if source.held:
            sys.stderr.write(f"{clean(source.name)}: {source.held:,} deletions wait for a person\n")
            sys.stderr.write(f"  ingestor approve {clean(source.name)}\n")


def _called(job: JobStatus) -> str:
    return job.job.replace("_", " ")


def _row(source: SourceStatus) -> tuple[str, ...]:
    last = source.last_run
    return (
        source.name,
        source.state,
        f"{source.documents:,}",
        f"{source.chunks:,}",
        f"{source.pending.embed:,}",
        f"{source.pending.index:,}",
        f"{source.quarantined:,}",
        f"{last.outcome}, {ago(last.started_at + last.duration_s)}" if last is not None else "never",
        ago(source.next_run),
        f"{span(source.lag_s.p50)} / {span(source.lag_s.p95)}" if source.lag_s.p50 is not None else "-",
    )
