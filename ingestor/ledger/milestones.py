"""How far the present revision of a document is: when it was embedded, and when it could be found."""

from __future__ import annotations

from ingestor.ledger.database import Transaction

UNSETTLED = """
SELECT 1 FROM chunk CROSS JOIN index_state ON index_state.chunk = chunk.id
CROSS JOIN generation ON generation.id = index_state.generation AND generation.state = 'serving'
WHERE chunk.doc = :doc AND alive = 1 AND written IS NOT wanted
"""
"""Whether a document has chunks that the serving generation does not hold as wanted. CROSS JOIN fixes the
order: from the document; left to itself SQLite walks the whole generation for each document."""

_PRESENT = "doc = :doc AND number = (SELECT revision FROM layout WHERE doc = :doc AND died IS NULL)"


def note_embedded(tx: Transaction, doc: int) -> None:
    """The present revision is embedded once the serving generation lacks no vector for it."""
    tx.execute(
        f"UPDATE revision SET embedded_at = :at WHERE {_PRESENT} AND embedded_at IS NULL"
        f" AND NOT EXISTS ({UNSETTLED} AND ready = 0)",
        {"doc": doc, "at": tx.at},
    )


def note_searchable(tx: Transaction, doc: int) -> None:
    """The present revision is searchable once the serving generation holds all of it; where that took no vector, it
    is embedded at the same moment."""
    tx.execute(
        f"UPDATE revision SET searchable_at = :at, embedded_at = coalesce(embedded_at, :at)"
        f" WHERE {_PRESENT} AND searchable_at IS NULL AND NOT EXISTS ({UNSETTLED})",
        {"doc": doc, "at": tx.at},
    )
