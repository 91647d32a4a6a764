-- Named scopes group sources into a collection of their own in every generation; '' is the one without a name.
ALTER TABLE source ADD COLUMN scope TEXT NOT NULL DEFAULT '';

-- The collections of a generation besides that one: noted before anything is written to them, and taken out when the
-- index acknowledged that it dropped one.
CREATE TABLE collection (
    generation INTEGER NOT NULL REFERENCES generation,
    scope TEXT NOT NULL,
    PRIMARY KEY (generation, scope)
) WITHOUT ROWID;

-- What is to be deleted in one collection, whatever stands in another: ids that nobody knows, and those of a source
-- that left the scope.
ALTER TABLE stray RENAME TO stray_before;
CREATE TABLE stray (
    generation INTEGER NOT NULL REFERENCES generation,
    scope TEXT NOT NULL,
    chunk_id TEXT NOT NULL,
    PRIMARY KEY (generation, scope, chunk_id)
) WITHOUT ROWID;
INSERT INTO stray (generation, scope, chunk_id) SELECT generation, '', chunk_id FROM stray_before;
DROP TABLE stray_before;
