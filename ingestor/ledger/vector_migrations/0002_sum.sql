-- A checksum of each row, unit and vector together: another vector in its place is found, however valid it is.
-- SQLite packs it into four bytes. vector_sum is ours (ingestor.ledger.packing).
ALTER TABLE vector ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
UPDATE vector SET sum = vector_sum(unit, v);
