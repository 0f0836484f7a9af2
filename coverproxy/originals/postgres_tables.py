"""The catalogue's tables in PostgreSQL, within a transaction and outside one."""

from collections.abc import Iterable, Mapping
from functools import partial

from coverproxy.domain.decisions import SameBytes
from coverproxy.domain.original import GONE, QUARANTINED, Original, OriginalState, Quarantined, best_first
from coverproxy.domain.spec import Identifier
from coverproxy.imaging.preview import Preview
from coverproxy.originals.linked_tables import LinkedStores, LinkedTables, sample_points
from coverproxy.originals.postgres_aliases import NAMES, PostgresAliases
from coverproxy.originals.postgres_changes import ChangeLog
from coverproxy.originals.postgres_decisions import PostgresDecisions
from coverproxy.originals.postgres_feeds import PostgresEditions, PostgresFeeds
from coverproxy.originals.postgres_provenance import PostgresProvenance
from coverproxy.originals.postgres_rows import COLUMNS, any_original, as_text, from_text, values
from coverproxy.originals.sql_change_feed import SqlChangeFeed
from coverproxy.originals.sql_dialect import Dialect, with_percent
from coverproxy.originals.sql_notices import SqlNotices
from coverproxy.originals.sql_purges import OF_ROW, SqlPurges
from coverproxy.originals.sql_reports import SqlReports
from coverproxy.originals.sqlite_original_row import named
from coverproxy.originals.sqlite_rows import readable
from coverproxy.storage.postgres_pool import Run, marks

_FIND = f"SELECT {COLUMNS}, {OF_ROW} FROM original o WHERE scheme = %s AND value = %s"  # noqa: S608 - constants
_OF_ITEM = f"""
{NAMES} SELECT place, names.scheme, names.value, its.* FROM names CROSS JOIN LATERAL (
    SELECT {COLUMNS}, {OF_ROW} FROM original o
    WHERE o.scheme = names.scheme AND o.value = names.value OFFSET 0
) its
"""  # noqa: S608 - constants only. OFFSET 0: each name is looked up by the index, whatever is estimated
_ANY = f"SELECT scheme, value, {COLUMNS} FROM original"  # noqa: S608 - likewise
_PLAIN = len(COLUMNS.split(", ")) + 1
_PLACE = "scheme = %s AND value = %s AND digest = %s"
RENEWED = ", ".join(f"{each} = excluded.{each}" for each in COLUMNS.split(", "))
_ADD = (
    f"INSERT INTO original (scheme, value, {COLUMNS}) VALUES ({marks(range(_PLAIN))},"  # noqa: S608 - likewise
    " coalesce((SELECT %s || reason FROM quarantined WHERE digest = %s), %s))"
    f" ON CONFLICT (scheme, value, digest) DO UPDATE SET {RENEWED}"
)
_FREE = "UPDATE original SET fault = NULL WHERE digest = %s AND (fault LIKE %s OR fault LIKE 'slow: %%')"


