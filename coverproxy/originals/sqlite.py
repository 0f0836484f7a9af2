"""The catalogue: which originals there are of an identifier, in SQLite."""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

from coverproxy.domain.formats import Loader
from coverproxy.domain.original import QUARANTINED, Original, Quarantined, best_first
from coverproxy.domain.spec import ISBN, Identifier
from coverproxy.imaging.preview import Preview
from coverproxy.storage import sqlite_migrations

schema_steps = partial(sqlite_migrations.steps, resources.files(__package__), "schema")
"""What brings the file to its present version: see schema.apply()."""

_SCHEMES = {ISBN: 1}
_COLUMNS = "digest, loader, width, height, bytes, date, source, path, fault, added"
_WITH_DIGEST = f"SELECT value, {_COLUMNS} FROM original WHERE digest = ? LIMIT ?"  # noqa: S608 - likewise
_ADD = f"INSERT OR REPLACE INTO original (scheme, value, {_COLUMNS}) VALUES ({'?, ' * 11} ?)"  # noqa: S608
_FREE = "UPDATE original SET fault = NULL WHERE digest = ? AND (fault LIKE ? OR fault LIKE 'slow: %')"
_COVERED = (
    "SELECT DISTINCT value FROM original WHERE scheme = ? AND fault IS NULL"
    " AND value IN (SELECT value FROM json_each(?))"
)
_FIND = f"SELECT {_COLUMNS} FROM original WHERE scheme = ? AND value = ?"  # noqa: S608 - constants only


