"""What is remembered of sources, in PostgreSQL, for all nodes."""

import threading
from functools import partial
from importlib import resources

from coverproxy.domain.spec import Identifier
from coverproxy.sources.memory import Remembered
from coverproxy.storage import postgres_migrations
from coverproxy.storage.postgres_pool import PostgresPool
from coverproxy.storage.statement import Run

schema_steps = partial(postgres_migrations.steps, resources.files(__package__), "postgres")
"""What brings the tables to their present version: see postgres_migrations.apply()."""

_TRIM_EVERY = 256
"""Entries between looks whether there are too many: counting reads them all."""

_OVERFULL = (
    "DELETE FROM absent WHERE (scheme, value) IN (SELECT scheme, value FROM absent ORDER BY until LIMIT %s)"
)


class PostgresSourceMemory:
    """A SourceMemory of at most about *most* books."""

    def __init__(self, pool: PostgresPool, most: int) -> None:
        self._pool = pool
        self._most = most
        self._counting = threading.Lock()
        self._added = 0
        self._is_open = False

    @property
    def is_shut(self) -> bool:
        """Whether open() must succeed before anything else can."""
        return not self._is_open

    damage = ""
    """A server reports damage itself."""

    def open(self) -> None:
        """Bring the tables to their present version; may be tried again. Raises StoreUnavailable."""
        postgres_migrations.apply(self._pool, "sources", schema_steps())
        self._is_open = True

    def close(self) -> None:
        """Close it; open() may follow."""
        self._is_open = False
        self._pool.close()

    def look(self, identifier: Identifier, now: float) -> Remembered:
        """See SourceMemory."""
        rows = self._pool.read(
            "SELECT NULL, until FROM absent WHERE scheme = %s AND value = %s AND until > %s"
            " UNION ALL SELECT source, until FROM pause WHERE until > %s",
            (identifier.scheme, identifier.value, now, now),
        )
        paused = {name: until - now for name, until in rows if name is not None}
        return Remembered(any(name is None for name, _ in rows), paused)

    def note_absent(self, identifier: Identifier, until: float, now: float) -> None:
        """See SourceMemory."""
        sql = (
            "INSERT INTO absent VALUES (%s, %s, %s)"
            " ON CONFLICT (scheme, value) DO UPDATE SET until = excluded.until"
        )
        self._pool.write(sql, (identifier.scheme, identifier.value, until))
        with self._counting:
            self._added += 1
            is_time = self._added % _TRIM_EVERY == 0
        if is_time:
            with self._pool.transaction(within=None) as run:
                self._trim(run, now)

    def _trim(self, run: Run, now: float) -> None:
        """Forget expired entries, and above the bound those that expire first: clients choose the ISBNs."""
        run("DELETE FROM absent WHERE until <= %s", (now,))
        count = run("SELECT count(*) FROM absent")[0][0]
        if count > self._most:
            run(_OVERFULL, (count - self._most,))

    def forget(self, identifier: Identifier) -> None:
        """See SourceMemory. Nodes forget in memory too that it was missing."""
        with self._pool.transaction() as run:
            run("DELETE FROM absent WHERE scheme = %s AND value = %s", (identifier.scheme, identifier.value))
            run("SELECT pg_notify('coverproxy', 'catalogue')")

    def pause(self, source: str, until: float) -> None:
        """See SourceMemory."""
        sql = (
            "INSERT INTO pause VALUES (%s, %s)"
            " ON CONFLICT (source) DO UPDATE SET until = greatest(pause.until, excluded.until)"
        )
        self._pool.write(sql, (source, until))
