-- The models that units were embedded with, by fingerprint, and the name that loads each. A name may come to
-- mean other files: that is another model.
CREATE TABLE model (
    model TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    added_at REAL NOT NULL
) WITHOUT ROWID;

-- The wish to search by another model. It is open while outcome is NULL (at most one is), and is fulfilled by the
-- transaction that makes a generation of that model serve. It outlives the generations that are built for it.
CREATE TABLE model_switch (
    id INTEGER PRIMARY KEY,
    model TEXT NOT NULL,
    keep_s REAL NOT NULL,                    -- how long what served goes on following the ledger, for a rollback
    questions TEXT,                          -- the evaluation set, one JSON object a line
    margin REAL NOT NULL,                    -- how much less of the answers may be found than before
    report TEXT NOT NULL DEFAULT '',         -- what the evaluation found, JSON
    outcome TEXT CHECK (outcome IN ('done', 'refused', 'cancelled')),
    begun_at REAL NOT NULL,
    ended_at REAL
);
CREATE UNIQUE INDEX model_switch_open ON model_switch (outcome IS NULL) WHERE outcome IS NULL;

-- A kept generation follows the ledger until then; NULL: it goes with the next sweep.
ALTER TABLE generation ADD COLUMN kept_until REAL;
