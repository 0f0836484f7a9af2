ALTER TABLE key ADD COLUMN is_waiting INTEGER NOT NULL DEFAULT 0;   -- 1: asked for, and not yet approved
ALTER TABLE key ADD COLUMN no_cover TEXT NOT NULL DEFAULT 'gif';    -- what is shown where there is no cover
ALTER TABLE key ADD COLUMN contact TEXT NOT NULL DEFAULT '';        -- how its owner can be reached
ALTER TABLE key ADD COLUMN account TEXT NOT NULL DEFAULT '';        -- the key it is counted as; '': itself
ALTER TABLE key ADD COLUMN owner TEXT NOT NULL DEFAULT '';          -- SHA-256 of the word that may change it
ALTER TABLE key ADD COLUMN site TEXT NOT NULL DEFAULT '';           -- the site its owner says it is for

-- Keys that visitors asked for themselves: so many a day, so many per contact.
CREATE TABLE signup (
    key     TEXT    PRIMARY KEY,
    contact TEXT    NOT NULL,           -- folded, so that A@x and a@x are one
    at      INTEGER NOT NULL            -- seconds since 1970
) WITHOUT ROWID, STRICT;
CREATE INDEX signup_by_time ON signup (at);
CREATE INDEX signup_by_contact ON signup (contact);

-- ISBNs that had no cover, per account: those asked for most.
CREATE TABLE lacking (
    account TEXT    NOT NULL,
    isbn    TEXT    NOT NULL,           -- 13 digits
    n       INTEGER NOT NULL,           -- how often it was asked for
    last    INTEGER NOT NULL,           -- when last, seconds since 1970
    PRIMARY KEY (account, isbn)
) WITHOUT ROWID, STRICT;

-- What was refused to an account, the latest.
CREATE TABLE refusal (
    id      INTEGER PRIMARY KEY,
    account TEXT    NOT NULL,
    at      INTEGER NOT NULL,           -- seconds since 1970
    label   TEXT    NOT NULL,           -- as X-Cover-Status has it
    detail  TEXT    NOT NULL
) STRICT;
CREATE INDEX refusal_by_account ON refusal (account, id);

-- What the status page draws: sums of answers, by minute (for a day) and by hour (for a month).
CREATE TABLE sample (
    step    INTEGER NOT NULL,           -- seconds that it stands for: 60 or 3600
    at      INTEGER NOT NULL,           -- its first second, since 1970
    answers TEXT    NOT NULL,           -- JSON: how many of each X-Cover-Status
    seconds TEXT    NOT NULL,           -- JSON: how many took up to each bound of the histogram
    PRIMARY KEY (step, at)
) WITHOUT ROWID, STRICT;

-- Signs the forms and sessions of all processes of this service.
CREATE TABLE secret (only INTEGER PRIMARY KEY CHECK (only = 1), value BLOB NOT NULL) STRICT;
