"""``ingestor health``: whether the service is well; what a container's HEALTHCHECK runs."""

from __future__ import annotations

from typing import Annotated

import typer

from ingestor.cli.output import clean, emit_json, emit_line
from ingestor.cli.session import Json, context_of


def command(
    ctx: typer.Context,
    ready: Annotated[bool, typer.Option("--ready", help="Ask whether it is ready, not only whether it lives.")] = False,
    json: Json = False,
) -> None:
    """Say whether the service is well; exit code 0 when it is, 4 when it is not or does not run.

    It lives while its ledger is undamaged and none of its loops is frozen. It is ready when the model is loaded too,
    and the first scan of every source was asked for. Whether sources can be reached is no part of either.

    Examples:
      ingestor health
      ingestor health --ready
    """
    from ingestor.web.client import health

    reply = health(context_of(ctx).state)
    well = reply.ready if ready else reply.live
    if json:
        emit_json(reply)
    else:
        emit_line("ready" if reply.ready else "alive, not ready" if reply.live else "not well")
        for name, said in reply.checks.items():
            if said != "ok":
                emit_line(f"{name.replace('_', ' ')}: {clean(said)}")
        for note in reply.notes:
            emit_line(clean(note))
    if not well:
        raise typer.Exit(4)
