"""``ingestor rebuild``: the vector index anew, from the ledger."""

from __future__ import annotations

import typer

from ingestor.cli.output import emit_json, emit_line, span
from ingestor.cli.session import Json, operations


def command(
    ctx: typer.Context,
    json: Json = False,
) -> None:
    """Build the vector index anew from the ledger, beside the one that serves, and wait for it.

    Search goes on with the old index until the new one was compared with the ledger, row by row. Nothing
    is read from a source and nothing is embedded; it takes the room of a second index. It is also begun
    by itself: when the index is wrecked, and when more than half of what it holds is dead.

    Examples:
      ingestor rebuild
    """
    from ingestor import wire
    from ingestor.cli.outcome import SUSPENDED_EXIT
    from ingestor.cli.signals import signals

    with operations(ctx) as opened, opened.working() as report:
        reply = opened.operations.rebuild(wire.RebuildRequest(), report)
    if json:
        emit_json(reply)
    elif reply.outcome == "ok":
        emit_line(f"The index was built anew: {reply.rows:,} rows; {span(reply.duration_s)}")
    else:
        emit_line("Suspended; the service or the next command goes on with it.")
    if reply.outcome != "ok":
        raise typer.Exit(128 + signals.received if signals.received is not None else SUSPENDED_EXIT)
