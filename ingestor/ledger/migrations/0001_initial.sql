-- The ledger. Whatever can change about a document is a row with validity [born, died) in the commit
-- sequence; live rows have died NULL and a partial index. Everything else is either immutable or the
-- present observation (item, index_state), of which no past is kept.

-- The commit sequence, with a wall clock that never runs backwards.
CREATE TABLE commits (
    seq INTEGER PRIMARY KEY,
    at REAL NOT NULL
);

CREATE TABLE source (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    settings TEXT NOT NULL,                  -- JSON, secrets by reference only
    origin TEXT NOT NULL CHECK (origin IN ('configured', 'registered')),
    state TEXT NOT NULL DEFAULT 'idle',
    note TEXT NOT NULL DEFAULT '',
    paused INTEGER NOT NULL DEFAULT 0,
    cursor TEXT,
    identity TEXT,                           -- of the root, when absence was last proven (R5)
    proven_at REAL,
    next_run REAL,
    removed_at REAL
);
CREATE UNIQUE INDEX source_live ON source (name) WHERE removed_at IS NULL;

-- A document's identity: random, assigned once (R11).
CREATE TABLE document (
    id INTEGER PRIMARY KEY,
    doc_id TEXT NOT NULL UNIQUE,
    source INTEGER NOT NULL REFERENCES source
);
CREATE INDEX document_source ON document (source);

-- The last processed observation of each live item: what the next listing is compared with.
CREATE TABLE item (
    source INTEGER NOT NULL REFERENCES source,
    item_id TEXT NOT NULL,
    doc INTEGER NOT NULL UNIQUE REFERENCES document,
    version TEXT NOT NULL,
    recipe TEXT NOT NULL,
    content_hash BLOB,
    size INTEGER,
    file_key TEXT,
    move_key TEXT,
    doubtful INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (source, item_id)
) WITHOUT ROWID;

-- Who may read: rows owned by the place that grants, so a changed grant is one row whatever hangs on it.
CREATE TABLE principal (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);
CREATE TABLE acl (
    id INTEGER PRIMARY KEY,
    source INTEGER NOT NULL REFERENCES source,
    place TEXT NOT NULL,
    UNIQUE (source, place)
);
CREATE TABLE acl_principal (
    acl INTEGER NOT NULL REFERENCES acl,
    principal INTEGER NOT NULL REFERENCES principal,
    born INTEGER NOT NULL,
    died INTEGER
);
CREATE UNIQUE INDEX acl_principal_live ON acl_principal (acl, principal) WHERE died IS NULL;
CREATE INDEX acl_principal_dead ON acl_principal (died) WHERE died IS NOT NULL;

-- Where a document stands and how it is called there. An empty title means: called by its name.
CREATE TABLE binding (
    id INTEGER PRIMARY KEY,
    doc INTEGER NOT NULL REFERENCES document,
    item_id TEXT NOT NULL,
    name TEXT NOT NULL,
    title TEXT NOT NULL,
    url TEXT NOT NULL,
    parent TEXT,
    acl INTEGER NOT NULL REFERENCES acl,
    born INTEGER NOT NULL,
    died INTEGER
);
CREATE UNIQUE INDEX binding_live ON binding (doc) WHERE died IS NULL;
CREATE INDEX binding_acl ON binding (acl) WHERE died IS NULL;
CREATE INDEX binding_past ON binding (doc, died);
CREATE INDEX binding_dead ON binding (died) WHERE died IS NOT NULL;

CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL UNIQUE,
    source INTEGER NOT NULL REFERENCES source,
    trigger TEXT NOT NULL,
    scope TEXT NOT NULL,
    started_at REAL NOT NULL,
    ended_at REAL,
    outcome TEXT,
    counts TEXT,                             -- JSON of RunCounts
    message TEXT NOT NULL DEFAULT '',
    plan_id TEXT
);
CREATE INDEX run_source ON run (source, id);

