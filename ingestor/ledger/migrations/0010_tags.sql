-- What documents are tagged with, over time: by their source (a wiki's categories and labels) or by themselves (what
-- their content says of it). folded is what tags are compared by. Who made the content of a revision, where the source
-- says so.
CREATE TABLE document_tag (
    id INTEGER PRIMARY KEY,
    doc INTEGER NOT NULL REFERENCES document,
    origin TEXT NOT NULL CHECK (origin IN ('source', 'content')),
    tag TEXT NOT NULL,
    folded TEXT NOT NULL,
    born INTEGER NOT NULL,
    died INTEGER
);
CREATE UNIQUE INDEX document_tag_live ON document_tag (doc, origin, folded) WHERE died IS NULL;
CREATE INDEX document_tag_named ON document_tag (folded, doc);
CREATE INDEX document_tag_past ON document_tag (doc, died);
CREATE INDEX document_tag_dead ON document_tag (died) WHERE died IS NOT NULL;

ALTER TABLE revision ADD COLUMN author TEXT NOT NULL DEFAULT '';
