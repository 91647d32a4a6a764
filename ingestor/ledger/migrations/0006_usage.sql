-- When the last unit of a revision had its vector: between committed and searchable.
ALTER TABLE revision ADD COLUMN embedded_at REAL;

-- What a source cost in a month (of UTC, '2026-11'). It outlives the runs, of which only the last ones are kept.
CREATE TABLE usage (
    source INTEGER NOT NULL REFERENCES source,
    month TEXT NOT NULL,
    documents INTEGER NOT NULL DEFAULT 0,
    embedded INTEGER NOT NULL DEFAULT 0,
    reused INTEGER NOT NULL DEFAULT 0,
    cpu_s REAL NOT NULL DEFAULT 0,
    PRIMARY KEY (source, month)
) WITHOUT ROWID;
