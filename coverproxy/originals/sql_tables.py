"""The catalogue's tables; these statements are the same in SQLite and PostgreSQL."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from coverproxy.domain.decisions import SameBytes
from coverproxy.domain.original import (
    GONE,
    QUARANTINED,
    Original,
    OriginalState,
    Quarantined,
    best_first,
)
from coverproxy.domain.spec import Identifier
from coverproxy.imaging.preview import Preview
from coverproxy.originals.aliases import AliasStore
from coverproxy.originals.linked_tables import LinkedStores, LinkedTables, sample_points
from coverproxy.originals.original_row import COLUMNS, named, original, values
from coverproxy.originals.readable_rows import readable
from coverproxy.originals.sql_change_feed import SqlChangeFeed
from coverproxy.originals.sql_decisions import SqlDecisions
from coverproxy.originals.sql_dialect import Dialect, entering
from coverproxy.originals.sql_editions import SqlEditions
from coverproxy.originals.sql_feeds import SqlFeeds
from coverproxy.originals.sql_known import kept, unknown
from coverproxy.originals.sql_notices import SqlNotices
from coverproxy.originals.sql_provenance import SqlProvenance
from coverproxy.originals.sql_purges import OF_ROW, SqlPurges
from coverproxy.originals.sql_reports import SqlReports
from coverproxy.originals.sql_titles import SqlTitles
from coverproxy.originals.sql_turns import SqlTurns
from coverproxy.storage.statement import Run

_FIND = f"SELECT {COLUMNS}, {OF_ROW} FROM original o WHERE scheme = ? AND value = ?"  # noqa: S608 - constants only
_LINKED = (
    "(EXISTS (SELECT 1 FROM alias a WHERE a.scheme = o.scheme AND a.value = o.value)"
    " OR EXISTS (SELECT 1 FROM alias a WHERE a.item_scheme = o.scheme AND a.item_value = o.value))"
)
_FIND_ALONE = _FIND.replace("SELECT ", f"SELECT {_LINKED}, ", 1)
_ANY = f"SELECT scheme, value, {COLUMNS} FROM original WHERE"  # noqa: S608 - likewise
_AFTER_DIGEST = "SELECT digest FROM original WHERE digest >= ? ORDER BY digest LIMIT ?"
_COVERED = (
    "SELECT DISTINCT value FROM original"
    " WHERE scheme = ? AND value {among} AND fault IS NULL AND state IS NULL"
)
_PLACE = "scheme = ? AND value = ? AND digest = ?"
_FREE = "UPDATE original SET fault = NULL WHERE digest = ? AND (fault LIKE ? OR fault LIKE ?)"
_LAST_SHOWN = entering("last_shown", "scheme, value, digest, mtime", "scheme, value")
_QUARANTINE = entering("quarantined", "digest, reason, at", "digest")
_REFUSE = entering("refused", "digest, reason, isbns, publishers", "digest")
_KEEP_LOOK = "INSERT INTO look (digest, colour, thumbhash) VALUES (?, ?, ?) ON CONFLICT (digest) DO NOTHING"
_SOURCES = "SELECT source, originals FROM by_source WHERE originals > 0 ORDER BY originals DESC LIMIT 100"


class WritesTogether(ABC):
    """The part of a catalogue outside a transaction whose several statements need one."""

    @abstractmethod
    def writing(self) -> AbstractContextManager["SqlTables"]:
        """See Catalogue."""

    def quarantine(self, digest: bytes, reason: str, at: int) -> None:
        """See CatalogueTables."""
        with self.writing() as tables:
            tables.quarantine(digest, reason, at)

    def release(self, digest: bytes) -> list[Original]:
        """See CatalogueTables."""
        with self.writing() as tables:
            return tables.release(digest)


class SqlTables(LinkedTables):
    """The part of CatalogueTables that both databases share.

    *add*: a database's statement that enters an original in place of the same; its values are scheme, value,
    those of original_row.values(), and how a quarantined original's fault begins, the digest, the fault.
    *jot* writes what changes no answer.
    """

    def __init__(
        self, dialect: Dialect, aliases: AliasStore, add: str, priority: Mapping[str, int], jot: Run
    ) -> None:
        stores = LinkedStores(
            SqlProvenance(dialect), SqlDecisions(dialect), SqlFeeds(dialect), SqlEditions(dialect), aliases,
            SqlReports(dialect), SqlChangeFeed(dialect), SqlPurges(dialect), SqlNotices(dialect),
            SqlTurns(dialect), SqlTitles(dialect),
        )  # fmt: skip
        super().__init__(stores, priority)
        self._dialect = dialect
        self._read = dialect.read_rows
        self._write = dialect.write_rows
        self._jot = jot
        self._add = add

    def _of_name(self, identifier: Identifier) -> list[Original]:
        rows = self._read(_FIND, self._dialect.stored(identifier))
        return readable(rows, partial(named, identifier))

    def alone(self, identifier: Identifier) -> list[Original]:
        """See CatalogueTables."""
        rows = self._read(_FIND_ALONE, self._dialect.stored(identifier))
        if not rows or rows[0][0]:
            return []
        found = readable((row[1:] for row in rows), partial(named, identifier))
        return best_first(found, self._priority) if len(found) > 1 else found

    def _covered(self, identifiers: Iterable[Identifier]) -> set[Identifier]:
        """See LinkedTables."""
        sql = _COVERED.format(among=self._dialect.among)
        return {
            self._dialect.read(scheme, value)
            for scheme, some in self._dialect.by_scheme(identifiers)
            for (value,) in self._read(sql, (scheme, some))
        }

    def pending(self, most: int) -> list[Original]:
        """See CatalogueTables."""
        return self._some("state = 'pending' ORDER BY added LIMIT ?", most)

    def count_pending(self) -> int:
        """See CatalogueTables."""
        return int(self._read("SELECT count(*) FROM original WHERE state = 'pending'")[0][0])

    def outdated(self, now: int, most: int) -> list[Original]:
        """See CatalogueTables."""
        return self._some("until <= ? AND state IS NULL ORDER BY until LIMIT ?", now, most)

    def corrupt(self, most: int) -> list[Original]:
        """See CatalogueTables."""
        sql = "fault IS NOT NULL AND fault NOT LIKE ? ORDER BY added DESC LIMIT ?"
        return self._some(sql, f"{QUARANTINED}%", most)

    def misjudged(self, judged: int, most: int) -> list[Original]:
        """See CatalogueTables."""
        sql = "fault IS NOT NULL AND fault NOT LIKE ? AND fault NOT LIKE ? AND judged < ?"
        return self._some(f"{sql} ORDER BY added LIMIT ?", f"{QUARANTINED}%", f"{GONE}%", judged, most)

    def with_digest(self, digest: bytes, most: int) -> list[Original]:
        """See CatalogueTables."""
        return self._some("digest = ? LIMIT ?", digest, most)

    def _some(self, condition: str, *values: Any) -> list[Original]:
        return readable(self._read(f"{_ANY} {condition}", values), self._original)

    def sample(self, most: int, turn: int = 0) -> list[Original]:
        """See CatalogueTables."""
        digests = [row[0] for row in self._read(_AFTER_DIGEST, (b"", most))]
        if len(digests) == most:
            points = sample_points(most, turn)
            digests = [row[0] for point in points for row in self._read(_AFTER_DIGEST, (point, 1))]
        return [each for digest in dict.fromkeys(digests) for each in self.with_digest(digest, most=1)]

    def add(self, original: Original) -> None:
        """See CatalogueTables."""
        fault = (QUARANTINED, original.digest, original.fault)
        self._write(self._add, (*self._dialect.stored(original.identifier), *values(original), *fault))

    def unknown(self, originals: Sequence[Original]) -> list[Original]:
        """See CatalogueTables."""
        return unknown(self._dialect, originals)

    def kept(self, digests: Sequence[bytes]) -> set[bytes]:
        """See CatalogueTables."""
        return kept(self._dialect, digests)

    def remove(self, original: Original) -> None:
        """See CatalogueTables."""
        self._write(f"DELETE FROM original WHERE {_PLACE}", self._place(original))  # noqa: S608

    def mark_faulty(self, original: Original, fault: str, judged: int = 0) -> None:
        """See CatalogueTables."""
        self._set(original, fault=fault, judged=judged)

    def clear_fault(self, original: Original) -> None:
        """See CatalogueTables."""
        self._set(original, fault=None)

    def decide(self, original: Original, state: OriginalState | None, *, is_pinned: bool) -> None:
        """See CatalogueTables."""
        self._set(original, state=state.value if state else None, pinned=is_pinned)

    def set_since(self, original: Original, since: int) -> None:
        """See CatalogueTables."""
        self._set(original, since=since)

    def _set(self, original: Original, **columns: str | int | None) -> None:
        setting = ", ".join(f"{name} = ?" for name in columns)
        values = (*columns.values(), *self._place(original))
        self._write(f"UPDATE original SET {setting} WHERE {_PLACE}", values)  # noqa: S608 - names of ours

    def keep_measure(self, digest: bytes, detail: float, content: float) -> None:
        """See CatalogueTables."""
        self._write("UPDATE original SET detail = ?, content = ? WHERE digest = ?", (detail, content, digest))

    def mark_unmeasured(self, identifier: Identifier) -> None:
        """See CatalogueTables."""
        sql = "INSERT INTO unmeasured (scheme, value) VALUES (?, ?) ON CONFLICT DO NOTHING"
        self._write(sql, self._dialect.stored(identifier))

    def unmeasured(self, most: int) -> list[Identifier]:
        """See CatalogueTables."""
        return readable(self._read("SELECT scheme, value FROM unmeasured LIMIT ?", (most,)), self._item)

    def unmark_unmeasured(self, identifier: Identifier) -> None:
        """See CatalogueTables."""
        sql = "DELETE FROM unmeasured WHERE scheme = ? AND value = ?"
        self._write(sql, self._dialect.stored(identifier))

    def last_shown(self, identifier: Identifier) -> tuple[bytes, int] | None:
        """See CatalogueTables."""
        sql = "SELECT digest, mtime FROM last_shown WHERE scheme = ? AND value = ?"
        rows = self._read(sql, self._dialect.stored(identifier))
        return (rows[0][0], rows[0][1]) if rows else None

    def note_last_shown(self, identifier: Identifier, digest: bytes, mtime: int) -> None:
        """See CatalogueTables."""
        self._write(_LAST_SHOWN, (*self._dialect.stored(identifier), digest, mtime))

    def quarantined_for(self, digest: bytes) -> str | None:
        """See CatalogueTables."""
        rows = self._read("SELECT reason FROM quarantined WHERE digest = ?", (digest,))
        return next((reason for (reason,) in rows), None)

    def quarantine(self, digest: bytes, reason: str, at: int) -> None:
        """See CatalogueTables."""
        self._write(_QUARANTINE, (digest, reason, at))
        self._write("UPDATE original SET fault = ? WHERE digest = ?", (QUARANTINED + reason, digest))

    def quarantined(self) -> list[Quarantined]:
        """See CatalogueTables."""
        rows = self._read("SELECT digest, reason, at FROM quarantined ORDER BY at DESC, digest")
        return [
            Quarantined(digest, reason, at, tuple(self.with_digest(digest, most=1000)))
            for digest, reason, at in rows
        ]

    def release(self, digest: bytes) -> list[Original]:
        """See CatalogueTables."""
        held = [each for each in self.with_digest(digest, most=1000) if each.is_held]
        self._write("DELETE FROM quarantined WHERE digest = ?", (digest,))
        self._write(_FREE, (digest, f"{QUARANTINED}%", "slow: %"))
        for each in held:
            self.mark_stale(each.identifier)
        return held

    @abstractmethod
    def mark_stale(self, identifier: Identifier) -> None:
        """See CatalogueTables."""

    def refuse(self, digest: bytes, refused: SameBytes) -> None:
        """See CatalogueTables."""
        self._write(_REFUSE, (digest, refused.reason, refused.isbns, refused.publishers))

    def refusal(self, digest: bytes) -> SameBytes | None:
        """See CatalogueTables."""
        rows = self._read("SELECT reason, isbns, publishers FROM refused WHERE digest = ?", (digest,))
        return SameBytes(*rows[0]) if rows else None

    def look(self, digest: bytes) -> Preview | None:
        """See CatalogueTables."""
        rows = self._read("SELECT colour, thumbhash FROM look WHERE digest = ?", (digest,))
        return Preview(*rows[0]) if rows else None

    def keep_look(self, digest: bytes, look: Preview) -> None:
        """See CatalogueTables."""
        self._jot(_KEEP_LOOK, (digest, look.colour, look.thumbhash))

    def totals(self) -> tuple[int, int]:
        """See CatalogueTables."""
        originals, isbns = self._read("SELECT originals, isbns FROM total")[0]
        return originals, isbns

    def sources(self) -> list[tuple[str, int]]:
        """See CatalogueTables."""
        return [(source, count) for source, count in self._read(_SOURCES)]

    def _place(self, original: Original) -> tuple[int, int | str, bytes]:
        return (*self._dialect.stored(original.identifier), original.digest)

    def _item(self, row: tuple[Any, ...]) -> Identifier:
        return self._dialect.read(*row)

    def _original(self, row: tuple[Any, ...]) -> Original:
        return original(self._dialect.read(*row[:2]), row[2:])
