-- What the item is called, as far as a request said so (?title=).
ALTER TABLE lacking ADD COLUMN title TEXT NOT NULL DEFAULT '';
