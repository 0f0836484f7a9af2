-- What people and sources say of an original, and whether it may be shown. In the same row: a lookup stays one
-- probe. Adding a column with a constant default rewrites nothing, whatever the size of the table.
ALTER TABLE original ADD COLUMN role    TEXT;                       -- what it shows if not the front: 'back', 'spine', …
ALTER TABLE original ADD COLUMN state   TEXT;                       -- NULL: may be shown; 'hidden', 'pending', 'expired'
ALTER TABLE original ADD COLUMN pinned  INTEGER NOT NULL DEFAULT 0; -- a person chose it
ALTER TABLE original ADD COLUMN since   INTEGER NOT NULL DEFAULT 0; -- when it took another's place, seconds since 1970
ALTER TABLE original ADD COLUMN origin  TEXT;                       -- the path or URL that it came from
ALTER TABLE original ADD COLUMN who     TEXT;                       -- who brought it
ALTER TABLE original ADD COLUMN licence TEXT;
ALTER TABLE original ADD COLUMN until   INTEGER;                    -- not shown from then on, seconds since 1970
ALTER TABLE original ADD COLUMN no_crop INTEGER NOT NULL DEFAULT 0; -- may only be shown whole
ALTER TABLE original ADD COLUMN detail  REAL;                       -- effective resolution: share of its pixels, 0 to 1
CREATE INDEX original_until ON original (until) WHERE until IS NOT NULL AND state IS NULL;

-- What a book showed before it had nothing to show: the next picture must not get the same Last-Modified.
CREATE TABLE last_shown (
    scheme INTEGER NOT NULL,
    value  ANY     NOT NULL,
    digest BLOB    NOT NULL,
    mtime  INTEGER NOT NULL,
    PRIMARY KEY (scheme, value)
) WITHOUT ROWID, STRICT;

-- What people hid or removed, so that it stays away whatever brings it again. Digest x'': all of the book's
-- pictures, present and future. Scheme 0, value 0: these bytes, whatever book they come for.
CREATE TABLE hidden (
    scheme INTEGER NOT NULL,
    value  ANY     NOT NULL,
    digest BLOB    NOT NULL,
    at     INTEGER NOT NULL,   -- seconds since 1970
    who    TEXT    NOT NULL,
    note   TEXT    NOT NULL,
    PRIMARY KEY (scheme, value, digest)
) WITHOUT ROWID, STRICT;

-- Bytes that a person let in although many books have them.
CREATE TABLE admitted (
    digest BLOB    PRIMARY KEY,
    at     INTEGER NOT NULL,
    who    TEXT    NOT NULL,
    note   TEXT    NOT NULL
) WITHOUT ROWID, STRICT;

-- For how many ISBNs and publishers refused bytes came: the rule is asked anew with the limits then in force.
-- Older refusals say their number in the reason; fewer than five (the limit then) were of three publishers.
ALTER TABLE refused ADD COLUMN isbns INTEGER NOT NULL DEFAULT 0;
ALTER TABLE refused ADD COLUMN publishers INTEGER NOT NULL DEFAULT 0;
UPDATE refused SET isbns = CAST(substr(reason, instr(reason, ' for ') + 5) AS INTEGER) WHERE instr(reason, ' for ') > 0;
UPDATE refused SET publishers = 3 WHERE isbns BETWEEN 3 AND 4;

-- Who did what to a book's originals, the undo log. What an import adds says so in its own row.
CREATE TABLE history (
    number INTEGER PRIMARY KEY,
    at     INTEGER NOT NULL,   -- seconds since 1970
    who    TEXT    NOT NULL,
    act    TEXT    NOT NULL,   -- 'pin', 'hide', 'replaced', …
    scheme INTEGER NOT NULL,
    value  ANY     NOT NULL,
    digest BLOB,               -- NULL: all of the book's
    source TEXT    NOT NULL,
    origin TEXT,
    note   TEXT    NOT NULL,
    was    TEXT                -- what undoing restores, as JSON; NULL: it cannot be undone
) STRICT;
CREATE INDEX history_of_item ON history (scheme, value, number);

-- What waits for a librarian's review: read oldest first, and removed when it waited for too long.
CREATE INDEX original_pending ON original (added) WHERE state = 'pending';

-- Uploads by the program's own key for each: sent again, one is answered as the first time.
CREATE TABLE once (
    key    TEXT    PRIMARY KEY,
    at     INTEGER NOT NULL,   -- seconds since 1970
    digest BLOB    NOT NULL,
    answer TEXT    NOT NULL    -- JSON
) WITHOUT ROWID, STRICT;
CREATE INDEX once_by_age ON once (at);
