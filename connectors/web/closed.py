"""What everybody could read and nobody can now: a wiki that was open and closed."""

from __future__ import annotations

from collections.abc import Iterator

from connectors.base import Change, Checkpoint, ItemId, Scope, Unreadable


def hidden(scope: Scope) -> Iterator[Change | Checkpoint]:
    """R7: it is shown to nobody; R5: and deleted it is not."""
    yield Unreadable(item_id=ItemId(scope), reason="The wiki does not let everybody read any more.", hides=True)
    yield Checkpoint(scope=scope, unproven=(scope,))
