"""Scopes: which collection of each generation holds the rows of a source, and what a source leaves behind there.

A row belongs to the collection of its source's scope, so that ``index_state`` names none. What has to go from another
one is a stray there; a collection that nobody's rows belong to is vacated, and dropped whole.
"""

from __future__ import annotations

from ingestor.ledger.database import Transaction

VACATED = """
SELECT scope FROM collection WHERE collection.generation = :generation
AND NOT EXISTS (SELECT 1 FROM source WHERE source.scope = collection.scope)
"""
"""The collections of a generation that no source is in. A removed one leaves its scope when it has given up all."""

_CHUNKS = "SELECT chunk.id FROM document JOIN chunk ON chunk.doc = document.id WHERE document.source = :source"


def note_scope(tx: Transaction, scope: str) -> None:
    """Every generation may have a collection of this scope from now on."""
    if scope:
        tx.execute(
            "INSERT OR IGNORE INTO collection (generation, scope)"
            " SELECT id, ? FROM generation WHERE state != 'condemned'",
            (scope,),
        )


def rescope(tx: Transaction, source: int, scope: str) -> None:
    """The rows of a source belong to the collection of ``scope`` from now on (R2); whoever calls notes it. In one
    transaction, though it may be large: a source is in one scope or in the other, and in no moment in both or in none.
    """
    _ = tx.seq  # a commit with a number, like all that changes what is found
    given = {"source": source, "scope": scope}
    # Also what was never acknowledged: whether it was written is unknown (R3).
    tx.execute(
        """
        INSERT OR IGNORE INTO stray (generation, scope, chunk_id)
        SELECT index_state.generation, source.scope, chunk.chunk_id FROM source
        CROSS JOIN document ON document.source = source.id CROSS JOIN chunk ON chunk.doc = document.id
        CROSS JOIN index_state ON index_state.chunk = chunk.id WHERE source.id = :source
        """,
        given,
    )
    tx.execute(f"DELETE FROM index_state WHERE alive = 0 AND chunk IN ({_CHUNKS})", given)
    tx.execute(f"UPDATE index_state SET written = NULL WHERE written IS NOT NULL AND chunk IN ({_CHUNKS})", given)
    tx.execute("UPDATE source SET scope = :scope WHERE id = :source", given)
