"""What the ledger knows of a source's items: those that live, and those that left a while ago. Reads only."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

from connectors.base import WHOLE, ItemId, Scope
from ingestor.ledger.database import Database
from ingestor.ledger.tags import tags_of, unpack_tags
from ingestor.model import Deceased, KnownItem

# Whatever a mail holds at any depth is read by reading the mail: it is due when the first of them is. From the few
# that wait for another try, not from the attachments.
_WAITING = """
WITH RECURSIVE waiting (doc, retry_at) AS (
    SELECT document.container, retry_at FROM quarantine INDEXED BY quarantine_due
    CROSS JOIN document ON document.id = quarantine.doc AND container IS NOT NULL
    WHERE retry_at IS NOT NULL
    UNION ALL
    SELECT document.container, retry_at FROM waiting JOIN document ON document.id = waiting.doc
    WHERE document.container IS NOT NULL
)
"""

# CROSS JOIN fixes the order: from the items of the question, whatever else the tables hold.
_ITEMS = f"""
{_WAITING}
SELECT item.item_id, item.doc, item.version, item.recipe, item.content_hash, item.size, item.file_key,
       item.move_key, item.doubtful, binding.name, binding.url, binding.parent, acl.place,
       quarantine.doc IS NOT NULL, coalesce(quarantine.retry_at, due.retry_at), quarantine.attempts,
       quarantine.ignored, {tags_of("item.doc", "document_tag.origin = 'source' AND document_tag.died IS NULL")}
FROM item
CROSS JOIN document ON document.id = item.doc
CROSS JOIN binding ON binding.doc = item.doc AND binding.died IS NULL
CROSS JOIN acl ON acl.id = binding.acl
LEFT JOIN quarantine ON quarantine.doc = item.doc
LEFT JOIN (SELECT doc, min(retry_at) AS retry_at FROM waiting GROUP BY doc) AS due ON due.doc = item.doc
"""
_KNOWN = f"{_ITEMS} WHERE item.source = :source AND document.container IS NULL"
_ATTACHED = f"{_ITEMS} WHERE item.doc IN (SELECT id FROM document WHERE container = :doc)"

# ItemIds are ASCII, so [scope/, scope0) is exactly what stands beneath ('0' follows '/'). The outer range is
# for the primary key, which an OR alone would make walk the whole source.
_WITHIN = """
AND item.item_id >= :scope AND item.item_id < :above AND (item.item_id = :scope OR item.item_id >= :below)
"""

# From the bindings that ended, whose number is that of the changes; not from the documents.
_DECEASED = """
SELECT document.id, binding.item_id, revision.content_hash, revision.size, commits.at
FROM binding INDEXED BY binding_dead
CROSS JOIN document ON document.id = binding.doc AND document.source = :source AND document.container IS NULL
CROSS JOIN commits ON commits.seq = binding.died AND commits.at >= :since
LEFT JOIN revision ON revision.doc = document.id
    AND revision.number = (SELECT max(latest.number) FROM revision AS latest WHERE latest.doc = document.id)
WHERE binding.died IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM binding AS later WHERE later.doc = binding.doc
                  AND (later.died IS NULL OR later.died > binding.died))
ORDER BY binding.died DESC
"""


def known_items(db: Database, source: int, scope: Scope) -> dict[ItemId, KnownItem]:
    """The live items of ``scope`` that the source lists; costs what the scope holds, not what the source does."""
    if scope == WHOLE:
        rows = db.read(_KNOWN, {"source": source})
    else:
        rows = db.read(_KNOWN + _WITHIN, {"source": source, "scope": scope, "below": f"{scope}/", "above": f"{scope}0"})
    return {ItemId(row[0]): _known(row) for row in rows}


def items_of_files(db: Database, source: int, file_keys: Collection[str]) -> Sequence[KnownItem]:
    """The live items that are these files, wherever they stand."""
    rows = db.read(
        f"{_KNOWN} AND item.file_key IN (SELECT value FROM json_each(:keys))",
        {"source": source, "keys": json.dumps(sorted(file_keys))},
    )
    return [_known(row) for row in rows]


def attached(db: Database, doc: int) -> Sequence[KnownItem]:
    """The live attachments of a document."""
    return [_known(row) for row in db.read(_ATTACHED, {"doc": doc})]


def departed(db: Database, source: int, since: float) -> Sequence[Deceased]:
    """Documents that left at ``since`` or later and live nowhere, latest first."""
    rows = db.read(_DECEASED, {"source": source, "since": since})
    return [
        Deceased(doc=doc, item_id=ItemId(item), content_hash=digest, size=size, died_at=at)
        for doc, item, digest, size, at in rows
    ]


def _known(row: tuple[Any, ...]) -> KnownItem:
    """Columns as ``_KNOWN`` selects them, types as the schema says."""
    (item_id, doc, version, recipe, digest, size, file_key, move_key, doubtful, name, url, parent, place) = row[:13]
    failed, retry_at, attempts, ignored, tags = row[13:]
    return KnownItem(
        item_id=item_id,
        doc=doc,
        version=version,
        recipe=recipe,
        content_hash=digest,
        size=size,
        file_key=file_key,
        move_key=move_key,
        parent=parent,
        place=place,
        name=name,
        url=url,
        doubtful=bool(doubtful),
        failed=bool(failed),
        retry_at=retry_at,
        attempts=attempts or 0,
        ignored=bool(ignored),
        tags=unpack_tags(tags),
    )
