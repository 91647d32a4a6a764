"""What one listing of a source said, gathered before anything is decided."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import assert_never

from connectors.base import (
    WHOLE,
    Change,
    Checkpoint,
    Deleted,
    ItemId,
    ItemRef,
    Moved,
    Scope,
    Unreadable,
    Upserted,
)


@dataclass(kw_only=True, slots=True)
class Listing:
    """The changes of a listing of ``scopes``. ``untold``: something exists that the source could not tell of, so
    that a journal must tell it again (R4). ``broken``: the sentence that ended the listing before its end."""

    scopes: tuple[Scope, ...]
    identity_before: str
    identity_after: str = ""
    listed: dict[ItemId, ItemRef] = field(default_factory=dict)
    moved: dict[ItemId, ItemRef] = field(default_factory=dict)
    deleted: list[ItemId] = field(default_factory=list)
    unreadable: dict[ItemId, str] = field(default_factory=dict)
    untold: bool = False
    hidden: list[Scope] = field(default_factory=list)
    checkpoints: list[Checkpoint] = field(default_factory=list)
    broken: str = ""

    def add(self, change: Change | Checkpoint) -> None:
        """The last word on an item counts: a journal may have told of it before."""
        match change:
            case Upserted(ref=ref):
                self.listed[ref.item_id] = ref
            case Deleted(item_id=item_id):
                self.listed.pop(item_id, None)
                self.deleted.append(item_id)
            case Moved(item_id=item_id, ref=ref):
                self.listed.pop(item_id, None)
                self.listed[ref.item_id] = ref
                self.moved[item_id] = ref
            case Unreadable(item_id=item_id, reason=reason, hides=hides):
                self.unreadable[item_id] = reason
                self.untold = True
                if hides:
                    self.hidden.append(Scope(item_id))
            case Checkpoint():
                self.checkpoints.append(change)
            case _:
                assert_never(change)

    @property
    def whole(self) -> bool:
        """Whether this was a complete listing of the whole source."""
        return not self.broken and any(mark.complete and mark.scope == WHOLE for mark in self.checkpoints)

    @property
    def cursor(self) -> str | None:
        """R4: of a listing of the whole source only; the mark of a part says nothing of what changed elsewhere."""
        cursors = [mark.cursor for mark in self.checkpoints if mark.cursor is not None and mark.scope == WHOLE]
        return cursors[-1] if cursors else None

    def grants(self) -> dict[str, frozenset[str]]:
        """Who may read at each place that was listed."""
        seen: dict[str, frozenset[str]] = {}
        for ref in self.listed.values():
            before = seen.get(ref.grant.place)
            # Two answers for one place within one listing: it changed meanwhile; the narrower is safe.
            seen[ref.grant.place] = ref.grant.principals if before is None else before & ref.grant.principals
        return seen
