-- Which identifiers name one item: each name leads straight to it. An item is never the name of another.
CREATE TABLE alias (
    scheme      INTEGER NOT NULL,
    value       ANY     NOT NULL,
    item_scheme INTEGER NOT NULL,
    item_value  ANY     NOT NULL,
    PRIMARY KEY (scheme, value)
) WITHOUT ROWID, STRICT;
CREATE INDEX alias_of_item ON alias (item_scheme, item_value, scheme, value);

-- Numbers of items for addresses that have one (Open Library's /b/id/…). One that was given is never another's.
CREATE TABLE numbered (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    scheme INTEGER NOT NULL,
    value  ANY     NOT NULL,
    UNIQUE (scheme, value)
) STRICT;
