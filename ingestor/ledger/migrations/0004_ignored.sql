-- A person said that a document in quarantine is to be left alone, until its content changes.
ALTER TABLE quarantine ADD COLUMN ignored INTEGER NOT NULL DEFAULT 0;
