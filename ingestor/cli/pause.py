"""``ingestor pause`` and ``ingestor resume``: leave sources alone, and look at them again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ingestor.cli.output import ago, clean, emit_json, emit_line
from ingestor.cli.session import Json, operations

if TYPE_CHECKING:
    from ingestor.wire_service import PausedReply

Sources = Annotated[list[str], typer.Argument(metavar="SOURCE...", help="Names of sources.")]


def pause(ctx: typer.Context, sources: Sources, json: Json = False) -> None:
    """Leave sources alone until `ingestor resume`, also over restarts.

    What runs is suspended at a safe point. Documents stay searchable as they are; what changes in the source
    meanwhile, permissions too, is not seen. `ingestor sync SOURCE` still looks at it once.

    Example:
      ingestor pause handbook
    """
    from ingestor.wire_service import PauseRequest

    with operations(ctx) as opened:
        reply = opened.operations.pause(PauseRequest(sources=tuple(sources)))
    _show(reply, json=json)


def resume(ctx: typer.Context, sources: Sources, json: Json = False) -> None:
    """Look at paused sources again: a running service at once, and on schedule.

    Example:
      ingestor resume handbook
    """
    from ingestor.wire_service import PauseRequest

    with operations(ctx) as opened:
        reply = opened.operations.resume(PauseRequest(sources=tuple(sources)))
    _show(reply, json=json)


def _show(reply: PausedReply, *, json: bool) -> None:
    if json:
        emit_json(reply)
        return
    for source in reply.sources:
        said = "is paused" if source.paused else "is looked at again"
        if not source.changed:
            said = "was paused already" if source.paused else "was not paused"
        following = f"; next by schedule {ago(source.next_run)}" if source.next_run is not None else ""
        emit_line(f"{clean(source.name)} {said}{following}")
