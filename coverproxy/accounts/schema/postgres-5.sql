-- What all accounts together asked for in vain: bounded, so that its list need not read all of `lacking`.
CREATE TABLE wanted (
    isbn  text   NOT NULL PRIMARY KEY,
    n     bigint NOT NULL,
    last  bigint NOT NULL,
    title text   NOT NULL
) WITH (fillfactor = 80);
INSERT INTO wanted (isbn, n, last, title)
SELECT isbn, sum(n)::bigint, max(last), max(title) FROM lacking GROUP BY isbn;
