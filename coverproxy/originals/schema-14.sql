-- How often a name's covers were purged: it is part of their keys in the object store, so that none of before
-- is found again. Those of before are deleted there, twice: the second time when no node writes them any more.
CREATE TABLE purged (
    scheme INTEGER NOT NULL,
    value  NOT NULL,
    number INTEGER NOT NULL,
    due    INTEGER,           -- when they are deleted next, seconds since 1970; NULL: they are gone
    passes INTEGER NOT NULL,  -- how often they are still to be deleted
    PRIMARY KEY (scheme, value)
) WITHOUT ROWID;
CREATE INDEX purged_due ON purged (due) WHERE due IS NOT NULL;
