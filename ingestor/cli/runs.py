"""``ingestor runs``: what happened lately."""

from __future__ import annotations

from typing import Annotated

import typer

from ingestor.cli.output import ago, emit_json, emit_line, print_table, span
from ingestor.cli.session import Json, reading

_HEADINGS = ("when", "source", "by", "outcome", "added", "updated", "moved", "deleted", "failed", "embedded", "took")


def command(
    ctx: typer.Context,
    source: Annotated[str | None, typer.Option("--source", metavar="NAME", help="Only this source.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many, latest first.")] = 20,
    json: Json = False,
) -> None:
    """Show the latest runs with their counts.

    Examples:
      ingestor runs
      ingestor runs --source handbook --limit 5
    """
    reply = reading(ctx).runs(limit, source)
    if json:
        emit_json(reply)
    elif not reply.runs:
        emit_line("There were no runs yet.")
    else:
        rows = [
            (
                ago(run.started_at),
                run.source,
                run.trigger,
                run.outcome,
                f"{run.documents.added:,}",
                f"{run.documents.updated:,}",
                f"{run.documents.moved:,}",
                f"{run.documents.deleted:,}",
                f"{run.documents.failed:,}",
                f"{run.embedded:,}",
                span(run.duration_s),
            )
            for run in reply.runs
        ]
        print_table(_HEADINGS, rows, numbers=(4, 5, 6, 7, 8, 9))
