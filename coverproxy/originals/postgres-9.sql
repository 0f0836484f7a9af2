-- What people are told, by mail or webhook: a row for each addressee. Rows of what was told are kept for some
-- weeks, so that nothing is told twice.
CREATE TABLE notice (
    number    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    once      text    NOT NULL,       -- what makes it this notice and no other
    way       text    NOT NULL,       -- 'mail', 'hook'
    whom      text    NOT NULL,       -- an address, or a webhook's name
    kind      text    NOT NULL,
    at        bigint  NOT NULL,       -- seconds since 1970, as all moments
    facts     text    NOT NULL,       -- JSON
    is_digest integer NOT NULL,
    due       bigint  NOT NULL,       -- nobody sends it before; a process that sends it moves this on
    failures  integer NOT NULL,
    fault     text    NOT NULL,
    ended     bigint,                 -- when it was sent, or given up
    UNIQUE (once, way, whom)
);
CREATE INDEX notice_due ON notice (way, due) WHERE ended IS NULL;
CREATE INDEX notice_ended ON notice (ended) WHERE ended IS NOT NULL;

-- States whose changes are told once, whichever process of whichever node sees them: a source, a key.
CREATE TABLE notice_state (
    name  text NOT NULL PRIMARY KEY,
    state text NOT NULL
);
