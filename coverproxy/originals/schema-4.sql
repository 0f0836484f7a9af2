-- How many there are, for pages that anybody may open: counting 30 million rows would take seconds each time.
CREATE TABLE total (
    only      INTEGER PRIMARY KEY CHECK (only = 1),
    isbns     INTEGER NOT NULL,
    originals INTEGER NOT NULL
) STRICT;
INSERT INTO total SELECT 1, count(DISTINCT value), count(*) FROM original;

CREATE TABLE by_source (
    source    TEXT    PRIMARY KEY,
    originals INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
INSERT INTO by_source SELECT source, count(*) FROM original GROUP BY source;

-- Before, as INSERT OR REPLACE removes the row it replaces without firing a trigger. No upsert: within a trigger
-- the outer statement's OR REPLACE would be put in its place (sqlite.org/lang_createtrigger.html).
CREATE TRIGGER original_entered BEFORE INSERT ON original BEGIN
    UPDATE total SET isbns = isbns + NOT EXISTS (
        SELECT 1 FROM original WHERE scheme = NEW.scheme AND value = NEW.value
    ), originals = originals + NOT EXISTS (
        SELECT 1 FROM original WHERE scheme = NEW.scheme AND value = NEW.value AND digest = NEW.digest
    );
    UPDATE by_source SET originals = originals - 1 WHERE source = (
        SELECT source FROM original WHERE scheme = NEW.scheme AND value = NEW.value AND digest = NEW.digest
    );
    INSERT INTO by_source SELECT NEW.source, 0
        WHERE NOT EXISTS (SELECT 1 FROM by_source WHERE source = NEW.source);
    UPDATE by_source SET originals = originals + 1 WHERE source = NEW.source;
END;

CREATE TRIGGER original_gone AFTER DELETE ON original BEGIN
    UPDATE total SET originals = originals - 1, isbns = isbns - NOT EXISTS (
        SELECT 1 FROM original WHERE scheme = OLD.scheme AND value = OLD.value
    );
    UPDATE by_source SET originals = originals - 1 WHERE source = OLD.source;
END;
