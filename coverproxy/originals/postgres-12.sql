-- Printed music that was entered as an ISBN is asked for by its ISMN (scheme 4), whatever a client calls it. Its
-- originals, files and derivatives stay where they are: the ISMN becomes another name of the item.
INSERT INTO alias (scheme, value, item_scheme, item_value)
SELECT 4, value, item_scheme, item_value FROM alias
WHERE scheme = 1 AND value BETWEEN '9790000000000' AND '9790999999999'
ON CONFLICT DO NOTHING;
INSERT INTO alias (scheme, value, item_scheme, item_value)
SELECT DISTINCT 4, o.value, 1, o.value FROM original AS o
WHERE o.scheme = 1 AND o.value BETWEEN '9790000000000' AND '9790999999999'
    AND NOT EXISTS (SELECT 1 FROM alias WHERE item_scheme = 4 AND item_value = o.value)
ON CONFLICT DO NOTHING;
