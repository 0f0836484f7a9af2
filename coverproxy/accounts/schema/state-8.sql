-- Covers that each account's pages and programs downloaded, by day of the quota's time zone.
CREATE TABLE downloaded (
    account TEXT    NOT NULL,
    day     TEXT    NOT NULL,       -- YYYY-MM-DD
    size    TEXT    NOT NULL,
    shape   TEXT    NOT NULL,       -- whose form the address had: librarything, openlibrary, …
    n       INTEGER NOT NULL,
    PRIMARY KEY (account, day, size, shape)
) WITHOUT ROWID, STRICT;
CREATE INDEX downloaded_by_day ON downloaded (day);

-- How far each log of the web server's hits was read: kept with the counts, so that no line counts twice.
CREATE TABLE hits_log (
    file  TEXT    NOT NULL PRIMARY KEY,     -- machine, device and inode
    place INTEGER NOT NULL,                 -- bytes that were read
    at    INTEGER NOT NULL                  -- when, in seconds since 1970
) WITHOUT ROWID, STRICT;
