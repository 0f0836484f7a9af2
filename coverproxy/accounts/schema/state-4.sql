-- Rate limits of every kind, apart from keys: GCRA's theoretical arrival time per scope and name.
CREATE TABLE rate_limit (
    scope TEXT NOT NULL,                -- what is limited: automated, login, owner, signup, source
    name  TEXT NOT NULL,                -- whom: an account, an address, a source
    due   REAL NOT NULL,                -- when what was given is used up, seconds since 1970
    PRIMARY KEY (scope, name)
) WITHOUT ROWID, STRICT;

-- What it replaces. Its rows hold nobody back for longer than an hour, so none is taken over.
DROP TABLE pace;
