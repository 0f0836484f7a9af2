"""State of feeds, in the catalogue's database; the statements are the same in SQLite and PostgreSQL."""

from typing import Any

from coverproxy.originals.feed_store import FeedFile, FeedRecord
from coverproxy.originals.readable_rows import readable
from coverproxy.originals.sql_dialect import Dialect, entering

_RECORD = "source, reference, scheme, value, digest, stamp, seen"
_FILE = "source, name, stamp, started, done, ended, again, added, refused, note"
_PUT_RECORD = entering("feed_record", _RECORD, "source, reference")
_PUT_FILE = entering("feed_file", _FILE, "source, name")


class SqlFeeds:
    """Tables `feed_record` and `feed_file`; see FeedStore."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._read = dialect.read_rows
        self._write = dialect.write_rows

    def put(self, record: FeedRecord) -> None:
        """See FeedStore."""
        values = (
            record.source, record.reference, *self._dialect.stored(record.identifier), record.digest,
            record.stamp, record.seen,
        )  # fmt: skip
        self._write(_PUT_RECORD, values)

    def of(self, source: str, reference: str) -> FeedRecord | None:
        """See FeedStore."""
        sql = f"SELECT {_RECORD} FROM feed_record WHERE source = ? AND reference = ?"  # noqa: S608
        found = readable(self._read(sql, (source, reference)), self._record)
        return found[0] if found else None

    def remove(self, source: str, reference: str) -> None:
        """See FeedStore."""
        self._write("DELETE FROM feed_record WHERE source = ? AND reference = ?", (source, reference))

    def unseen(self, source: str, since: int, most: int) -> list[FeedRecord]:
        """See FeedStore."""
        sql = f"SELECT {_RECORD} FROM feed_record WHERE source = ? AND seen < ? LIMIT ?"  # noqa: S608
        return readable(self._read(sql, (source, since, most)), self._record)

    def count(self, source: str) -> int:
        """See FeedStore."""
        return int(self._read("SELECT count(*) FROM feed_record WHERE source = ?", (source,))[0][0])

    def file(self, source: str, name: str) -> FeedFile | None:
        """See FeedStore."""
        sql = f"SELECT {_FILE} FROM feed_file WHERE source = ? AND name = ?"  # noqa: S608
        rows = self._read(sql, (source, name))
        return FeedFile(*rows[0]) if rows else None

    def note_file(self, file: FeedFile) -> None:
        """See FeedStore."""
        values = (
            file.source, file.name, file.stamp, file.started, file.done, file.ended, file.again, file.added,
            file.refused, file.note,
        )  # fmt: skip
        self._write(_PUT_FILE, values)

    def files(self, source: str, most: int) -> list[FeedFile]:
        """See FeedStore."""
        sql = f"SELECT {_FILE} FROM feed_file WHERE source = ? ORDER BY started DESC, name LIMIT ?"  # noqa: S608
        return [FeedFile(*row) for row in self._read(sql, (source, most))]

    def _record(self, row: tuple[Any, ...]) -> FeedRecord:
        source, reference, scheme, value, *rest = row
        return FeedRecord(source, reference, self._dialect.read(scheme, value), *rest)
