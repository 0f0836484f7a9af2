-- What readers report of covers. One open report per item and reason: who reports the same joins it.
CREATE TABLE report (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    code   TEXT    NOT NULL UNIQUE,  -- what reporters see its state by; nobody guesses it
    at     INTEGER NOT NULL,         -- seconds since 1970
    scheme INTEGER NOT NULL,
    value  ANY     NOT NULL,
    reason TEXT    NOT NULL,         -- 'wrong', 'not-a-cover', 'quality', 'offensive', 'rights'
    digest BLOB    NOT NULL,         -- what was shown when it was reported last
    text   TEXT    NOT NULL,
    state  TEXT    NOT NULL,         -- 'open', 'fixed', 'hidden', 'kept'
    closed INTEGER,                  -- seconds since 1970
    who    TEXT    NOT NULL,
    answer TEXT    NOT NULL
) STRICT;
CREATE UNIQUE INDEX report_open ON report (scheme, value, reason) WHERE state = 'open';
CREATE INDEX report_of_item ON report (scheme, value);
CREATE INDEX report_closed ON report (closed) WHERE closed IS NOT NULL;

CREATE TABLE reporter (
    number    INTEGER NOT NULL,
    pseudonym TEXT    NOT NULL,      -- a keyed hash of the address
    at        INTEGER NOT NULL,
    digest    BLOB    NOT NULL,      -- what they saw
    mail      TEXT    NOT NULL,      -- '' if they left none, and once the report is closed
    PRIMARY KEY (number, pseudonym)
) WITHOUT ROWID, STRICT;
