"""Generic storage: atomic writes, bounded reads, shared counters, SQLite migrations."""
