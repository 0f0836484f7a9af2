-- The work file of `coverproxy import openlibrary`: which items want which of Open Library's covers. It can be
-- deleted: the dump is then read again.
CREATE TABLE wanted (
    cover  INTEGER NOT NULL,   -- Open Library's number of the picture
    scheme INTEGER NOT NULL,   -- as in the catalogue
    value  ANY     NOT NULL,
    place  INTEGER NOT NULL,   -- among the edition's covers, from 0, the best first
    others TEXT    NOT NULL,   -- other identifiers of the item, as a JSON array of "scheme:value"
    PRIMARY KEY (cover, scheme, value)
) WITHOUT ROWID, STRICT;

CREATE TABLE dump (
    name     TEXT    PRIMARY KEY,
    stamp    TEXT    NOT NULL,   -- its size and mtime, and which list chose
    lines    INTEGER NOT NULL,   -- how many are read
    editions INTEGER NOT NULL,
    is_read  INTEGER NOT NULL
) WITHOUT ROWID, STRICT;

-- Archives whose every wanted cover was tried, for which state of the table above.
CREATE TABLE archive (
    name  TEXT PRIMARY KEY,
    stamp TEXT NOT NULL
) WITHOUT ROWID, STRICT;
