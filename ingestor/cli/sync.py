"""``ingestor sync``: look at sources now instead of at their next scheduled time."""

from __future__ import annotations

from typing import Annotated

import typer

from ingestor.cli.session import Json, operations


def command(
    ctx: typer.Context,
    sources: Annotated[
        list[str] | None, typer.Argument(metavar="SOURCE", help="Names of sources; all without.")
    ] = None,
    json: Json = False,
) -> None:
    """Look at sources now. The service does it when it runs, else this command.

    Examples:
      ingestor sync
      ingestor sync handbook
    """
    from ingestor import wire
    from ingestor.cli.finish import finish

    with operations(ctx, verbose=True) as opened:
        with opened.working() as report:
            reply = opened.operations.sync(wire.SyncRequest(sources=tuple(sources or [])), report)
        finish(reply, remote=opened.remote, json=json)
