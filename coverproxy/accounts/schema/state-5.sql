-- Administrators' sessions that were ended by logging out, until they would have ended by themselves.
CREATE TABLE ended_session (
    nonce TEXT PRIMARY KEY,             -- what names the session in its cookie
    until INTEGER NOT NULL              -- when it would have ended, seconds since 1970
) WITHOUT ROWID, STRICT;
