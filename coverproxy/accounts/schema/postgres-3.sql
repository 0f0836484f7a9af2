-- Covers that each account's pages and programs downloaded, by day of the quota's time zone.
CREATE TABLE downloaded (
    account text   NOT NULL,
    day     text   NOT NULL,        -- YYYY-MM-DD
    size    text   NOT NULL,
    shape   text   NOT NULL,        -- whose form the address had: librarything, openlibrary, …
    n       bigint NOT NULL,
    PRIMARY KEY (account, day, size, shape)
);
CREATE INDEX downloaded_by_day ON downloaded (day);

-- How far each log of the web server's hits was read: kept with the counts, so that no line counts twice.
CREATE TABLE hits_log (
    file  text   NOT NULL PRIMARY KEY,      -- machine, device and inode
    place bigint NOT NULL,                  -- bytes that were read
    at    bigint NOT NULL                   -- when, in seconds since 1970
);
