-- Where a revision is read as it was, for good; empty where its source has no such place.
ALTER TABLE revision ADD COLUMN pinned_url TEXT NOT NULL DEFAULT '';
