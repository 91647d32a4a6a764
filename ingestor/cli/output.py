"""What reaches a person: plain text made safe for terminals, tables, times. JSON goes out untouched."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from ingestor.wire import Wire

PIPE_WIDTH = 200

# Documents are not ours: what they hold must not move the cursor, colour the screen or turn the text.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    """``text`` without control and direction characters, line breaks and tabs excepted."""
    return _UNSAFE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def emit_json(value: Wire) -> None:
    """One object, one line, on stdout."""
    emit_line(value.model_dump_json())


def emit_line(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def console(*, stderr: bool = False) -> Console:
    """For people. Off a terminal there are no colours, and lines are as long as they need to be."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PIPE_WIDTH
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Sequence[int] = ()) -> None:
    """Columns without lines; those in ``numbers`` stand right."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, heading in enumerate(headings):
        table.add_column(heading, justify="right" if index in numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(clean(cell) for cell in row))
    console().print(table)


def ago(at: float | None, *, now: float | None = None) -> str:
    """A time as a person says it: ``4 min ago``, ``in 2 h``, ``-`` for none."""
    if at is None or at <= 0:
        return "-"
    seconds = (time.time() if now is None else now) - at
    text = span(abs(seconds))
    return f"{text} ago" if seconds >= 0 else f"in {text}"


def span(seconds: float | None) -> str:
    """A duration in the largest unit that fits it: ``0.4 s``, ``12 s``, ``5 min``, ``3 h``, ``2 d``."""
    if seconds is None:
        return "-"
    if seconds < 10:
        return f"{seconds:.1f} s"
    for limit, divisor, unit in ((60, 1, "s"), (3600, 60, "min"), (86400, 3600, "h")):
        if seconds < limit:
            return f"{seconds / divisor:.0f} {unit}"
    return f"{seconds / 86400:.0f} d"
