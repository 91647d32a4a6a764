"""``ingestor verify``: compare the index with the ledger."""

from __future__ import annotations

from typing import Annotated

import typer

from ingestor.cli.output import clean, emit_json, emit_line
from ingestor.cli.session import Json, operations


def command(
    ctx: typer.Context,
    repair: Annotated[bool, typer.Option("--repair", help="Mend what differs.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="Name every difference.")] = False,
    json: Json = False,
) -> None:
    """Compare the index with the ledger, row by row. Exit code 4 when they differ.

    Examples:
      ingestor verify
      ingestor verify --list
      ingestor verify --repair
    """
    from ingestor import wire

    with operations(ctx) as opened, opened.working(suspendable=False) as report:
        reply = opened.operations.verify(wire.VerifyRequest(repair=repair, details=listed), report)
    if json:
        emit_json(reply)
    else:
        found = f"lost {reply.lost}, orphan {reply.orphan}, duplicate {reply.duplicate}, stale {reply.stale}"
        emit_line(f"{reply.checked:,} rows checked: " + ("no differences." if reply.ok else f"{found}."))
        if reply.repaired:
            emit_line(f"{reply.repaired:,} rows repaired.")
        elif not reply.ok:
            emit_line("Mend them with: ingestor verify --repair")
        for line in reply.details:
            emit_line(f"  {clean(line)}")
    raise typer.Exit(0 if reply.ok else 4)
