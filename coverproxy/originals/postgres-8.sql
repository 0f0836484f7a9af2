-- How often a name's covers were purged: it is part of their keys in the object store, so that none of before
-- is found again. Those of before are deleted there, twice: the second time when no node writes them any more.
CREATE TABLE purged (
    scheme smallint NOT NULL,
    value  text COLLATE "C" NOT NULL,
    number integer  NOT NULL,
    due    bigint,           -- when they are deleted next, seconds since 1970; NULL: they are gone
    passes integer NOT NULL,  -- how often they are still to be deleted
    PRIMARY KEY (scheme, value)
);
CREATE INDEX purged_due ON purged (due) WHERE due IS NOT NULL;
