ALTER TABLE key ADD COLUMN role TEXT NOT NULL DEFAULT 'browser';     -- what kind of client uses it
ALTER TABLE key ADD COLUMN asked_role TEXT NOT NULL DEFAULT '';      -- asked for, and not decided; '': none
ALTER TABLE key ADD COLUMN named_sizes_only INTEGER NOT NULL DEFAULT 0;  -- 1: no rungs of the ladder

-- Books that a key had covers made of on a day, where the quota counts books: further ones are free.
CREATE TABLE made_item (
    day  TEXT    NOT NULL,          -- YYYY-MM-DD, of the quota's time zone
    key  TEXT    NOT NULL,
    item TEXT    NOT NULL,          -- scheme:value
    n    INTEGER NOT NULL,          -- derivatives taken, less those given back
    PRIMARY KEY (day, key, item)
) WITHOUT ROWID, STRICT;
CREATE TRIGGER item_first AFTER INSERT ON made_item BEGIN
    INSERT INTO made (key, day, n) VALUES (new.key, new.day, 1) ON CONFLICT (key, day) DO UPDATE SET n = n + 1;
    -- yesterday's stay: what was begun before midnight may yet be given back
    DELETE FROM made_item WHERE day < date(new.day, '-1 day');
END;
CREATE TRIGGER item_last AFTER UPDATE ON made_item WHEN new.n = 0 BEGIN
    UPDATE made SET n = n - 1 WHERE key = new.key AND day = new.day AND n > 0;
    DELETE FROM made_item WHERE day = new.day AND key = new.key AND item = new.item;
END;

-- How often each account was refused for each reason, by day (UTC): the refusals themselves are the latest.
CREATE TABLE refusal_count (
    account TEXT    NOT NULL,
    day     INTEGER NOT NULL,       -- days since 1970
    label   TEXT    NOT NULL,       -- as X-Cover-Status has it
    n       INTEGER NOT NULL,
    PRIMARY KEY (account, day, label)
) WITHOUT ROWID, STRICT;
CREATE INDEX refusal_count_by_day ON refusal_count (day);
