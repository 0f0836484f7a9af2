-- Keys and counts of all nodes. Steps of PostgreSQL only add: see storage/postgres_migrations.py.
CREATE TABLE key (
    name        text    PRIMARY KEY,
    label       text    NOT NULL,
    daily_limit bigint  NOT NULL,
    strict      boolean NOT NULL,            -- errors are answered as errors
    sites       text    NOT NULL,            -- JSON list of hosts; []: any
    created_at  bigint  NOT NULL,            -- seconds since 1970
    revoked_at  bigint,                      -- NULL: active
    expires_at  bigint,                      -- NULL: never
    is_waiting  boolean NOT NULL DEFAULT false,
    no_cover    text    NOT NULL DEFAULT 'gif',
    contact     text    NOT NULL DEFAULT '',
    account     text    NOT NULL DEFAULT '', -- the key it is counted as; '': itself
    owner       text    NOT NULL DEFAULT '', -- SHA-256 of the word that may change it
    site        text    NOT NULL DEFAULT '',
    role        text    NOT NULL DEFAULT 'browser',
    asked_role  text    NOT NULL DEFAULT '',
    named_sizes_only boolean NOT NULL DEFAULT false
);

-- Raised by every change of a key: what a node that missed a notice catches up by.
CREATE TABLE key_version (only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row), version bigint NOT NULL);
INSERT INTO key_version (version) VALUES (1);
CREATE FUNCTION coverproxy_key_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE key_version SET version = version + 1;
    PERFORM pg_notify('coverproxy', 'keys');
    RETURN NULL;
END $$;
CREATE TRIGGER key_changed AFTER INSERT OR UPDATE OR DELETE ON key
    FOR EACH STATEMENT EXECUTE FUNCTION coverproxy_key_changed();

-- Covers made from originals, per key and day of the quota's time zone. Rows are updated often: with room on each
-- page, an update stays on it and touches no index.
CREATE TABLE made (
    key text   NOT NULL,
    day date   NOT NULL,
    n   bigint NOT NULL CHECK (n >= 0),
    PRIMARY KEY (key, day)
) WITH (fillfactor = 50);
CREATE INDEX made_by_day ON made (day);

-- Books that a key had covers made of on a day, where the quota counts books: further ones are free.
CREATE TABLE made_item (
    day  date   NOT NULL,
    key  text   NOT NULL,
    item text   NOT NULL,                    -- scheme:value
    n    bigint NOT NULL,                    -- derivatives taken, less those given back
    PRIMARY KEY (day, key, item)
) WITH (fillfactor = 80);

-- Count a cover of a book: the key's count of the day, or NULL where it is refused. The row in "made" is locked
-- first, so those who count for one key and day take turns, and each sees what the one before wrote.
CREATE FUNCTION coverproxy_take_item(_key text, _day date, _item text, _most bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE counted bigint;
BEGIN
    INSERT INTO made (key, day, n) VALUES (_key, _day, 0) ON CONFLICT DO NOTHING;
    SELECT n INTO counted FROM made WHERE key = _key AND day = _day FOR UPDATE;
    UPDATE made_item SET n = n + 1 WHERE day = _day AND key = _key AND item = _item;
    IF FOUND THEN RETURN counted; END IF;
    IF counted >= _most THEN RETURN NULL; END IF;
    INSERT INTO made_item (day, key, item, n) VALUES (_day, _key, _item, 1);
    UPDATE made SET n = n + 1 WHERE key = _key AND day = _day;
    -- yesterday's stay: what was begun before midnight may yet be given back
    DELETE FROM made_item WHERE (day, key, item) IN (
        SELECT day, key, item FROM made_item WHERE day < _day - 1 LIMIT 100 FOR UPDATE SKIP LOCKED
    );
    RETURN counted + 1;
END $$;

CREATE FUNCTION coverproxy_give_back_item(_key text, _day date, _item text) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE counted bigint; held bigint;
BEGIN
    SELECT n INTO counted FROM made WHERE key = _key AND day = _day FOR UPDATE;
    UPDATE made_item SET n = n - 1 WHERE day = _day AND key = _key AND item = _item AND n > 0
        RETURNING n INTO held;
    IF held = 0 THEN
        DELETE FROM made_item WHERE day = _day AND key = _key AND item = _item;
        UPDATE made SET n = n - 1 WHERE key = _key AND day = _day AND n > 0 RETURNING n INTO counted;
    END IF;
    RETURN coalesce(counted, 0);
END $$;

-- GCRA's theoretical arrival time per scope and name. Unlogged: it is worth nothing after a crash.
CREATE UNLOGGED TABLE rate_limit (
    scope text             NOT NULL,
    name  text             NOT NULL,
    due   double precision NOT NULL,         -- seconds since 1970
    PRIMARY KEY (scope, name)
) WITH (fillfactor = 50);
CREATE INDEX rate_limit_due ON rate_limit (due);

-- Administrators' sessions that were ended by logging out.
CREATE TABLE ended_session (nonce text PRIMARY KEY, until bigint NOT NULL);

-- Keys that visitors asked for themselves: so many a day, so many per contact.
CREATE TABLE signup (key text PRIMARY KEY, contact text NOT NULL, at bigint NOT NULL);
CREATE INDEX signup_by_time ON signup (at);
CREATE INDEX signup_by_contact ON signup (contact);

-- Signs the forms and sessions of all processes of all nodes.
CREATE TABLE secret (only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row), value bytea NOT NULL);

-- ISBNs that had no cover, per account: those asked for most.
CREATE TABLE lacking (
    account text   NOT NULL,
    isbn    text   NOT NULL,
    n       bigint NOT NULL,
    last    bigint NOT NULL,                 -- seconds since 1970
    PRIMARY KEY (account, isbn)
) WITH (fillfactor = 80);
CREATE INDEX lacking_by_age ON lacking (last);

-- What was refused to an account, the latest.
CREATE TABLE refusal (
    id      bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    account text   NOT NULL,
    at      bigint NOT NULL,
    label   text   NOT NULL,
    detail  text   NOT NULL
);
CREATE INDEX refusal_by_account ON refusal (account, id);

-- How often each account was refused for each reason, by day (UTC).
CREATE TABLE refusal_count (
    account text   NOT NULL,
    day     bigint NOT NULL,                 -- days since 1970
    label   text   NOT NULL,
    n       bigint NOT NULL,
    PRIMARY KEY (account, day, label)
) WITH (fillfactor = 80);
CREATE INDEX refusal_count_by_day ON refusal_count (day);

-- What the status page draws: sums of the answers of all nodes, by minute and by hour.
CREATE TABLE sample (
    step    bigint NOT NULL,
    at      bigint NOT NULL,
    answers text   NOT NULL,                 -- JSON
    seconds text   NOT NULL,                 -- JSON
    PRIMARY KEY (step, at)
);
