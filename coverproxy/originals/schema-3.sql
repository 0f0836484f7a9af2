-- What sources gave: which original came of which book from which source, how to ask whether it changed, and
-- how long it may be kept. A row stays when its original goes, so that "changed" and "the same picture for
-- many books" are still known.
CREATE TABLE fetched (
    scheme     INTEGER NOT NULL,
    value      ANY     NOT NULL,   -- as in "original"
    source     TEXT    NOT NULL,
    digest     BLOB    NOT NULL,
    etag       TEXT,
    modified   TEXT,               -- Last-Modified, as sent
    due        INTEGER,            -- when to ask again, seconds since 1970; NULL: never
    keep_until INTEGER,            -- when the original has to go, seconds since 1970; NULL: it stays
    PRIMARY KEY (scheme, value, source)
) WITHOUT ROWID, STRICT;
CREATE INDEX fetched_by_digest ON fetched (digest);
CREATE INDEX fetched_due ON fetched (due) WHERE due IS NOT NULL;
CREATE INDEX fetched_keep_until ON fetched (keep_until) WHERE keep_until IS NOT NULL;
