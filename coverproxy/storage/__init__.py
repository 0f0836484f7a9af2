"""Generic storage: atomic writes, bounded reads, shared counters, SQLite schema steps."""
