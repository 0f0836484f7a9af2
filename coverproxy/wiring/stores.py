"""The stores of a service: in files of the data folder, or in a PostgreSQL that several nodes share."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from coverproxy.accounts.accounts import Accounts
from coverproxy.accounts.nginx_links import KeyLinks
from coverproxy.accounts.sqlite import SqliteState
from coverproxy.accounts.sqlite import schema_steps as state_steps
from coverproxy.accounts.stores import KeyStore, QuotaStore, RateLimiter
from coverproxy.cache.disk import DiskCache
from coverproxy.concurrency.leases import Leases, NoLeases
from coverproxy.config import Config
from coverproxy.domain.errors import ConfigError
from coverproxy.originals.base import Catalogue
from coverproxy.originals.sqlite import SqliteCatalogue
from coverproxy.originals.sqlite_mend import mend as mend_catalogue
from coverproxy.originals.sqlite_mend import schema_steps as catalogue_steps
from coverproxy.service.databases import CATALOGUE, SOURCES, STATE, Database, Place, Shuttable
from coverproxy.service.lost_databases import catalogue_lost, state_lost
from coverproxy.sources.memory import SourceMemory
from coverproxy.sources.sqlite import SqliteSourceMemory
from coverproxy.sources.sqlite import schema_steps as source_steps
from coverproxy.stats.base import Notes
from coverproxy.stats.sqlite import SqliteActivity
from coverproxy.storage import sqlite_migrations

if TYPE_CHECKING:
    from coverproxy.stats.metrics import Metrics


class StateStore(KeyStore, QuotaStore, Shuttable, Protocol):
    """Keys and counts, with what paces clients."""

    @property
    def rates(self) -> RateLimiter:
        """The rate limits."""
        ...

    async def open(self) -> None:
        """Open it; may be tried again. Raises StoreUnavailable."""
        ...

    async def close(self) -> None:
        """Close it; open() may follow."""
        ...


class ShelfCatalogue(Catalogue, Shuttable, Protocol):
    """A catalogue that commands open to look only."""

    def open_to_read(self) -> None:
        """Open it as it is. Raises StoreUnavailable."""
        ...


class OpenedMemory(SourceMemory, Shuttable, Protocol):
    """A SourceMemory that is opened."""

    def open(self) -> None:
        """Open it; may be tried again. Raises StoreUnavailable, OSError."""
        ...

    def close(self) -> None:
        """Close it; open() may follow."""
        ...


class Follow(Protocol):
    """Follows other nodes' changes for as long as the block lasts."""

    def __call__(
        self, accounts: Accounts, metrics: "Metrics", drop: Callable[[], object], /
    ) -> AbstractAsyncContextManager[None]:
        """*drop* removes derivatives of books that changed elsewhere."""
        ...


def _alone(accounts: Accounts, metrics: "Metrics", drop: Callable[[], object]) -> nullcontext[None]:
    return nullcontext()


@dataclass(frozen=True)
class Stores:
    """Every store. `places`: where each is, for messages. `unheard`: why other nodes are not heard, or ""."""

    state: StateStore
    catalogue: ShelfCatalogue
    recall: OpenedMemory
    notes: Notes
    places: dict[str, Place]
    leases: Leases = field(default_factory=NoLeases)
    follow: Follow = _alone
    unheard: Callable[[], str] = lambda: ""

    def databases(self, open_catalogue: Callable[[], None]) -> list[Database]:
        """Return what each database is opened by, again too."""
        state, recall, places = self.state, self.recall, self.places
        open_catalogue_there = partial(asyncio.to_thread, open_catalogue)
        return [
            Database(places[STATE], state, state.open, len(state_steps())),
            Database(places[CATALOGUE], self.catalogue, open_catalogue_there, len(catalogue_steps())),
            Database(
                places[SOURCES],
                recall,
                partial(asyncio.to_thread, recall.open),
                len(source_steps()),
                is_cache=True,
            ),
        ]


def stores(config: Config, cache: DiskCache, *, begins: bool = False) -> Stores:
    """Make the stores of a config, without opening them. Raises ConfigError if a library is missing.

    *begins*: a catalogue that was lost is begun anew.
    """
    data = Path(config.data.dir)
    priority = {each.name: each.priority for each in config.source} | config.imports.source_priority
    if config.store.is_shared:
        return _shared(config, cache, priority)
    keys_lost = partial(state_lost, data / STATE, KeyLinks(cache.layout.by_key))
    books_lost = None if begins else partial(catalogue_lost, data / CATALOGUE, cache.layout.images)
    return Stores(
        SqliteState(data / STATE, keys_lost),
        SqliteCatalogue(data / CATALOGUE, priority, books_lost),
        SqliteSourceMemory(data / SOURCES, config.asking.absent_entries),
        SqliteActivity(data / STATE),
        {name: data / name for name in (STATE, CATALOGUE, SOURCES)},
    )


def _shared(config: Config, cache: DiskCache, priority: dict[str, int]) -> Stores:
    try:  # psycopg comes with an extra, and is imported only where it is used
        from coverproxy.wiring import postgres
    except ImportError as exc:
        raise ConfigError(f"store.url needs a library: pip install 'coverproxy[postgres]' ({exc})") from exc
    return postgres.stores(config, cache, priority)


def sqlite_files(config: Config) -> list[Path]:
    """Make the files of the embedded store, or bring them to their present schema; return where they are."""
    data = Path(config.data.dir)
    steps = {
        STATE: (state_steps(), None),
        CATALOGUE: (catalogue_steps(), mend_catalogue),
        SOURCES: (source_steps(), None),
    }
    for name, (taken, mend) in steps.items():
        sqlite_migrations.apply(data / name, taken, mend)
    return [data / name for name in steps]
