-- How an original looks at a glance: worked out once, for pages that show something while a cover loads.
CREATE TABLE look (
    digest    BLOB PRIMARY KEY,
    colour    INTEGER NOT NULL,  -- 0xRRGGBB
    thumbhash BLOB    NOT NULL
) WITHOUT ROWID, STRICT;