class Catalogue:
    """The catalogue file. Blocks on the disk; safe from several threads and processes at once."""

    def __init__(self, path: Path, priority: Mapping[str, int]) -> None:
        self._path = path
        self._priority = priority
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []

    def open(self) -> None:
        """Make the file and its tables where they are missing."""
        sqlite_migrations.apply(self._path, schema_steps())

    @property
    def _connection(self) -> sqlite3.Connection:
        """This thread's connection: SQLite's own rule is one thread each."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite_migrations.connect(self._path)
            connection.execute("PRAGMA cache_size = -16384")  # KiB: the upper pages of a large tree
            self._local.connection = connection
            self._connections.append(connection)
        return connection

    def execute(self, sql: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """Run a statement on a neighbour's table, to its end; within writing(), as a part of it."""
        return self._connection.execute(sql, values).fetchall()

    def find(self, identifier: Identifier) -> list[Original]:
        """Return every original of *identifier*, best first; those known to be faulty too."""
        rows = self._connection.execute(_FIND, stored(identifier)).fetchall()
        found = [_original(identifier, row) for row in rows]
        return best_first(found, self._priority) if len(found) > 1 else found

    def covered(self, isbns: Iterable[str]) -> set[str]:
        """Return those of the canonical ISBN-13s that have an original which can be shown: one query for all.

        The values go as one JSON array: a statement takes no more than so many parameters, and is then
        prepared once for any number of them.
        """
        values = f"[{','.join(isbns)}]"
        rows = self._connection.execute(_COVERED, (_SCHEMES[ISBN], values)).fetchall()
        return {f"{row[0]:013d}" for row in rows}

    def change(self) -> int:
        """Return a number that differs once another thread or process has written here.

        Reads shared memory (some microseconds, no lock): the event loop may ask. Of one thread only two
        answers of its own can be compared.
        """
        row = self._connection.execute("PRAGMA data_version").fetchone()
        return int(row[0])

    def with_digest(self, digest: bytes, most: int) -> list[Original]:
        """Return at most *most* originals that are these bytes."""
        rows = self._connection.execute(_WITH_DIGEST, (digest, most)).fetchall()
        return [_original(Identifier(ISBN, f"{row[0]:013d}"), row[1:]) for row in rows]

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Make all writes of this thread inside one transaction."""
        self._connection.execute("BEGIN IMMEDIATE")
        with self._connection:
            yield

    def add(self, original: Original) -> None:
        """Enter an original, in place of what was known of the same bytes under the same identifier.

        Quarantined bytes stay so, whatever book they come for.
        """
        if reason := self.standing(original.digest)[0]:
            original = replace(original, fault=QUARANTINED + reason)
        self._connection.execute(_ADD, (*stored(original.identifier), *_row(original)))

    def remove(self, original: Original) -> None:
        """Strike out one original."""
        self._connection.execute(
            "DELETE FROM original WHERE scheme = ? AND value = ? AND digest = ?",
            (*stored(original.identifier), original.digest),
        )

    def mark_faulty(self, original: Original, fault: str) -> None:
        """Remember that an original cannot be rendered: it is not decoded again."""
        self._connection.execute(
            "UPDATE original SET fault = ? WHERE scheme = ? AND value = ? AND digest = ?",
            (fault, *stored(original.identifier), original.digest),
        )

    def standing(self, digest: bytes) -> tuple[str | None, bool]:
        """Return why these bytes are quarantined, or None; and whether they are suspected."""
        query = (
            "SELECT (SELECT reason FROM quarantined WHERE digest = ?1),"
            " EXISTS (SELECT 1 FROM suspect WHERE digest = ?1)"
        )
        reason, is_suspect = self._connection.execute(query, (digest,)).fetchone()
        return reason, bool(is_suspect)

    def suspect(self, digest: bytes, at: int) -> None:
        """Remember that a process ended while decoding these bytes, and that it may be their doing."""
        self._connection.execute("INSERT OR REPLACE INTO suspect VALUES (?, ?)", (digest, at))

    def acquit(self, digest: bytes) -> None:
        """Forget a suspicion: these bytes were decoded, and nothing happened."""
        self._connection.execute("DELETE FROM suspect WHERE digest = ?", (digest,))

    def quarantine(self, digest: bytes, reason: str, at: int) -> None:
        """Have these bytes never decoded again, whatever book they are the cover of."""
        with self.writing():
            self.acquit(digest)
            self._connection.execute(
                "INSERT OR REPLACE INTO quarantined VALUES (?, ?, ?)", (digest, reason, at)
            )
            fault = QUARANTINED + reason
            self._connection.execute("UPDATE original SET fault = ? WHERE digest = ?", (fault, digest))

    def quarantined(self) -> list[Quarantined]:
        """Return all that is quarantined, the latest first."""
        rows = self._connection.execute("SELECT * FROM quarantined ORDER BY at DESC, digest").fetchall()
        return [
            Quarantined(digest, reason, at, tuple(self.with_digest(digest, most=1000)))
            for digest, reason, at in rows
        ]

    def release(self, digest: bytes) -> list[Original]:
        """Take back a quarantine, or a fault "slow"; return the originals that are free again.

        What was made of lesser originals in the meantime is marked as stale.
        """
        with self.writing():
            held = [each for each in self.with_digest(digest, most=1000) if each.is_held]
            self.acquit(digest)
            self._connection.execute("DELETE FROM quarantined WHERE digest = ?", (digest,))
            self._connection.execute(_FREE, (digest, QUARANTINED + "%"))
            for each in held:
                self.mark_stale(each.identifier)
        return held

    def mark_stale(self, identifier: Identifier) -> None:
        """Remember, with the change that made it so, that a book's derivatives are to be removed."""
        self._connection.execute("INSERT OR IGNORE INTO stale VALUES (?, ?)", stored(identifier))

    def stale(self, most: int) -> list[Identifier]:
        """Return at most *most* books whose derivatives are still to be removed."""
        rows = self._connection.execute("SELECT value FROM stale LIMIT ?", (most,)).fetchall()
        return [Identifier(ISBN, f"{row[0]:013d}") for row in rows]

    def unmark_stale(self, identifiers: Iterable[Identifier]) -> None:
        """Strike out books whose derivatives are removed."""
        marks = [stored(identifier) for identifier in identifiers]
        self._connection.executemany("DELETE FROM stale WHERE scheme = ? AND value = ?", marks)

    def refuse(self, digest: bytes, reason: str) -> None:
        """Remember bytes that no book may have as its cover."""
        self._connection.execute("INSERT OR REPLACE INTO refused VALUES (?, ?)", (digest, reason))

    def refusal(self, digest: bytes) -> str | None:
        """Return why these bytes are refused, or None."""
        row = self._connection.execute("SELECT reason FROM refused WHERE digest = ?", (digest,)).fetchone()
        return row[0] if row else None

    def look(self, digest: bytes) -> Preview | None:
        """Return how these bytes look, or None where nobody has looked yet."""
        query = "SELECT colour, thumbhash FROM look WHERE digest = ?"
        row = self._connection.execute(query, (digest,)).fetchone()
        return Preview(*row) if row else None

    def keep_look(self, digest: bytes, look: Preview) -> None:
        """Remember how these bytes look: they never look otherwise."""
        values = (digest, look.colour, look.thumbhash)
        self._connection.execute("INSERT OR REPLACE INTO look VALUES (?, ?, ?)", values)

    def counts(self) -> tuple[int, int]:
        """Return how many (identifiers, originals) there are. Reads every row: for reports only."""
        row = self._connection.execute("SELECT count(DISTINCT value), count(*) FROM original").fetchone()
        return row[0], row[1]

    def totals(self) -> tuple[int, int]:
        """Return how many (originals, identifiers) there are, as kept with every change: one row is read."""
        row = self._connection.execute("SELECT originals, isbns FROM total").fetchone()
        return row[0], row[1]

    def sources(self) -> list[tuple[str, int]]:
        """Return how many originals came from each source, the most first."""
        query = (
            "SELECT source, originals FROM by_source WHERE originals > 0 ORDER BY originals DESC LIMIT 100"
        )
        return [(source, count) for source, count in self._connection.execute(query)]

    def ping(self) -> None:
        """Read something. Raises sqlite3.Error where the catalogue cannot be read."""
        self._connection.execute("SELECT 1 FROM original LIMIT 1").fetchone()

    def close(self) -> None:
        """Close every thread's connection."""
        while self._connections:
            self._connections.pop().close()


def stored(identifier: Identifier) -> tuple[int, int | str]:
    """How the tables hold an identifier: (scheme, value)."""
    value = int(identifier.value) if identifier.scheme == ISBN else identifier.value
    return _SCHEMES[identifier.scheme], value


def read_identifier(scheme: int, value: int | str) -> Identifier:
    """The inverse of stored()."""
    name = next(name for name, number in _SCHEMES.items() if number == scheme)
    return Identifier(name, f"{value:013d}" if name == ISBN else str(value))


def _row(original: Original) -> tuple[Any, ...]:
    """The values of _COLUMNS."""
    return (
        original.digest, original.loader.value, original.width, original.height, original.bytes,
        original.date, original.source, original.path, original.fault, original.added,
    )  # fmt: skip


def _original(identifier: Identifier, row: tuple[Any, ...]) -> Original:
    digest, loader, *rest = row
    return Original(identifier, digest, Loader(loader), *rest)
