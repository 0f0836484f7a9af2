-- What every source was asked for and none has, until when that is believed. The cap on rows is kept by the code.
CREATE TABLE absent (
    scheme TEXT NOT NULL,
    value  TEXT NOT NULL,
    until  REAL NOT NULL,               -- seconds since 1970
    PRIMARY KEY (scheme, value)
) WITHOUT ROWID, STRICT;
CREATE INDEX absent_until ON absent (until);

-- Sources that wished to be left alone (429, Retry-After), so that no other process has to be told.
CREATE TABLE pause (
    source TEXT PRIMARY KEY,
    until  REAL NOT NULL                -- seconds since 1970
) WITHOUT ROWID, STRICT;