class PostgresCatalogueTables(LinkedTables):
    """See CatalogueTables. *read* and *write* run a statement, within one transaction or each in its own.

    *jot* writes what changes no answer, without the catalogue's lock.
    """

    def __init__(
        self, read: Run, write: Run, jot: Run, changes: ChangeLog, priority: Mapping[str, int]
    ) -> None:
        dialect = Dialect(with_percent(read), with_percent(write), as_text, from_text)
        stores = LinkedStores(
            PostgresProvenance(read, write), PostgresDecisions(read, write), PostgresFeeds(read, write),
            PostgresEditions(read, write), PostgresAliases(read, write), SqlReports(dialect),
            SqlChangeFeed(dialect), SqlPurges(dialect), SqlNotices(dialect),
        )  # fmt: skip
        super().__init__(stores, priority)
        self._read = read
        self._write = write
        self._jot = jot
        self._changes = changes

    def _of_name(self, identifier: Identifier) -> list[Original]:
        return readable(self._read(_FIND, as_text(identifier)), partial(named, identifier))

    def of_item(self, identifier: Identifier) -> list[Original]:
        """See CatalogueTables. One statement, where names and each one's originals would be several."""
        rows = sorted(self._read(_OF_ITEM, as_text(identifier)), key=lambda row: row[:3])
        found = readable(rows, lambda row: named(from_text(*row[1:3]), row[3:]))
        return best_first(found, self._priority) if len(found) > 1 else found

    def pending(self, most: int) -> list[Original]:
        """See CatalogueTables."""
        sql = f"{_ANY} WHERE state = 'pending' ORDER BY added LIMIT %s"
        return readable(self._read(sql, (most,)), any_original)

    def misjudged(self, judged: int, most: int) -> list[Original]:
        """See CatalogueTables."""
        sql = (
            f"{_ANY} WHERE fault IS NOT NULL AND NOT starts_with(fault, %s) AND NOT starts_with(fault, %s)"
            " AND judged < %s LIMIT %s"
        )
        return readable(self._read(sql, (QUARANTINED, GONE, judged, most)), any_original)

    def corrupt(self, most: int) -> list[Original]:
        """See CatalogueTables."""
        sql = f"{_ANY} WHERE fault IS NOT NULL AND NOT starts_with(fault, %s) ORDER BY added DESC LIMIT %s"
        return readable(self._read(sql, (QUARANTINED, most)), any_original)

    def count_pending(self) -> int:
        """See CatalogueTables."""
        return int(self._read("SELECT count(*) FROM original WHERE state = 'pending'")[0][0])

    def outdated(self, now: int, most: int) -> list[Original]:
        """See CatalogueTables."""
        sql = f"{_ANY} WHERE until <= %s AND state IS NULL LIMIT %s"
        return readable(self._read(sql, (now, most)), any_original)

    def _covered(self, identifiers: Iterable[Identifier]) -> set[Identifier]:
        by_scheme: dict[int, list[str]] = {}
        for scheme, value in map(as_text, identifiers):
            by_scheme.setdefault(scheme, []).append(value)
        sql = (
            "SELECT DISTINCT value FROM original"
            " WHERE scheme = %s AND value = ANY(%s) AND fault IS NULL AND state IS NULL"
        )
        return {
            from_text(scheme, value)
            for scheme, values in by_scheme.items()
            for (value,) in self._read(sql, (scheme, values))
        }

    def with_digest(self, digest: bytes, most: int) -> list[Original]:
        """See CatalogueTables."""
        return readable(self._read(f"{_ANY} WHERE digest = %s LIMIT %s", (digest, most)), any_original)

    def sample(self, most: int, turn: int = 0) -> list[Original]:
        """See CatalogueTables."""
        sql = "SELECT digest FROM original WHERE digest >= %s ORDER BY digest LIMIT %s"
        digests = [row[0] for row in self._read(sql, (b"", most))]
        if len(digests) == most:
            points = sample_points(most, turn)
            digests = [row[0] for point in points for row in self._read(sql, (point, 1))]
        return [each for digest in dict.fromkeys(digests) for each in self.with_digest(digest, most=1)]

    def add(self, original: Original) -> None:
        """See CatalogueTables."""
        fault = (QUARANTINED, original.digest, original.fault)
        self._write(_ADD, (*as_text(original.identifier), *values(original), *fault))

    def remove(self, original: Original) -> None:
        """See CatalogueTables."""
        self._write(f"DELETE FROM original WHERE {_PLACE}", _place(original))  # noqa: S608

    def mark_faulty(self, original: Original, fault: str, judged: int = 0) -> None:
        """See CatalogueTables."""
        sql = f"UPDATE original SET fault = %s, judged = %s WHERE {_PLACE}"  # noqa: S608 - constants only
        self._write(sql, (fault, judged, *_place(original)))

    def clear_fault(self, original: Original) -> None:
        """See CatalogueTables."""
        self._write(f"UPDATE original SET fault = NULL WHERE {_PLACE}", _place(original))  # noqa: S608

    def decide(self, original: Original, state: OriginalState | None, *, is_pinned: bool) -> None:
        """See CatalogueTables."""
        values = (state.value if state else None, is_pinned, *_place(original))
        self._write(f"UPDATE original SET state = %s, pinned = %s WHERE {_PLACE}", values)  # noqa: S608

    def keep_measure(self, digest: bytes, detail: float, content: float) -> None:
        """See CatalogueTables."""
        sql = "UPDATE original SET detail = %s, content = %s WHERE digest = %s"
        self._write(sql, (detail, content, digest))

    def mark_unmeasured(self, identifier: Identifier) -> None:
        """See CatalogueTables."""
        sql = "INSERT INTO unmeasured VALUES (%s, %s) ON CONFLICT DO NOTHING"
        self._write(sql, as_text(identifier))

    def unmeasured(self, most: int) -> list[Identifier]:
        """See CatalogueTables."""
        rows = self._read("SELECT scheme, value FROM unmeasured LIMIT %s", (most,))
        return readable(rows, lambda row: from_text(*row))

    def unmark_unmeasured(self, identifier: Identifier) -> None:
        """See CatalogueTables."""
        self._write("DELETE FROM unmeasured WHERE scheme = %s AND value = %s", as_text(identifier))

    def set_since(self, original: Original, since: int) -> None:
        """See CatalogueTables."""
        self._write(f"UPDATE original SET since = %s WHERE {_PLACE}", (since, *_place(original)))  # noqa: S608

    def last_shown(self, identifier: Identifier) -> tuple[bytes, int] | None:
        """See CatalogueTables."""
        sql = "SELECT digest, mtime FROM last_shown WHERE scheme = %s AND value = %s"
        rows = self._read(sql, as_text(identifier))
        return (rows[0][0], rows[0][1]) if rows else None

    def note_last_shown(self, identifier: Identifier, digest: bytes, mtime: int) -> None:
        """See CatalogueTables."""
        sql = (
            "INSERT INTO last_shown VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (scheme, value) DO UPDATE SET digest = excluded.digest, mtime = excluded.mtime"
        )
        self._write(sql, (*as_text(identifier), digest, mtime))

    def quarantined_for(self, digest: bytes) -> str | None:
        """See CatalogueTables."""
        rows = self._read("SELECT reason FROM quarantined WHERE digest = %s", (digest,))
        return next((reason for (reason,) in rows), None)

    def quarantine(self, digest: bytes, reason: str, at: int) -> None:
        """See CatalogueTables."""
        sql = (
            "INSERT INTO quarantined VALUES (%s, %s, %s)"
            " ON CONFLICT (digest) DO UPDATE SET reason = excluded.reason, at = excluded.at"
        )
        self._write(sql, (digest, reason, at))
        self._write("UPDATE original SET fault = %s WHERE digest = %s", (QUARANTINED + reason, digest))

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
        self._write("DELETE FROM quarantined WHERE digest = %s", (digest,))
        self._write(_FREE, (digest, QUARANTINED + "%"))
        for each in held:
            self.mark_stale(each.identifier)
        return held

    def mark_stale(self, identifier: Identifier) -> None:
        """See CatalogueTables. Every node removes its own derivatives, once it has read of it."""
        self._write("INSERT INTO change (scheme, value) VALUES (%s, %s)", as_text(identifier))

    def stale(self, most: int) -> list[Identifier]:
        """See CatalogueTables: those whose derivatives this node has still to remove."""
        return readable(self._changes.waiting(self._read, most), lambda row: from_text(*row))

    def unmark_stale(self, identifiers: Iterable[Identifier]) -> None:
        """See CatalogueTables: this node has removed them."""
        self._changes.strike(self._read, [as_text(each) for each in identifiers])

    def refuse(self, digest: bytes, refused: SameBytes) -> None:
        """See CatalogueTables."""
        sql = (
            "INSERT INTO refused VALUES (%s, %s, %s, %s) ON CONFLICT (digest) DO UPDATE"
            " SET reason = excluded.reason, isbns = excluded.isbns, publishers = excluded.publishers"
        )
        self._write(sql, (digest, refused.reason, refused.isbns, refused.publishers))

    def refusal(self, digest: bytes) -> SameBytes | None:
        """See CatalogueTables."""
        rows = self._read("SELECT reason, isbns, publishers FROM refused WHERE digest = %s", (digest,))
        return SameBytes(*rows[0]) if rows else None

    def look(self, digest: bytes) -> Preview | None:
        """See CatalogueTables."""
        rows = self._read("SELECT colour, thumbhash FROM look WHERE digest = %s", (digest,))
        return Preview(*rows[0]) if rows else None

    def keep_look(self, digest: bytes, look: Preview) -> None:
        """See CatalogueTables."""
        sql = "INSERT INTO look VALUES (%s, %s, %s) ON CONFLICT (digest) DO NOTHING"
        self._jot(sql, (digest, look.colour, look.thumbhash))

    def counts(self) -> tuple[int, int]:
        """See CatalogueTables."""
        identifiers = "(SELECT DISTINCT scheme, value FROM original) AS book"
        isbns, originals = self._read(
            f"SELECT (SELECT count(*) FROM {identifiers}), count(*) FROM original"  # noqa: S608 - constants
        )[0]
        return isbns, originals

    def totals(self) -> tuple[int, int]:
        """See CatalogueTables."""
        originals, isbns = self._read("SELECT originals, isbns FROM total")[0]
        return originals, isbns

    def sources(self) -> list[tuple[str, int]]:
        """See CatalogueTables."""
        sql = "SELECT source, originals FROM by_source WHERE originals > 0 ORDER BY originals DESC LIMIT 100"
        return [(source, count) for source, count in self._read(sql)]


def _place(original: Original) -> tuple[int, str, bytes]:
    return (*as_text(original.identifier), original.digest)
