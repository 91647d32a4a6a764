"""``ingestor cost``: what the sources cost, by month."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ingestor.cli.output import emit_json, emit_line, print_table
from ingestor.cli.session import Json, reading

if TYPE_CHECKING:
    from ingestor.wire_reading import CostMonth

_HEADINGS = ("month", "source", "documents changed", "units embedded", "reused", "processor time")


def command(
    ctx: typer.Context,
    source: Annotated[str | None, typer.Option("--source", metavar="NAME", help="Only this source.")] = None,
    json: Json = False,
) -> None:
    """Show what each source cost, by month.

    Documents that were added, updated, moved or deleted; sentences (units) that were embedded, or reused because they
    had been before; processor time of reading, parsing, embedding and indexing. Removed sources stay in the account.
    What runs now is added when it ends.

    Examples:
      ingestor cost
      ingestor cost --source handbook --json
    """
    reply = reading(ctx).cost(source)
    if json:
        emit_json(reply)
    elif not reply.months:
        emit_line("Nothing was spent yet.")
    else:
        print_table(_HEADINGS, [_row(month) for month in reply.months], numbers=(2, 3, 4, 5))


def _row(month: CostMonth) -> tuple[str, ...]:
    hours, rest = divmod(round(month.cpu_s), 3600)
    time = f"{hours:,} h {rest // 60:02} min" if hours else f"{rest // 60} min {rest % 60:02} s"
    return (
        month.month,
        month.source,
        f"{month.documents:,}",
        f"{month.embedded:,}",
        f"{month.reused:,}",
        time,
    )
