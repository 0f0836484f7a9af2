-- When a webhook is to be told next: another process tells it now, or it failed. And how often in a row.
ALTER TABLE told ADD COLUMN held INTEGER NOT NULL DEFAULT 0;      -- seconds since 1970
ALTER TABLE told ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;
