"""``ingestor backup``: everything that cannot be made again, in one file, while the service runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from ingestor.cli.output import clean, emit_json, emit_line, span
from ingestor.cli.session import Json, operations


def command(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The backup to write.")],
    force: Annotated[bool, typer.Option("--force", help="Overwrite FILE where it exists.")] = False,
    json: Json = False,
) -> None:
    """Write a backup of the ledger and its vectors into one file, while everything goes on.

    It shows one moment and is whole or not there: FILE gets its name at the end. The service writes it
    when one runs, as its own user. Text of documents is in it, so only its owner may read it. The vector
    index is not in it: `ingestor restore` has it built again, and nothing is embedded for that.

    FILE is a plain tar: SQLite files and manifest.json with their sizes and hashes. It takes as much room
    as they do, and twice that while it is written.

    Examples:
      ingestor backup /backup/ingestor.tar
      ingestor backup --force /backup/ingestor-$(date +%A).tar
    """
    from ingestor import wire_service

    request = wire_service.BackupRequest(path=os.path.abspath(file), overwrite=force)  # noqa: PTH100 - no resolving of links
    with operations(ctx) as opened, opened.working() as report:
        reply = opened.operations.backup(request, report)
    if json:
        emit_json(reply)
    else:
        size = f"{reply.bytes / 1024**2:,.1f} MiB in {span(reply.duration_s)}"
        emit_line(f"{clean(reply.path)}: {', '.join(reply.files)}; {size}")
