-- Where in the file at "path" an original's bytes begin, its length being "bytes"; NULL: it is the whole file.
-- Public archives of covers are read in place: fifteen million pictures need not lie on the disk twice.
ALTER TABLE original ADD COLUMN begins INTEGER;

-- What senders' records gave, by the sender's own name for each: a later record under the same name replaces
-- it or takes it back, also where it names another item by then.
CREATE TABLE feed_record (
    source    TEXT    NOT NULL,
    reference TEXT    NOT NULL,
    scheme    INTEGER NOT NULL,   -- as in "original"
    value     ANY     NOT NULL,
    digest    BLOB    NOT NULL,
    stamp     TEXT    NOT NULL,   -- what the sender said of the picture: while it says the same, it is not fetched again
    seen      INTEGER NOT NULL,   -- the start of the file that named it last, milliseconds since 1970
    PRIMARY KEY (source, reference)
) WITHOUT ROWID, STRICT;
CREATE INDEX feed_record_of_item ON feed_record (scheme, value);

-- How far each file of a sender is read. Written in the transaction that enters what was read, so a killed
-- run goes on after the last step that it entered.
CREATE TABLE feed_file (
    source  TEXT    NOT NULL,
    name    TEXT    NOT NULL,
    stamp   TEXT    NOT NULL,   -- its size and mtime: another file under the same name begins anew
    started INTEGER NOT NULL,   -- milliseconds since 1970
    done    INTEGER NOT NULL,   -- how many steps of it are entered
    ended   INTEGER,            -- seconds since 1970; NULL: it is not read to its end
    again   INTEGER,            -- when it is to be read again: it has pictures that may be shown from then on
    added   INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    note    TEXT    NOT NULL,   -- why the rest of it cannot be read
    PRIMARY KEY (source, name)
) WITHOUT ROWID, STRICT;

-- Which items are editions of one work.
CREATE TABLE work_item (
    work   TEXT    NOT NULL,    -- "openlibrary:OL45804W", "csv:…"
    scheme INTEGER NOT NULL,
    value  ANY     NOT NULL,
    PRIMARY KEY (work, scheme, value)
) WITHOUT ROWID, STRICT;
CREATE INDEX work_item_of_item ON work_item (scheme, value);

-- Pairs of items that somebody declared to be editions of each other; each pair in both directions.
CREATE TABLE edition (
    scheme       INTEGER NOT NULL,
    value        ANY     NOT NULL,
    other_scheme INTEGER NOT NULL,
    other_value  ANY     NOT NULL,
    relation     TEXT    NOT NULL,   -- 'format', 'edition', 'translation'
    linked_by    TEXT    NOT NULL,   -- 'marc-776', 'csv', …
    PRIMARY KEY (scheme, value, other_scheme, other_value)
) WITHOUT ROWID, STRICT;
