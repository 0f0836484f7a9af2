-- What people are told, by mail or webhook: a row for each addressee. Rows of what was told are kept for some
-- weeks, so that nothing is told twice.
CREATE TABLE notice (
    number    INTEGER PRIMARY KEY AUTOINCREMENT,
    once      TEXT    NOT NULL,       -- what makes it this notice and no other
    way       TEXT    NOT NULL,       -- 'mail', 'hook'
    whom      TEXT    NOT NULL,       -- an address, or a webhook's name
    kind      TEXT    NOT NULL,
    at        INTEGER NOT NULL,       -- seconds since 1970, as all moments
    facts     TEXT    NOT NULL,       -- JSON
    is_digest INTEGER NOT NULL,
    due       INTEGER NOT NULL,       -- nobody sends it before; a process that sends it moves this on
    failures  INTEGER NOT NULL,
    fault     TEXT    NOT NULL,
    ended     INTEGER,                -- when it was sent, or given up
    UNIQUE (once, way, whom)
) STRICT;
CREATE INDEX notice_due ON notice (way, due) WHERE ended IS NULL;
CREATE INDEX notice_ended ON notice (ended) WHERE ended IS NOT NULL;

-- States whose changes are told once, whichever process of whichever node sees them: a source, a key.
CREATE TABLE notice_state (
    name  TEXT NOT NULL PRIMARY KEY,
    state TEXT NOT NULL
) WITHOUT ROWID, STRICT;
