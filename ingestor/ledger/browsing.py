"""The documents of a source in the order of their ids, a page at a time, for who may see them (R7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from connectors.base import ItemId
from ingestor.ledger.database import Database
from ingestor.ledger.filters import visible
from ingestor.ledger.packing import shown_title, unpack_layout
from ingestor.model import DocId, Filters, Reader

_EVERYTHING = Filters()


@dataclass(frozen=True, kw_only=True, slots=True)
class Shelved:
    """One document as a list shows it. ``changed_at``: when its content was last changed."""

    document_id: DocId
    item_id: ItemId
    title: str
    url: str
    kind: str
    revision: int
    chunks: int
    changed_at: float


def shelf(db: Database, source: str, after: str, count: int, reader: Reader) -> Sequence[Shelved]:
    """So many documents behind the item ``after``; none of a source that is not there."""
    shown, parameters = visible(reader, _EVERYTHING)
    # From the items of the source in the order of their key; each row is asked whether it may be seen.
    rows = db.read(
        f"""
        SELECT document.doc_id, item.item_id, binding.title, binding.name, binding.url, layout.kind, layout.revision,
               layout.packed, coalesce(revision.modified_at, revision.committed_at)
        FROM source CROSS JOIN item ON item.source = source.id AND item.item_id > :after
        CROSS JOIN document ON document.id = item.doc
        CROSS JOIN binding ON binding.doc = document.id AND binding.died IS NULL
        CROSS JOIN layout ON layout.doc = document.id AND layout.died IS NULL
        CROSS JOIN revision ON revision.doc = layout.doc AND revision.number = layout.revision
        WHERE source.name = :name AND source.removed_at IS NULL {"AND " if shown else ""}{shown}
        ORDER BY item.item_id LIMIT :count
        """,
        {"name": source, "after": after, "count": count, **parameters},
    )
    return [
        Shelved(
            document_id=DocId(key),
            item_id=ItemId(item_id),
            title=shown_title(title, name),
            url=url,
            kind=kind,
            revision=revision,
            chunks=len(unpack_layout(packed)),
            changed_at=changed_at,
        )
        for key, item_id, title, name, url, kind, revision, packed, changed_at in rows
    ]
