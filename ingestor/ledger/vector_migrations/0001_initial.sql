-- Unit vectors of one model: little-endian half precision, of length 1. Appended, never changed.
CREATE TABLE vector (
    unit INTEGER PRIMARY KEY,
    v BLOB NOT NULL
);
