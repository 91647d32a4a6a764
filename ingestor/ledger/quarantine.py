"""Documents that no parser could take: which there are, and what a person decides about them."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from connectors.base import ItemId
from ingestor.ledger.database import Database
from ingestor.model import DocId

_ROWS = """
SELECT document.doc_id, source.name, item.item_id, binding.url, quarantine.reason, quarantine.message, quarantine.hint,
       quarantine.attempts, quarantine.retry_at, quarantine.since, quarantine.ignored
FROM quarantine
CROSS JOIN document ON document.id = quarantine.doc
CROSS JOIN source ON source.id = document.source AND source.removed_at IS NULL
CROSS JOIN item ON item.doc = quarantine.doc
CROSS JOIN binding ON binding.doc = quarantine.doc AND binding.died IS NULL
"""
_CHOSEN = "doc IN (SELECT id FROM document WHERE doc_id IN (SELECT value FROM json_each(?)))"
_AT_ONCE = 500  # documents a transaction: an edit must not wait behind them


@dataclass(frozen=True, kw_only=True, slots=True)
class SetAside:
    """One document in quarantine. ``retry_at``: when it is tried again by itself; None where only new content or a
    new parser makes it worth a try. ``ignored``: a person does not want to hear of it."""

    document_id: DocId
    source: str
    item_id: ItemId
    url: str
    reason: str
    message: str
    hint: str
    attempts: int
    retry_at: float | None
    since: float
    ignored: bool


class Quarantine:
    """What waits in quarantine. What puts documents there and takes them out is ``ledger.sync``."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def all(self) -> Sequence[SetAside]:
        """Of every source, by source and item."""
        rows = self._db.read(f"{_ROWS} ORDER BY source.name, item.item_id")
        return [_set_aside(row) for row in rows]

    def document(self, document_id: str) -> SetAside | None:
        rows = self._db.read(f"{_ROWS} WHERE document.doc_id = ?", (document_id,))
        return _set_aside(rows[0]) if rows else None

    def item(self, source: str, item_id: ItemId) -> SetAside | None:
        rows = self._db.read(f"{_ROWS} WHERE source.name = ? AND item.item_id = ?", (source, item_id))
        return _set_aside(rows[0]) if rows else None

    def retry(self, documents: Collection[DocId]) -> None:
        """The next run over their source parses them again, as if for the first time; no person ignores them any
        more."""
        self._update("attempts = 0, retry_at = 0, ignored = 0", documents)

    def ignore(self, documents: Collection[DocId]) -> None:
        """They are not tried again by themselves and count nowhere, until their content changes."""
        self._update("retry_at = NULL, ignored = 1", documents)

    def _update(self, what: str, documents: Collection[DocId]) -> None:
        ordered = sorted(documents)
        for start in range(0, len(ordered), _AT_ONCE):
            with self._db.write() as tx:
                tx.execute(
                    f"UPDATE quarantine SET {what} WHERE {_CHOSEN}", (json.dumps(ordered[start : start + _AT_ONCE]),)
                )


def _set_aside(row: Sequence[object]) -> SetAside:
    """Columns as ``_ROWS`` selects them, types as the schema says."""
    names = ("document_id", "source", "item_id", "url", "reason", "message", "hint", "attempts", "retry_at", "since")
    values: dict[str, object] = dict(zip(names, row, strict=False))
    return SetAside(**values, ignored=bool(row[-1]))  # type: ignore[arg-type]
