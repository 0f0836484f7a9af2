-- Originals that cannot be rendered, for the list of them: there are few among 30 million.
CREATE INDEX original_faulty ON original (added) WHERE fault IS NOT NULL;
