ALTER TABLE key ADD COLUMN fallback text NOT NULL DEFAULT '';  -- how far another edition may be: 'format', …; '': none is shown
