-- What stands with a chunk outside of its text (title and headings above it, a table's header), a line each. A chunk is
-- found by it as by its text, and for less. Empty until the document is cut anew.
ALTER TABLE cut ADD COLUMN context TEXT NOT NULL DEFAULT '';

DROP TABLE keyword;
DROP VIEW live_chunk;
CREATE VIEW live_chunk AS
    SELECT chunk.id AS id, chunk.text AS text, cut.context AS context
    FROM chunk JOIN cut ON cut.chunk = chunk.id AND cut.died IS NULL;
CREATE VIRTUAL TABLE keyword USING fts5 (
    text, context, content = 'live_chunk', content_rowid = 'id',
    tokenize = 'porter unicode61 remove_diacritics 2'
);
INSERT INTO keyword (keyword) VALUES ('rebuild');
