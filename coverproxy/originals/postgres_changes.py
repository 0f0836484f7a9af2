"""A node's place in the log of changed books: how far it has read, and what it must still remove."""

import fcntl
import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from coverproxy.storage import atomic, ownership
from coverproxy.storage.statement import Rows, Run

_SINCE = "SELECT number, scheme, value FROM change WHERE number > %s ORDER BY number LIMIT %s"
_ENDS = "SELECT (SELECT number FROM change_forgotten), (SELECT coalesce(max(number), 0) FROM change)"

_BATCH = 1000

Book = tuple[int, str]


@dataclass
class _Place:
    """`seen`: the number of the last change that was read. `waiting`: books that are not dealt with yet."""

    seen: int
    waiting: dict[Book, None] = field(default_factory=dict)


class ChangeLog:
    """Reads the table `change` for one node. Safe between its threads and processes; blocks on the disk.

    Its place is kept in a file of the cache folder, and so goes where the derivatives go. Without a file the
    cache is new, or comes from a service with SQLite, which knew no such log. *emptied* is called where the
    log no longer reaches back to this node's place: all derivatives have to go then.
    """

    def __init__(self, path: Path, emptied: Callable[[], None]) -> None:
        self._path = path
        self._emptied = emptied
        self._threads = threading.Lock()

    def waiting(self, read: Run, most: int) -> Rows:
        """Return (scheme, value) of at most *most* books whose derivatives must still be removed."""
        with self._held(read) as place:
            while len(place.waiting) < most and self._read_on(read, place, most - len(place.waiting)):
                pass
            return list(place.waiting)[:most]

    def strike(self, read: Run, books: Iterable[Book]) -> None:
        """Note that these books' derivatives are gone."""
        struck = set(books)
        with self._held(read) as place:
            while not struck <= place.waiting.keys() and self._read_on(read, place, _BATCH):
                pass
            for book in struck:
                place.waiting.pop(book, None)

    def seen(self) -> int:
        """Return the last number that this node has read; 0: none yet."""
        found = self._load()
        return found.seen if found else 0

    def _read_on(self, read: Run, place: _Place, most: int) -> bool:
        rows = read(_SINCE, (place.seen, max(most, 1)))
        for number, scheme, value in rows:
            place.seen = number
            place.waiting[scheme, value] = None
        return bool(rows)

    @contextmanager
    def _held(self, read: Run) -> Iterator[_Place]:
        """Give the node's place, alone, and write it down where it has changed."""
        with self._threads, self._locked():
            found = self._load()
            before = (found.seen, list(found.waiting)) if found else None
            place = found or _Place(-1)
            self._begin(read, place)
            yield place
            if before != (place.seen, list(place.waiting)):
                self._save(place)

    def _begin(self, read: Run, place: _Place) -> None:
        """Bring a node to the log that is new to it, or was away for longer than the log reaches back."""
        if place.seen >= 0 and not self._is_cut(read, place.seen):
            return
        forgotten, last = read(_ENDS)[0]
        if place.seen < 0 and forgotten == 0:
            place.seen = 0  # reads all of it: at most what is there to be removed
        else:
            self._emptied()
            place.seen, place.waiting = max(forgotten, last), {}

    def _is_cut(self, read: Run, seen: int) -> bool:
        return bool(read("SELECT 1 FROM change_forgotten WHERE number > %s", (seen,)))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        handle = ownership.opened(self._path.with_suffix(".lock"), os.O_RDWR, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _load(self) -> _Place | None:
        with suppress(OSError, ValueError, TypeError, KeyError):
            found = json.loads(self._path.read_bytes())
            return _Place(int(found["seen"]), {(int(a), str(b)): None for a, b in found["waiting"]})
        return None

    def _save(self, place: _Place) -> None:
        beside = atomic.temporary(self._path.parent)
        text = json.dumps({"seen": place.seen, "waiting": list(place.waiting)})
        try:
            atomic.write(beside, text.encode())
            beside.replace(self._path)
        finally:
            beside.unlink(missing_ok=True)
