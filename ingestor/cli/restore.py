"""``ingestor restore``: a state folder out of a backup."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ingestor.cli import backend as seam
from ingestor.cli.output import ago, clean, emit_json, emit_line
from ingestor.cli.session import Json, context_of, set_up_log


def command(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `ingestor backup` wrote.")],
    json: Json = False,
) -> None:
    """Fill an empty state folder from a backup.

    Stop the service and move a state folder that is there away first. Every file is compared with the
    hash that it was written with; if this is interrupted, there is no ledger yet: run it again.

    Then start the service or run `ingestor backfill` once. The vector index is built again from the
    restored vectors, search by meaning is exact and slower meanwhile, and nothing is embedded. What
    changed in the sources since the backup is taken in by the first scan, and only that.

    Examples:
      ingestor restore /backup/ingestor.tar
      ingestor --state-dir /srv/elsewhere restore /backup/ingestor.tar
    """
    from ingestor.cli.progress import shown

    context = context_of(ctx)
    set_up_log(context, quiet=True)
    with shown() as report:
        reply = seam.backend().restore(context, file.absolute(), report)
    if json:
        emit_json(reply)
        return
    sources = f"{reply.sources:,} source{'' if reply.sources == 1 else 's'}"
    emit_line(
        f"{clean(reply.state_dir)}: {reply.documents:,} documents of {sources}, as they were {ago(reply.made_at)}."
    )
    emit_line("The service, or `ingestor backfill`, builds the vector index and takes in what changed since.")
