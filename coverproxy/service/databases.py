"""The databases of a data folder. Unusable ones are logged, done without, and reopened later."""

import asyncio
import logging
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
from coverproxy.storage import sqlite_migrations
from coverproxy.storage.ownership import described

CATALOGUE, STATE, SOURCES = "catalogue.db", "state.db", "sources.db"

_log = logging.getLogger(__name__)

_REOPEN_SECONDS = 1.0
"""Pause between attempts to open an unusable database."""


class Shuttable(Protocol):
    """A store whose file may turn out to be unusable."""

    @property
    def is_shut(self) -> bool:
        """Whether it must be opened before anything else can be done."""
        ...


Place = Path | str
"""Where a database is: its file, or its server and name."""


@dataclass(frozen=True)
class Database:
    """Where a store is and the function that opens it: raises StoreUnavailable, OSError; may be retried."""

    place: Place
    store: Shuttable
    open: Callable[[], Awaitable[None]]


def check(data: Path) -> None:
    """Log unusable databases before any worker starts; the workers go on without them."""
    schemas = {CATALOGUE: (catalogue_steps(), mend_catalogue), STATE: (state_steps(), None)}
    for name, (steps, mend) in schemas.items():
        path = data / name
        if path.exists() and (why := sqlite_migrations.trouble(path, steps, mend)):
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
    """The databases' files as they were opened: notices which were deleted or replaced since.

    SQLite goes on with a deleted file without an error, and all that is written to it is lost.
    """

    def __init__(self, databases: Sequence[Database]) -> None:
        self.databases = databases
        self._opened = {each.place: _identity(each.place) for each in databases}

    def faults(self) -> dict[str, str]:
        """Return a fault for each file that is not the one in use, by its name."""
        found = {Path(each.place).name: self._fault(each.place) for each in self.databases}
        return {name: why for name, why in found.items() if why}

    def _fault(self, place: Place) -> str:
        now, before = _identity(place), self._opened[place]
        if now == before:
            return ""
        if now is None:
            return (
                f"{place} was deleted while in use: what is written now is lost when the service stops;"
                " put it back from a backup, or restart to begin an empty one"
            )
        return f"{place} was replaced while in use: the new file is opened within a second"

    def is_replaced(self, database: Database) -> bool:
        """Whether another file stands where the one in use was."""
        return _identity(database.place) not in (None, self._opened[database.place])

    def note_opened(self, database: Database) -> None:
        """Note that the file that is there now is in use."""
        self._opened[database.place] = _identity(database.place)


def _identity(place: Place) -> tuple[int, int] | None:
    """Return what tells a file from another at the same path; None if there is none."""
    try:
        found = place.stat() if isinstance(place, Path) else None
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if found else None


async def reopened(files: DatabaseFiles) -> None:
    """Keep reopening unusable databases, and replaced ones: a repaired file needs no restart."""
    while True:
        await asyncio.sleep(_REOPEN_SECONDS)
        for name, why in files.faults().items():
            log.fault(_log, "a database is not the one in use", why, of=name)
        for each in files.databases:
            if each.store.is_shut or files.is_replaced(each):
                await _reopen(each)
                files.note_opened(each)


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
