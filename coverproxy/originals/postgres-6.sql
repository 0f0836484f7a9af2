-- When a webhook is to be told next: another process tells it now, or it failed. And how often in a row.
ALTER TABLE told ADD COLUMN held bigint NOT NULL DEFAULT 0;       -- seconds since 1970
ALTER TABLE told ADD COLUMN failures bigint NOT NULL DEFAULT 0;
