"""``ingestor reload``: the service reads its configuration again."""

from __future__ import annotations

import typer

from ingestor.cli import backend as seam
from ingestor.cli.output import clean, emit_json, emit_line
from ingestor.cli.session import Json, context_of


def command(ctx: typer.Context, json: Json = False) -> None:
    """Let the service read its configuration again, without a restart.

    Sources are added and changed as the file says; one that left the file stays, as an added one. A file with
    problems is refused whole (exit code 2), and the service goes on as before. SIGHUP does the same.

    Example:
      ingestor reload
    """
    from ingestor.wire_service import ReloadRequest

    reply = seam.backend().running_service(context_of(ctx)).reload(ReloadRequest())
    if json:
        emit_json(reply)
        return
    for said, names in (("added", reply.added), ("changed", reply.changed)):
        if names:
            emit_line(f"{said}: {', '.join(map(clean, names))}")
    for name in reply.left:
        emit_line(f"no longer in the file, and kept: {clean(name)} (ingestor source remove {clean(name)})")
    if reply.restart:
        emit_line(f"only after a restart: {', '.join(reply.restart)}")
    if not (reply.added or reply.changed or reply.left or reply.restart):
        emit_line("Nothing has changed.")
