"""The catalogue in PostgreSQL, for all nodes: which originals there are of an identifier."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import resources
from typing import Any

from coverproxy.domain.errors import StoreUnavailable
from coverproxy.originals.postgres_changes import ChangeLog
from coverproxy.originals.postgres_tables import PostgresCatalogueTables
from coverproxy.originals.sql_tables import WritesTogether
from coverproxy.storage import postgres_migrations
from coverproxy.storage.postgres_news import PostgresNews
from coverproxy.storage.postgres_pool import PostgresPool, PostgresTransaction
from coverproxy.storage.statement import Rows

schema_steps = partial(postgres_migrations.steps, resources.files(__package__), "postgres")
"""What brings the tables to their present version: see postgres_migrations.apply()."""

LOCKED_FOR_CATALOGUE = 0x636F7602
"""The advisory lock of writers: one transaction of all nodes at a time, as with SQLite.

Transactions read what a book shows and write what follows from it, and rules look at all books of a picture:
row locks do not cover rows that do not exist yet. A transaction takes some milliseconds.
"""


CHANGES_DAYS = 30
"""How far the log of changed books reaches back."""

_FORGET = """
WITH gone AS (DELETE FROM change WHERE at < now() - %s::interval RETURNING number)
UPDATE change_forgotten SET number = (SELECT max(number) FROM gone) WHERE EXISTS (SELECT 1 FROM gone)
"""


class PostgresCatalogue(WritesTogether, PostgresCatalogueTables):
    """A Catalogue. *news* reports other processes' writes; *changes* is this node's place in their log."""

    def __init__(
        self, pool: PostgresPool, news: PostgresNews, changes: ChangeLog, priority: Mapping[str, int]
    ) -> None:
        self._pool = pool
        self._news = news
        self._is_open = False
        writes = self._write_alone, self._jot_alone, self._copy_alone
        super().__init__(self._ask, *writes, changes, priority)

    @property
    def is_shut(self) -> bool:
        """Whether open() must succeed before anything else can."""
        return not self._is_open

    damage = ""
    """A server reports damage itself."""

    def open(self) -> None:
        """See Catalogue."""
        postgres_migrations.apply(self._pool, "catalogue", schema_steps())
        self._is_open = True
        self._news.rise()

    def open_to_read(self) -> None:
        """Use the tables as they are. Raises StoreUnavailable where there are none."""
        self._is_open = True
        self.ping()

    def close(self) -> None:
        """See Catalogue."""
        self._is_open = False
        self._pool.close()

    def _ask(self, sql: str, values: Any = ()) -> Rows:
        return self._opened().read(sql, values)

    def _write_alone(self, sql: str, values: Any = ()) -> Rows:
        with self._locked() as run:
            return run(sql, values)

    def _copy_alone(self, sql: str, rows: Iterable[Sequence[Any]]) -> int:
        with self._locked() as run:
            return run.copy(sql, rows)

    def _jot_alone(self, sql: str, values: Any = ()) -> Rows:
        return self._opened().write(sql, values)

    def _opened(self) -> PostgresPool:
        if not self._is_open:
            raise StoreUnavailable(f"{self._pool.place}: {self._pool.away or 'it is not open'}")
        return self._pool

    @contextmanager
    def _locked(self) -> Iterator[PostgresTransaction]:
        """Write alone among all nodes; then whatever is remembered of the catalogue here is out of date."""
        try:
            with self._opened().transaction(LOCKED_FOR_CATALOGUE) as run:
                yield run
        finally:
            self._news.rise()

    @contextmanager
    def writing(self) -> Iterator[PostgresCatalogueTables]:
        """See Catalogue."""
        with self._locked() as run:
            yield PostgresCatalogueTables(run, run, run, run.copy, self._changes, self._priority)

    @property
    def tells_at_once(self) -> bool:
        """See Catalogue: notices take their time."""
        return False

    def change(self) -> int:
        """See Catalogue."""
        return self._news.number()

    def forget_changes(self) -> None:
        """Shorten the log of changed books: nodes that were away for longer empty their caches."""
        with self._opened().transaction(LOCKED_FOR_CATALOGUE) as run:
            run(_FORGET, (f"{CHANGES_DAYS} days",))

    def ping(self) -> None:
        """See Catalogue."""
        self._read("SELECT 1 FROM original LIMIT 1")
