-- What is remembered of sources, by all nodes: a cache, so nothing of it is logged.
CREATE UNLOGGED TABLE absent (
    scheme text COLLATE "C" NOT NULL,
    value  text COLLATE "C" NOT NULL,
    until  double precision NOT NULL,     -- seconds since 1970
    PRIMARY KEY (scheme, value)
);
CREATE INDEX absent_until ON absent (until);
CREATE UNLOGGED TABLE pause (source text PRIMARY KEY, until double precision NOT NULL);
