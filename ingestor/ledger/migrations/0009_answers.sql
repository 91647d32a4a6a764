-- What was shown to programs and assistants, where that is asked for: under an id that the answer came with. Chunks go by
-- their own id, for their rows go with retention. reader is a JSON list of principals, NULL the owner of the state folder;
-- question is NULL unless it is to be kept as well.
CREATE TABLE answer (
    id INTEGER PRIMARY KEY,
    answer_id TEXT NOT NULL UNIQUE,
    at REAL NOT NULL,
    reader TEXT,
    question TEXT
);
CREATE INDEX answer_at ON answer (at);
CREATE TABLE answer_passage (
    answer INTEGER NOT NULL REFERENCES answer ON DELETE CASCADE,
    place INTEGER NOT NULL,
    doc INTEGER NOT NULL REFERENCES document,
    chunk_id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (answer, place)
) WITHOUT ROWID;
