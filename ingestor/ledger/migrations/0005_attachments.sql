-- What hangs on another document: container is the mail, part says which of its attachments ('#attachment=' and the
-- name). Both stay when it leaves, so that it gets its id back when the mail returns, until its last binding goes.
ALTER TABLE document ADD COLUMN container INTEGER REFERENCES document;
ALTER TABLE document ADD COLUMN part TEXT;
CREATE UNIQUE INDEX document_part ON document (container, part) WHERE container IS NOT NULL;

-- What waits for another try is asked for at each listing.
CREATE INDEX quarantine_due ON quarantine (retry_at) WHERE retry_at IS NOT NULL;
