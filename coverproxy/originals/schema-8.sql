-- Which share of the picture's area is not plain border, 0 to 1; NULL: not measured. "detail" is its companion.
ALTER TABLE original ADD COLUMN content REAL;

-- Items of which the best original is chosen before all of them are measured. Emptied in the background.
CREATE TABLE unmeasured (
    scheme INTEGER NOT NULL,
    value  ANY     NOT NULL,
    PRIMARY KEY (scheme, value)
) WITHOUT ROWID, STRICT;
INSERT INTO unmeasured SELECT scheme, value FROM original GROUP BY scheme, value HAVING count(*) > 1;
