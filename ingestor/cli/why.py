"""``ingestor why``: why is my file not found?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ingestor.cli.output import ago, clean, emit_json, emit_line, span
from ingestor.cli.session import Json, place_of, reading

if TYPE_CHECKING:
    from ingestor.wire import WhyReply


def command(
    ctx: typer.Context,
    path: Annotated[str, typer.Argument(metavar="PATH", help="A file, or the address of one.")],
    json: Json = False,
) -> None:
    """Say why a file is found by search, or why it is not.

    Names the rule that leaves it out, the reason it was set aside, or the stage that it waits in.

    Examples:
      ingestor why ~/docs/refunds.md
      ingestor why /srv/handbook/draft.docx --json
      ingestor why https://github.com/ORG/REPO.wiki.git/Home.md
    """
    reply = reading(ctx).why(place_of(path))
    if json:
        emit_json(reply)
        return
    emit_line(clean(reply.path))
    emit_line(f"  {clean(reply.verdict)}")
    if reply.hint:
        emit_line(f"  {clean(reply.hint)}")
    for name, value in _facts(reply):
        emit_line(f"  {name + ':':<13}{clean(value)}")


def _facts(reply: WhyReply) -> list[tuple[str, str]]:
    """What is known, in the order in which a file passes the stages."""
    waiting = [
        f"{count:,} {what}"
        for count, what in ((reply.pending_embed, "to embed"), (reply.pending_index, "to index"))
        if count
    ]
    facts: list[tuple[str, str | None]] = [
        ("source", reply.source),
        ("state", reply.state),
        ("rule", reply.rule),
        ("set aside", reply.quarantine),
        ("document", reply.document_id),
        ("revision", None if reply.revision is None else str(reply.revision)),
        ("chunks", None if reply.chunks is None else f"{reply.chunks:,}"),
        ("pending", ", ".join(waiting) or None),
        ("committed", None if reply.committed_at is None else ago(reply.committed_at)),
        ("searchable", None if reply.searchable_at is None else ago(reply.searchable_at)),
        ("lag", None if reply.lag_s is None else span(reply.lag_s)),
        ("out of date", "the file changed since it was read" if reply.stale else None),
    ]
    return [(name, value) for name, value in facts if value]
