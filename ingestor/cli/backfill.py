"""``ingestor backfill``: bring the index up to date with folders, once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ingestor.cli.session import Json, invoker, operations


def command(
    ctx: typer.Context,
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="PATH", help="Folders to read; all sources without.")
    ] = None,
    source: Annotated[
        list[str] | None, typer.Option("--source", metavar="NAME", help="Only this source; may be repeated.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen, write nothing.")] = False,
    json: Json = False,
) -> None:
    """Read folders once and make them searchable.

    Each PATH becomes a source. What has not changed since the last time is neither read nor embedded.
    Ctrl-C suspends at a safe point; the next backfill carries on.

    Examples:
      ingestor backfill ~/docs ~/handbook
      ingestor backfill --source handbook
      ingestor backfill ~/docs --dry-run
    """
    from ingestor import wire
    from ingestor.cli.finish import finish

    request = wire.BackfillRequest(
        paths=tuple(str(path.expanduser().absolute()) for path in paths or []),
        sources=tuple(source or []),
        dry_run=dry_run,
        owner=invoker(),
    )
    with operations(ctx, verbose=True) as opened:
        with opened.working() as report:
            reply = opened.operations.backfill(request, report)
        finish(reply, remote=opened.remote, json=json, dry=dry_run)
