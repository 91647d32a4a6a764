"""``ingestor approve``: look at held deletions and let them happen."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated
from urllib.parse import unquote

import typer

from ingestor.cli.output import ago, clean, emit_json, emit_line
from ingestor.cli.session import Json, operations

if TYPE_CHECKING:
    from ingestor.wire import PlanReply

_SHOWN = 20


def command(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="The source whose deletions are held.")],
    plan: Annotated[
        str | None, typer.Option("--plan", metavar="ID", help="Approve this plan without asking; for scripts.")
    ] = None,
    json: Json = False,
) -> None:
    """Carry out deletions that wait for a person.

    Shows them and asks. Only what a fresh listing still lacks is deleted. With --json and no --plan the
    plan is printed and nothing is changed.

    Examples:
      ingestor approve handbook
      ingestor approve handbook --json
      ingestor approve handbook --plan 5f2c9a
    """
    from ingestor import wire
    from ingestor.cli.finish import finish

    with operations(ctx, verbose=True) as opened:
        if plan is None:
            held = opened.operations.plan(wire.PlanRequest(source=source))
            if json:
                emit_json(held)
                raise typer.Exit(3 if held.plan_id else 0)
            if not held.plan_id:
                emit_line(f"Nothing of {clean(source)} is held.")
                raise typer.Exit(0)
            _show(held)
            plan = _ask(held)
        with opened.working() as report:
            reply = opened.operations.approve(wire.ApproveRequest(source=source, plan_id=plan), report)
        finish(reply, remote=opened.remote, json=json)


def _show(held: PlanReply) -> None:
    emit_line(f"{clean(held.source)}: {len(held.items):,} deletions held {ago(held.created_at)}. {clean(held.reason)}")
    for item in held.items[:_SHOWN]:
        emit_line(f"  {clean(unquote(item, errors='replace'))}")
    if len(held.items) > _SHOWN:
        emit_line(f"  and {len(held.items) - _SHOWN:,} more; all of them: ingestor approve {clean(held.source)} --json")


def _ask(held: PlanReply) -> str:
    """The plan's id when a person says yes."""
    from ingestor.errors import UserError

    if not sys.stdin.isatty():
        raise UserError(
            "Nobody is there to answer, so nothing was deleted.",
            hint=f"In a script: ingestor approve {clean(held.source)} --plan {held.plan_id}",
        )
    sys.stderr.write("Delete them from the index? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        emit_line("Nothing was deleted; they stay held.")
        raise typer.Exit(3)
    return held.plan_id
