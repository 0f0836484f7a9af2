-- The catalogue: identifier -> originals. One B-tree probe finds all originals of a book, with all that is
-- known of them; no second table is visited, so that a lookup stays one page deep with 30 million books.
CREATE TABLE original (
    scheme INTEGER NOT NULL,   -- 1: ISBN
    value  ANY     NOT NULL,   -- ISBN: the 13 digits as an integer, half the bytes of text
    digest BLOB    NOT NULL,   -- first 16 bytes of SHA-256
    loader TEXT    NOT NULL,
    width  INTEGER NOT NULL,   -- px, upright
    height INTEGER NOT NULL,
    bytes  INTEGER NOT NULL,
    date   INTEGER NOT NULL,   -- seconds since 1970
    source TEXT    NOT NULL,
    path   TEXT,               -- a referenced file; NULL: in the originals' folder
    fault  TEXT,               -- why it cannot be rendered
    added  INTEGER NOT NULL,   -- when it came in, milliseconds since 1970
    PRIMARY KEY (scheme, value, digest)
) WITHOUT ROWID, STRICT;

-- Who else has the same bytes: "no image" art is known by that.
CREATE INDEX original_by_digest ON original (digest);

-- Books whose derivatives on disk are older than this catalogue: entered with the change, struck out once they
-- are removed. What a killed import leaves here the next one, or the next start, makes up for.
CREATE TABLE stale (
    scheme INTEGER NOT NULL,
    value  ANY     NOT NULL,
    PRIMARY KEY (scheme, value)
) WITHOUT ROWID, STRICT;

CREATE TABLE refused (
    digest BLOB PRIMARY KEY,
    reason TEXT NOT NULL
) WITHOUT ROWID, STRICT;
