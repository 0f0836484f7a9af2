CREATE TABLE key (
    name        TEXT    PRIMARY KEY,
    label       TEXT    NOT NULL,
    daily_limit INTEGER NOT NULL,
    strict      INTEGER NOT NULL,   -- 1: errors are answered as errors
    sites       TEXT    NOT NULL,   -- JSON list of hosts; []: any
    created_at  INTEGER NOT NULL,   -- seconds since 1970
    revoked_at  INTEGER             -- NULL: active
) STRICT;

-- Raised by every change of a key, so that other processes see it with one cheap read.
CREATE TABLE key_version (version INTEGER NOT NULL) STRICT;
INSERT INTO key_version VALUES (1);
CREATE TRIGGER key_inserted AFTER INSERT ON key BEGIN UPDATE key_version SET version = version + 1; END;
CREATE TRIGGER key_updated AFTER UPDATE ON key BEGIN UPDATE key_version SET version = version + 1; END;
CREATE TRIGGER key_deleted AFTER DELETE ON key BEGIN UPDATE key_version SET version = version + 1; END;

-- Covers made from originals, per key and day of the quota's time zone.
CREATE TABLE made (
    key TEXT    NOT NULL,
    day TEXT    NOT NULL,           -- YYYY-MM-DD
    n   INTEGER NOT NULL CHECK (n >= 0),
    PRIMARY KEY (key, day)
) WITHOUT ROWID, STRICT;

-- When a key's automated clients will have used up what they were given (GCRA's theoretical arrival time).
CREATE TABLE pace (
    key TEXT PRIMARY KEY,
    due REAL NOT NULL               -- seconds since 1970
) WITHOUT ROWID, STRICT;
