-- Items that show something else than before, numbered: programs read on from the number that they have seen.
CREATE TABLE shown_change (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at     INTEGER NOT NULL,   -- seconds since 1970
    scheme INTEGER NOT NULL,
    value  ANY     NOT NULL,
    kind   TEXT    NOT NULL,   -- 'replaced', 'chosen', 'hidden', 'restored', 'removed', 'purged'
    digest BLOB                -- what is shown now; NULL: nothing
) STRICT;
CREATE INDEX shown_change_at ON shown_change (at);

-- Up to which number each webhook has been told.
CREATE TABLE told (
    name   TEXT    PRIMARY KEY,
    number INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
