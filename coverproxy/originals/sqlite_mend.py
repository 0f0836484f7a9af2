"""The catalogue's schema, and repairs for catalogues made while its step numbers still changed."""

import sqlite3
from functools import partial
from importlib import resources

from coverproxy.storage import sqlite_migrations

schema_steps = partial(sqlite_migrations.steps, resources.files(__package__), "schema")
"""The migrations of the file: see sqlite_migrations.apply()."""

_LATER_IN_STEP_1 = """
CREATE TABLE IF NOT EXISTS stale (
    scheme INTEGER NOT NULL, value ANY NOT NULL, PRIMARY KEY (scheme, value)
) WITHOUT ROWID, STRICT;
CREATE TABLE IF NOT EXISTS quarantined (
    digest BLOB PRIMARY KEY, reason TEXT NOT NULL, at INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
CREATE TABLE IF NOT EXISTS suspect (digest BLOB PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID, STRICT;
"""


def mend(connection: sqlite3.Connection, version: int) -> int:
    """See sqlite_migrations.Mend.

    Step 1 grew on its first day: `added`, `stale`, `quarantined` and `suspect` came without a new number.
    For a while step 2 was `fetched`, which is step 3 now that `look` is step 2.
    """
    columns = {row[1] for row in connection.execute("PRAGMA table_info(original)")}
    if "added" not in columns:
        connection.execute("ALTER TABLE original ADD COLUMN added INTEGER NOT NULL DEFAULT 0")
    sqlite_migrations.run_all(connection, _LATER_IN_STEP_1)
    present = sqlite_migrations.tables(connection)
    if version == 2 and "fetched" in present and "look" not in present:
        sqlite_migrations.run_all(connection, schema_steps()[1])
        return 3
    return version
