"""The ledger: the SQLite databases that are the truth. The only package with SQL."""
