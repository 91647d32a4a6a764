"""Documents of one chunk, put straight into a ledger."""

from __future__ import annotations

from connectors.base import Grant, ItemId, ItemRef, Scope, Version
from ingestor.ledger.ledger import Ledger
from ingestor.model import Applied, Hash, Passage, PutRevision, Recipe, RunId, Unit

RUN = RunId("r")


def put(
    ledger: Ledger,
    item: str,
    text: str,
    *,
    source: str = "s",
    readers: tuple[str, ...] = ("public",),
    kind: str = "text",
    url: str = "",
    modified_at: float | None = None,
    section: tuple[str, ...] = (),
    tags: tuple[str, ...] | None = None,
    says: tuple[str, ...] = (),
    author: str | None = None,
    doc: int | None = None,
) -> Applied:
    """``section`` is the path above the passage, and its context; ``tags`` are the source's, ``says`` the content's.
    ``doc`` returns there, where nothing stands."""
    unit = Unit(text=text, start=0, end=len(text), weight=len(text))
    grant = Grant(place=f"place of {item}", principals=frozenset(readers))
    known = ledger.sync.known(source, Scope("")).get(ItemId(item))
    op = PutRevision(
        ref=ItemRef(
            item_id=ItemId(item),
            name=item,
            version=Version(text),
            grant=grant,
            url=url,
            modified_at=modified_at,
            tags=tags,
            author=author,
        ),
        doc=known.doc if known else doc,
        content_hash=Hash(text.encode()),
        recipe=Recipe("r"),
        title="",
        kind=kind,
        passages=(
            Passage(
                start=0, end=len(text), text=text, units=(unit,), length=len(text), section=section, context=section
            ),
        ),
        has_lines=False,
        tags=says,
        seen_at=0.0,
    )
    return ledger.sync.apply(source, RUN, [op])
