-- Which share of the picture's area is not plain border, 0 to 1; NULL: not measured. "detail" is its companion.
ALTER TABLE original ADD COLUMN content double precision;

-- Items of which the best original is chosen before all of them are measured. Emptied in the background.
CREATE TABLE unmeasured (
    scheme smallint NOT NULL,
    value  text COLLATE "C" NOT NULL,
    PRIMARY KEY (scheme, value)
);
INSERT INTO unmeasured SELECT scheme, value FROM original GROUP BY scheme, value HAVING count(*) > 1;