-- One observed content of a document. Times: edited (by the source's clock, where it can be told),
-- seen, committed, searchable (every chunk settled in the serving generation).
CREATE TABLE revision (
    doc INTEGER NOT NULL REFERENCES document,
    number INTEGER NOT NULL,
    content_hash BLOB NOT NULL,
    version TEXT NOT NULL,
    size INTEGER,
    modified_at REAL,
    edited_at REAL,
    seen_at REAL NOT NULL,
    committed_at REAL NOT NULL,
    searchable_at REAL,
    run TEXT NOT NULL,
    PRIMARY KEY (doc, number)
) WITHOUT ROWID;
CREATE INDEX revision_lag ON revision (searchable_at) WHERE searchable_at IS NOT NULL AND edited_at IS NOT NULL;

-- Where the chunks stand in a revision: offsets, lines, anchors, packed. One row however far text moved.
CREATE TABLE layout (
    id INTEGER PRIMARY KEY,
    doc INTEGER NOT NULL REFERENCES document,
    revision INTEGER NOT NULL,
    recipe TEXT NOT NULL,
    kind TEXT NOT NULL,
    packed BLOB NOT NULL,
    born INTEGER NOT NULL,
    died INTEGER
);
CREATE UNIQUE INDEX layout_live ON layout (doc) WHERE died IS NULL;
CREATE INDEX layout_dead ON layout (died) WHERE died IS NOT NULL;

-- Immutable text, by identity. The keyword index stands over it.
CREATE TABLE chunk (
    id INTEGER PRIMARY KEY,
    chunk_id TEXT NOT NULL UNIQUE,
    doc INTEGER NOT NULL REFERENCES document,
    text_hash BLOB NOT NULL,
    text TEXT NOT NULL
);
CREATE INDEX chunk_doc ON chunk (doc);

-- A chunk's life in the present cutting: its units in order (packed ids and weights), and of its place
-- only what stays put when text around it moves (R10).
CREATE TABLE cut (
    id INTEGER PRIMARY KEY,
    chunk INTEGER NOT NULL REFERENCES chunk,
    units BLOB NOT NULL,
    section TEXT NOT NULL,                   -- JSON list, the heading path
    page INTEGER,
    born INTEGER NOT NULL,
    died INTEGER
);
CREATE UNIQUE INDEX cut_live ON cut (chunk) WHERE died IS NULL;
CREATE INDEX cut_past ON cut (chunk, died);
CREATE INDEX cut_dead ON cut (died) WHERE died IS NOT NULL;

-- What is embedded, once per model, whatever chunk it stands in. Vectors are in one file per model.
-- AUTOINCREMENT: an id that once had a vector must never come to mean another text.
CREATE TABLE unit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    hash BLOB NOT NULL UNIQUE,
    text TEXT NOT NULL
);

-- Keyword index: external content over the live chunks, so that 'rebuild' and 'integrity-check' see just
-- these. Rows go by the explicit 'delete' command with the old text, in the same transaction.
CREATE VIEW live_chunk AS
    SELECT chunk.id AS id, chunk.text AS text FROM chunk JOIN cut ON cut.chunk = chunk.id AND cut.died IS NULL;
CREATE VIRTUAL TABLE keyword USING fts5 (
    text, content = 'live_chunk', content_rowid = 'id',
    tokenize = 'porter unicode61 remove_diacritics 2'
);

CREATE TABLE generation (
    id INTEGER PRIMARY KEY,
    model TEXT NOT NULL,
    location TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('building', 'serving', 'kept', 'condemned')),
    manifest TEXT,                           -- of the folder at its last clean close; NULL while in doubt
    created_at REAL NOT NULL
);
CREATE UNIQUE INDEX generation_serving ON generation (state) WHERE state = 'serving';

-- R2. ready: every unit has a vector. A tombstone is alive = 0 and wanted NULL; it goes when the index
-- acknowledged the delete. urgent: narrowings and erasures, written before anything else.
CREATE TABLE index_state (
    generation INTEGER NOT NULL REFERENCES generation,
    chunk INTEGER NOT NULL REFERENCES chunk,
    wanted BLOB,
    written BLOB,
    alive INTEGER NOT NULL,
    ready INTEGER NOT NULL DEFAULT 0,
    urgent INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (generation, chunk)
) WITHOUT ROWID;
CREATE INDEX index_state_embed ON index_state (generation, chunk) WHERE alive = 1 AND ready = 0;
CREATE INDEX index_state_write ON index_state (generation, chunk)
    WHERE alive = 1 AND ready = 1 AND written IS NOT wanted;
CREATE INDEX index_state_dead ON index_state (generation, chunk) WHERE alive = 0;
CREATE INDEX index_state_urgent ON index_state (generation, chunk) WHERE urgent = 1;
CREATE INDEX index_state_chunk ON index_state (chunk);

-- Ids that a probe found in an index though the ledger knows no such chunk: to be deleted there.
CREATE TABLE stray (
    generation INTEGER NOT NULL REFERENCES generation,
    chunk_id TEXT NOT NULL,
    PRIMARY KEY (generation, chunk_id)
) WITHOUT ROWID;

-- Documents that no parser could take, keyed by content and recipe: new content or a new parser tries again.
CREATE TABLE quarantine (
    doc INTEGER PRIMARY KEY REFERENCES document,
    content_hash BLOB NOT NULL,
    recipe TEXT NOT NULL,
    reason TEXT NOT NULL,
    message TEXT NOT NULL,
    hint TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    retry_at REAL,
    since REAL NOT NULL
);

-- Deletions that wait for a person (R5): at most one plan a source.
CREATE TABLE held_plan (
    source INTEGER PRIMARY KEY REFERENCES source,
    plan_id TEXT NOT NULL,
    reason TEXT NOT NULL,
    created_at REAL NOT NULL
);
CREATE TABLE held_item (
    source INTEGER NOT NULL REFERENCES held_plan ON DELETE CASCADE,
    item_id TEXT NOT NULL,
    PRIMARY KEY (source, item_id)
) WITHOUT ROWID;

-- Live documents after each run: the guard measures against the largest of the last day.
CREATE TABLE live_count (
    source INTEGER NOT NULL REFERENCES source,
    at REAL NOT NULL,
    documents INTEGER NOT NULL
);
CREATE INDEX live_count_at ON live_count (source, at);

CREATE TABLE setting (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
