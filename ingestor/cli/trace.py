"""``ingestor trace``: where does this passage come from, and is it still true?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ingestor.cli.hits import where
from ingestor.cli.output import ago, clean, emit_json, emit_line
from ingestor.cli.principals import As, principals_of
from ingestor.cli.session import Json, reading

if TYPE_CHECKING:
    from ingestor.wire_reading import TraceReply


def command(
    ctx: typer.Context,
    chunk_id: Annotated[str, typer.Argument(metavar="CHUNK_ID", help="The chunk_id of a hit.")],
    who: As = None,
    json: Json = False,
) -> None:
    """Trace a passage to its source: document, revision, run, and whether it still stands there.

    What was replaced is kept for 30 days, so that an answer given with it can be explained.

    Examples:
      ingestor search "refunds" --json        shows each passage's chunk_id
      ingestor trace 6f0c31d4
      ingestor trace 6f0c31d4 --json
    """
    reply = reading(ctx).trace(chunk_id, principals_of(who))
    if json:
        emit_json(reply)
        return
    emit_line(clean(reply.url or reply.uri))
    emit_line(f"  {_verdict(reply)}")
    for name, value in _facts(reply):
        emit_line(f"  {name + ':':<13}{clean(value)}")
    emit_line("")
    for line in clean(reply.text).splitlines():
        emit_line(f"    {line}" if line.strip() else "")


def _verdict(reply: TraceReply) -> str:
    if reply.current:
        return "This passage stands in its source as of the last run."
    if reply.superseded_at is not None:
        return f"This passage was replaced or deleted {ago(reply.superseded_at)}; no search shows it."
    return "This passage's document has left its source; no search shows it."


def _facts(reply: TraceReply) -> list[tuple[str, str]]:
    facts = [
        ("source", reply.source),
        ("title", reply.title),
        ("section", " > ".join(reply.section)),
        ("place", where(reply)),
        ("document", reply.document_id),
        ("as read", reply.pinned_url),
        ("revision", str(reply.revision) if reply.revision else "past retention"),
        ("committed", ago(reply.ingested_at)),
        ("run", reply.run),
        ("recipe", reply.recipe),
        ("model", reply.model),
    ]
    return [(name, value) for name, value in facts if value]
