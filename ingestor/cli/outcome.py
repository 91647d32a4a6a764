"""Finished runs as the command line shows them: sentences, the canonical line, the exit code. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ingestor.cli.output import clean, span
from ingestor.wire import RunReply, RunsReply

SUSPENDED_EXIT = 143


def exit_code(reply: RunsReply, signum: int | None = None) -> int:
    """The gravest outcome decides: a signal, then failed or an index that could not follow, then held or
    unavailable, then new item failures."""
    outcomes = {run.outcome for run in reply.runs}
    if "suspended" in outcomes:
        return 128 + signum if signum is not None else SUSPENDED_EXIT
    if "failed" in outcomes or reply.index_note:
        return 4
    if outcomes & {"held", "unavailable"}:
        return 3
    if "partial" in outcomes or any(run.documents.failed for run in reply.runs):
        return 1
    return 0


def summary(reply: RunsReply, *, dry: bool = False) -> list[str]:
    """What happened, a line per source."""
    if not reply.runs:
        return ["There are no sources, or all are paused. Name a folder: ingestor backfill FOLDER"]
    lines = ["Dry run: nothing was written."] if dry else []
    return lines + [_sentence(run) for run in reply.runs] + ([clean(reply.index_note)] if reply.index_note else [])


def _sentence(run: RunReply) -> str:
    d = run.documents
    counts = [
        (d.added, "added"),
        (d.updated, "updated"),
        (d.moved, "moved"),
        (d.deleted, "deleted"),
        (d.unchanged, "unchanged"),
        (d.failed, "failed"),
    ]
    said = ", ".join(f"{n:,} {word}" for n, word in counts if n) or "nothing there"
    work = f"{run.chunks.added:,} chunks added, {run.chunks.removed:,} removed, {run.embedded:,} units embedded"
    how = "" if run.outcome == "ok" else f" [{run.outcome}]"
    return f"{clean(run.source)}{how}: {said}; {work}; {span(run.duration_s)}"


def advice(runs: Sequence[RunReply]) -> list[str]:
    """What a person has to know or do next, for stderr."""
    lines = []
    for run in runs:
        name = clean(run.source)
        said = f" {clean(run.message)}" if run.message else ""
        match run.outcome:
            case "held":
                lines.append(f"{name}: deletions wait for a person.{said}\n  ingestor approve {_quoted(name)}")
            case "unavailable":
                lines.append(f"{name}: the source cannot be reached, nothing was deleted.{said}")
            case "suspended":
                lines.append(f"{name}: suspended; the next run carries on.{said}")
            case "failed":
                lines.append(f"{name}: the run failed.{said}")
            case _:
                if run.documents.failed:
                    lines.append(f"{name}:{said or f' {_documents(run.documents.failed)} could not be read.'}")
                    lines.append("  ingestor quarantine list shows them with their reasons")
    return lines


def _documents(count: int) -> str:
    return f"{count:,} document" if count == 1 else f"{count:,} documents"


def _quoted(name: str) -> str:
    import shlex

    return shlex.quote(name)
