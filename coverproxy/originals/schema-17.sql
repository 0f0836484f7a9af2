-- What senders call an item, under each identifier that they gave for it; a cover is not needed.
CREATE TABLE title (
    scheme INTEGER NOT NULL,
    value  NOT NULL,
    title  TEXT    NOT NULL,
    author TEXT    NOT NULL,   -- '': unknown
    PRIMARY KEY (scheme, value)
) WITHOUT ROWID;
