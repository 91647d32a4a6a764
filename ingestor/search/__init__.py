"""Search: candidates from the keyword and the vector index, scored, resolved in the ledger (R7)."""
