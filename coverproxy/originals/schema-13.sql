-- The decoder's revision that found the fault (imaging/decode.py); 0: that of a version before this column.
ALTER TABLE original ADD COLUMN judged INTEGER NOT NULL DEFAULT 0;
