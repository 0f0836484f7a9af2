ALTER TABLE key ADD COLUMN expires_at INTEGER;   -- seconds since 1970; NULL: never
