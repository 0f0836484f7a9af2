-- What senders call an item, under each identifier that they gave for it; a cover is not needed.
CREATE TABLE title (
    scheme smallint NOT NULL,
    value  text COLLATE "C" NOT NULL,
    title  text NOT NULL,
    author text NOT NULL,   -- '': unknown
    PRIMARY KEY (scheme, value)
);
