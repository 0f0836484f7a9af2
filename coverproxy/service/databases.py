"""The databases of a data folder. Unusable ones are logged, done without, and reopened later."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from coverproxy import log
from coverproxy.accounts.sqlite import schema_steps as state_steps
from coverproxy.domain.errors import StoreUnavailable
from coverproxy.originals.sqlite_mend import mend as mend_catalogue
from coverproxy.originals.sqlite_mend import schema_steps as catalogue_steps
from coverproxy.storage import sqlite_creation, sqlite_examine, sqlite_watch
from coverproxy.storage.ownership import described

CATALOGUE, STATE, SOURCES = "catalogue.db", "state.db", "sources.db"

_log = logging.getLogger(__name__)

_REOPEN_SECONDS = 1.0
"""Pause between attempts to open an unusable database."""

_EMPTIED = "is empty: put it back from a backup"

_LOCKED_SECONDS = 5.0
"""Longest that one transaction keeps others from writing before it counts as a fault."""


class Shuttable(Protocol):
    """A store whose file may turn out to be unusable."""

    @property
    def is_shut(self) -> bool:
        """Whether it must be opened before anything else can be done."""
        ...

    @property
    def damage(self) -> str:
        """What was said of its damaged pages, "" if none were met."""
        ...


Place = Path | str
"""Where a database is: its file, or its server and name."""


@dataclass(frozen=True)
class Database:
    """Where a store is and the function that opens it: raises StoreUnavailable, OSError; may be retried.

    `version`: how many migrations of a file this program knows. `is_cache`: begun anew where it is damaged.
    """

    place: Place
    store: Shuttable
    open: Callable[[], Awaitable[None]]
    version: int = 0
    is_cache: bool = False


def check(data: Path) -> None:
    """Log unusable databases before any worker starts; the workers go on without them."""
    schemas = {CATALOGUE: (catalogue_steps(), mend_catalogue), STATE: (state_steps(), None)}
    for name, (steps, mend) in schemas.items():
        path = data / name
        if path.exists() and (why := sqlite_examine.trouble(path, steps, mend)):
            _log_unusable(path, f"{name}: {why}")


@contextmanager
def gone_on_without(place: Place) -> Iterator[None]:
    """Continue without a database that cannot be opened; it is logged."""
    try:
        yield
    except (StoreUnavailable, OSError) as exc:
        _log_unusable(place, exc)


@contextmanager
def used_as_it_is(folder: Path) -> Iterator[None]:
    """Continue with a folder that cannot be written: covers are served, and /readyz reports it."""
    try:
        yield
    except OSError as exc:
        log.fault(_log, "a folder cannot be written", described(exc), of=str(folder), file=str(folder))


class DatabaseFiles:
    """The databases' files as they were opened: notices what befell them since.

    SQLite goes on with a deleted file without an error, and all that is written to it is lost.
    """

    def __init__(self, databases: Sequence[Database]) -> None:
        self.databases = databases
        self._opened = {each.place: _identity(each.place) for each in databases}
        self._locks: dict[Place, tuple[sqlite_watch.Stamp, float]] = {}
        self._noticed: dict[Place, str] = {}
        self._damaged: set[Place] = set()

    def faults(self) -> dict[str, str]:
        """Return a fault for each file that is damaged, locked, or not the one in use, by its name."""
        found = {Path(each.place).name: self._fault(each) for each in self.databases}
        return {name: why for name, why in found.items() if why}

    def look(self) -> None:
        """Look at each file from outside. Blocks for a moment; called every second."""
        deleted = sqlite_watch.deleted_files()
        for each in self.databases:
            if isinstance(each.place, Path):
                self._noticed[each.place] = self._looked(each.place, each.version, deleted)

    def _looked(self, place: Path, version: int, deleted: set[str]) -> str:
        """Look at a file, and return what is wrong with it, or ""."""
        self._damaged.discard(place)
        if sqlite_creation.is_emptied(place):
            return f"{place} {_EMPTIED}"
        if sqlite_watch.has_lost_log(place, deleted):
            return f"{place}-wal was deleted while in use: restart the service, which keeps what is in it"
        try:
            newer, stamp = sqlite_watch.look(place, version)
        except sqlite_watch.DatabaseUnusable as exc:
            if exc.is_damaged:
                self._damaged.add(place)
            return f"{place} cannot be used: {exc}"
        if self._is_stuck(place, stamp):
            return sqlite_watch.lock_told(place)
        return newer and f"{newer}; update coverproxy"

    def _is_stuck(self, place: Path, stamp: sqlite_watch.Stamp | None) -> bool:
        """Return whether one transaction has kept all others from writing for too long."""
        now = time.monotonic()
        before, since = self._locks.pop(place, (None, now))
        if stamp is None:
            return False
        self._locks[place] = (stamp, since if stamp == before else now)
        return now - self._locks[place][1] >= _LOCKED_SECONDS

    def _fault(self, database: Database) -> str:
        place = database.place
        now, before = _identity(place), self._opened[place]
        if now == before and database.store.damage:
            return f"{place} is damaged ({database.store.damage}): see coverproxy doctor"
        if now == before:
            return self._noticed.get(place, "")
        if now is None:
            return (
                f"{place} was deleted while in use: what is written now is lost when the service stops;"
                " put it back from a backup"
            )
        return f"{place} was replaced while in use: the new file is opened within a second"

    def is_other(self, database: Database) -> bool:
        """Whether another file stands where the one in use was, or it was emptied, or is to be begun anew."""
        place = database.place
        if database.is_cache and place in self._damaged:
            return True
        if isinstance(place, Path) and sqlite_creation.is_emptied(place):
            return True
        return _identity(place) not in (None, self._opened[place])

    async def reopen(self, database: Database) -> None:
        """Open the file that is there now, and note it as the one in use.

        It is told by what stood there before: one that comes meanwhile is another, to be opened next time.
        Where nothing stood, and for a cache that is begun anew, the store has made the file itself.
        """
        place, before = database.place, _identity(database.place)
        await _reopen(database)
        self._opened[place] = _identity(place) if before is None or database.is_cache else before


def _identity(place: Place) -> tuple[int, int] | None:
    """Return the identity of the file at a path; None if there is none."""
    try:
        found = place.stat() if isinstance(place, Path) else None
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if found else None


async def reopened(files: DatabaseFiles) -> None:
    """Keep reopening unusable databases, and replaced ones: a repaired file needs no restart."""
    while True:
        await asyncio.to_thread(files.look)
        for name, why in files.faults().items():
            log.fault(_log, "a database has a fault", why, of=name)
        for each in files.databases:
            if each.store.is_shut or files.is_other(each):
                await files.reopen(each)
        await asyncio.sleep(_REOPEN_SECONDS)


async def _reopen(database: Database) -> None:
    try:
        await database.open()
    except (StoreUnavailable, OSError) as exc:
        _log_unusable(database.place, exc)
    else:
        _log.warning("a database can be used again", extra={"file": str(database.place)})


def _log_unusable(place: Place, why: Exception | str) -> None:
    """Log an unusable database, once a minute, whichever process found it."""
    doctor = f"coverproxy doctor --data {place.parent}" if isinstance(place, Path) else "coverproxy doctor"
    log.fault(
        _log, "a database cannot be used; the service goes on without it", why, of=str(place),
        file=str(place), look_into_it=doctor,
    )  # fmt: skip
