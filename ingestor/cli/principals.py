"""``--as``: who asks, where it is not the owner of the state folder."""

from __future__ import annotations

from typing import Annotated

import typer

As = Annotated[
    str | None,
    typer.Option("--as", metavar="PRINCIPALS", help="Only what they may read: user:NAME,group:NAME,public."),
]


def principals_of(text: str | None) -> tuple[str, ...] | None:
    """Nobody by mistake: an empty or odd list is refused, not read as everybody. Raises ``UserError``."""
    from ingestor.errors import UserError

    if text is None:
        return None
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    odd = [name for name in names if name != "public" and name.partition(":")[0] not in {"user", "group"}]
    odd += [name for name in names if name.endswith(":")]
    if odd or not names:
        raise UserError(
            f"--as takes user:NAME, group:NAME and public, separated by commas, not {', '.join(odd) or 'nothing'}."
        )
    return names
