"""``ingestor history``: what happened to a document, and what each revision changed."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from ingestor.cli.hits import tagged
from ingestor.cli.output import ago, clean, console, emit_json
from ingestor.cli.principals import As, principals_of
from ingestor.cli.session import Json, place_of, reading

if TYPE_CHECKING:
    from rich.text import Text

    from ingestor.wire_reading import HistoryEvent


def command(
    ctx: typer.Context,
    document: Annotated[str, typer.Argument(metavar="DOCUMENT", help="A file, a document_id or a uri.")],
    who: As = None,
    json: Json = False,
) -> None:
    """Show what happened to a document: its revisions with what they changed, moves, deletions and returns.

    Times are those of the ledger; what was replaced is kept for 30 days.

    Examples:
      ingestor history ~/docs/refunds.md
      ingestor history bd0412515625daa54de2eea39cd2d991 --json
    """
    reply = reading(ctx).history(document, place_of(document), principals_of(who))
    if json:
        emit_json(reply)
        return
    out = console()
    out.print(f"{clean(reply.title)}  {clean(reply.url or reply.uri)}", soft_wrap=True)
    out.print(f"document {reply.document_id}, source {clean(reply.source)}", soft_wrap=True)
    if reply.tags:
        out.print(f"tagged {tagged(reply.tags)}", soft_wrap=True)
    for event in reply.events:
        out.print()
        for line in _told(event):
            out.print(line, soft_wrap=True)


def _told(event: HistoryEvent) -> Iterator[str | Text]:
    from rich.text import Text

    yield Text(f"{ago(event.at):<14}{_headline(event)}", style="bold")
    for line in _changed_lines(event):
        yield Text(f"    {clean(line)}", style="red" if line.startswith("-") else "green")


def _headline(event: HistoryEvent) -> str:
    if event.kind == "moved":
        return f"moved from {event.was} to {event.uri}"
    if event.kind == "deleted":
        return f"left its source ({event.uri})"
    if event.kind == "returned":
        return f"returned as {event.uri}"
    by = f" by {event.author}" if event.author else ""
    what = f"revision {event.revision}{by}" if event.kind == "revision" else f"revision {event.revision} cut anew"
    if not event.known:
        return f"{what}: what it changed is not kept"
    counts = f"{len(event.added)} passages added, {len(event.removed)} removed, {event.kept} kept"
    return f"{what}: {counts}"


def _changed_lines(event: HistoryEvent) -> Iterator[str]:
    """The lines of what came and went that differ; nothing of a first revision, which is all new."""
    if not event.removed and event.revision == 1:
        return
    before = [line for text in event.removed for line in text.splitlines() if line.strip()]
    after = [line for text in event.added for line in text.splitlines() if line.strip()]
    for line in difflib.ndiff(before, after):
        if line[:2] in {"- ", "+ "}:
            yield line
