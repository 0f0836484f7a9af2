-- What all accounts together asked for in vain: bounded, so that its list need not read all of `lacking`.
CREATE TABLE wanted (
    isbn  TEXT    NOT NULL PRIMARY KEY,
    n     INTEGER NOT NULL,             -- how often it was asked for
    last  INTEGER NOT NULL,             -- when last, seconds since 1970
    title TEXT    NOT NULL              -- what the latest request that named it called it; '': none did
) WITHOUT ROWID, STRICT;
INSERT INTO wanted (isbn, n, last, title)
SELECT isbn, sum(n), max(last), max(title) FROM lacking GROUP BY isbn;
