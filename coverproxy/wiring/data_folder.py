"""The data folder: its stores, files and cache, for commands and the service."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from coverproxy.accounts.nginx_links import KeyLinks
from coverproxy.cache.budget import DiskBounds, DiskBudget
from coverproxy.cache.disk import DiskCache
from coverproxy.cache.evict import Evictor
from coverproxy.cache.last_use import of_folder
from coverproxy.cache.layout import Layout
from coverproxy.concurrency.file_locks import FileLocks
from coverproxy.config import Config
from coverproxy.domain.errors import Unavailable
from coverproxy.originals.files import OriginalFiles
from coverproxy.service.databases import CATALOGUE, SOURCES, Database, gone_on_without, used_as_it_is
from coverproxy.service.invalidate import Invalidator
from coverproxy.service.revisions import revisions, switched_off
from coverproxy.wiring.objects import objects
from coverproxy.wiring.stores import stores


class DataFolder:
    """The contents of the data folder, for commands and the service.

    *begins*: a catalogue that was lost is begun anew, not refused.
    """

    def __init__(self, config: Config, *, begins: bool = False) -> None:
        self.data = data = Path(config.data.dir)
        aliases = config.size_table.aliases
        named = frozenset((*config.sizes, *aliases))
        self.layout = Layout(data / "cache", *revisions(config), aliases, named, switched_off(config))
        self.sizes = tuple(config.size_table.sizes)
        self.objects = objects(config)
        self.files = OriginalFiles(data / "originals", self.objects)
        self.room = DiskBudget(self.layout, DiskBounds.of(config.cache))
        self.cache = DiskCache(self.layout, fsync=config.cache.fsync, room=self.room)
        self.stripes = FileLocks(self.layout.locks)
        self.links = KeyLinks(self.layout.by_key)
        self.stores = stores(config, self.cache, begins=begins)
        self.catalogue, self.state, self.recall = self.stores.catalogue, self.stores.state, self.stores.recall
        self.invalidator = Invalidator(self.catalogue, self.cache, self.stripes, self.sizes)

    def open(self) -> None:
        """Create missing folders and files. Raises OSError, StoreUnavailable."""
        self.files.open()
        self.cache.open()
        self.recall.open()
        self.open_catalogue()

    def open_catalogue(self) -> None:
        """Open the catalogue, and finish an interrupted import; may be retried. Raises StoreUnavailable."""
        self.catalogue.open()
        self.drop_stale()

    def drop_stale(self) -> None:
        """Remove derivatives that are out of date. Raises StoreUnavailable."""
        self.invalidator.drop_stale()

    def open_what_can_be(self) -> None:
        """Open like open(), but continue without unusable parts: they raise when used."""
        for name, opening in (("originals", self.files.open), ("cache", self.cache.open)):
            with used_as_it_is(self.data / name):
                opening()
        self.stripes.remove_earlier()
        for name, opening in ((SOURCES, self.recall.open), (CATALOGUE, self.open_catalogue)):
            with gone_on_without(self.stores.places[name]):
                opening()

    def databases(self) -> list[Database]:
        """Return each database with the functions that open it, also repeatedly."""
        return self.stores.databases(self.open_catalogue)

    def close(self) -> None:
        """Close files and threads."""
        self.stripes.close()
        self.catalogue.close()
        self.recall.close()
        self.room.close()
        self.cache.purges.close()

    def evictor(self) -> Evictor:
        """Build the evictor. The cache's folder must exist."""
        return Evictor(self.layout, self.room, of_folder(self.layout.top))


def _look_for_catalogue(config: Config) -> None:
    """Raise Unavailable, with what to do, if the data folder has no catalogue to read."""
    data = Path(config.data.dir).absolute()
    if config.store.is_shared or (data / "catalogue.db").exists():
        return
    originals = data / "originals"
    if originals.is_dir() and any(originals.iterdir()):
        why = f"restore it from a backup, or run: coverproxy import --data {data} {originals}"
    else:
        why = "nothing was imported yet: coverproxy import FOLDER"
    raise Unavailable(f"there is no catalogue.db in {data}; {why}")


@contextmanager
def open_shelf(config: Config, *, to_write: bool = True, begins: bool = False) -> Iterator[DataFolder]:
    """Open the data folder for a command; a read-only command needs no write permission.

    *begins*: see DataFolder.
    """
    shelf = DataFolder(config, begins=begins)
    try:
        if not to_write:
            _look_for_catalogue(config)
        shelf.open() if to_write else shelf.catalogue.open_to_read()
        yield shelf
    finally:
        shelf.close()
