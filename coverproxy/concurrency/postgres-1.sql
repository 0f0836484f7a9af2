-- Which covers are being made, by which process of which node, and which were made a moment ago. Unlogged: after a
-- crash of the server nobody holds anything.
CREATE UNLOGGED TABLE making (
    name    text COLLATE "C" PRIMARY KEY,   -- the spelling of a spec
    holder  text        NOT NULL,
    until   timestamptz NOT NULL,           -- when the lease ends if its holder does not renew it
    made_at timestamptz                     -- when it was last made, and paid for
) WITH (fillfactor = 50);
CREATE INDEX making_until ON making (until);
