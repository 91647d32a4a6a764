-- Deletes that the index acknowledged: its graph keeps their vectors and never shrinks, so that a generation
-- with more dead than live entries is worth building anew.
ALTER TABLE generation ADD COLUMN dead INTEGER NOT NULL DEFAULT 0;
