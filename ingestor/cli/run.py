"""``ingestor run``: the service."""

from __future__ import annotations

import typer

from ingestor.cli import backend as seam
from ingestor.cli.session import context_of, set_up_log


def command(ctx: typer.Context) -> None:
    """Keep all sources current, until stopped.

    Watches them, and looks at each in full on its schedule. Logs go to stderr: for people on a
    terminal, one JSON object a line anywhere else. SIGTERM and Ctrl-C end the service at a safe point
    within ten seconds.

    Examples:
      ingestor run
      ingestor --config /etc/ingestor/ingestor.toml run
    """
    context = context_of(ctx)
    set_up_log(context, quiet=False)
    raise typer.Exit(seam.backend().run_service(context))
