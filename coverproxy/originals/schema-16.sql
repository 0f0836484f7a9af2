-- Slow work of which one process takes a turn at a time: how far it is, until when it is somebody's, when it was done
-- last. Moments are in seconds since 1970.
CREATE TABLE turn (
    name  TEXT    NOT NULL PRIMARY KEY,
    place TEXT    NOT NULL,
    held  INTEGER NOT NULL,
    ended INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
